"""Lives of a node on the same directories, each ended by a death: what all of them published."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest

from tests.engines import needs_native
from tests.recording import Recorder
from veneurpy.config import parse_config
from veneurpy.config.loader import SinkKinds
from veneurpy.engine import EngineOptions, open_engine
from veneurpy.engine.arena_dir import boot_id
from veneurpy.engine.unkept import unkept_in
from veneurpy.flush.flusher import Flusher
from veneurpy.flush.lanes import Lane
from veneurpy.flush.late import LatePoints
from veneurpy.flush.summarise import plan_of
from veneurpy.flush.ticker import Ticker
from veneurpy.ledger import Ledger
from veneurpy.ports import WriteClass
from veneurpy.server.durable import RETRY_S, Durable
from veneurpy.server.recovery import Recovery
from veneurpy.telemetry import Telemetry
from veneurpy.testing import FakeClock, MemorySink

pytestmark = needs_native

INTERVAL_S = 10.0
CONFIG = """
statsd_listen_addresses: ["udp://127.0.0.1:0"]
state_dir: {0}/state
arena_dir: {0}/arenas
metric_sinks: [{{kind: memory, name: safe}}, {{kind: memory, name: adds}}]
"""


class AddingSink(MemorySink):
    """One whose backend adds up what it is given."""

    write_class: ClassVar[WriteClass] = WriteClass.ADDITIVE


class PunctualSink(MemorySink):
    """Comes to its end when it is called off."""

    async def _call(self, name: str) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await super()._call(name)


class World:
    """What outlives a node: its directories, the clock, the sinks' backends."""

    def __init__(self, folder: Path) -> None:
        (folder / "state").mkdir()
        kinds = SinkKinds(lambda: ["memory"], lambda kind: MemorySink.Config)
        self.folder = folder
        self.config = parse_config(CONFIG.format(folder), sinks=kinds).config
        self.clock = FakeClock()
        self.sinks = {"safe": MemorySink(), "adds": AddingSink()}
        self.sent: defaultdict[int, float] = defaultdict(float)
        """The counter's total, by the start of its interval."""
        self.in_doubt = 0

    def break_disk(self, *, broken: bool, spare: bool = False) -> None:
        """A commit fails from now on, or succeeds again; so does, if told, that to `arena_dir`."""
        if spare:
            in_the_way = self.folder / "arenas" / "spool.db"
            in_the_way.mkdir() if broken else in_the_way.rmdir()
        old, new = ("encoded", "hidden") if broken else ("hidden", "encoded")
        db = sqlite3.connect(self.folder / "state" / "spool.db")
        with db:
            db.execute(f"ALTER TABLE {old} RENAME TO {new}")
        db.close()

    def published(self, sink: str) -> dict[int, list[float]]:
        """What a sink was given of the counter, by timestamp."""
        values: dict[int, list[float]] = {}
        for point in self.sinks[sink].points:
            values.setdefault(point.timestamp_ms, []).append(point.value)
        return values


class Life:
    """A node from its start to its death; its listener is a reader that is fed."""

    def __init__(
        self, world: World, *, resends: bool = False, flush_timeout_s: float = 1e6
    ) -> None:
        self.world = world
        self.flush_timeout_s = flush_timeout_s
        self.log = Recorder()
        self.executor = ThreadPoolExecutor(1)
        self.telemetry = Telemetry(self.log, world.clock)
        self.ledger = Ledger(list(world.sinks))
        self.lanes = [self._lane(name, resends) for name in world.sinks]
        self.durable = Durable(
            world.config, self.lanes, clock=world.clock, telemetry=self.telemetry
        )
        self.tasks: list[asyncio.Task[None]] = []

    def _lane(self, name: str, resends: bool) -> Lane:
        return Lane(
            name,
            self.world.sinks[name],
            kind="memory",
            clock=self.world.clock,
            telemetry=self.telemetry,
            accounts=self.ledger.total.sinks[name],
            queue_batches=2,
            flush_timeout_s=self.flush_timeout_s,
            oldest_s=1e9,
            resends=resends,
        )

    async def start(self) -> None:
        """In the order of a server."""
        world = self.world
        late = LatePoints(window_s=600)
        await self.durable.open()
        await self.durable.prepare(world.sinks)
        await self.durable.restore(world.sinks, late)
        self.ticker = Ticker(world.clock, interval_s=INTERVAL_S)
        await self.durable.go_on(self.ticker)
        options = EngineOptions(arena_dir=world.config.arena_dir, store_max_bytes=1 << 20)
        self.engine = open_engine("native", options, start_ms=self.ticker.start_ms)
        self.flusher = Flusher(
            self.engine,
            self.lanes,
            plan=plan_of(["max", "count"], []),
            late=late,
            ledger=self.ledger,
            telemetry=self.telemetry,
            clock=world.clock,
            executor=self.executor,
            host="web1",
            extend_tags=(),
            keeper=self.durable.keeper,
        )
        self.recovered = await Recovery(
            self.engine,
            self.durable.spool,
            flusher=self.flusher,
            ticker=self.ticker,
            telemetry=self.telemetry,
            executor=self.executor,
        ).run()
        self.reader = self.engine.open_reader("udp")
        self.tasks = [asyncio.create_task(lane.run()) for lane in self.lanes]

    def feed(self, value: int) -> None:
        """One sample, into the open interval."""
        self.reader.feed(b"c:%d|c" % value, now_ns=self.world.clock.now_ns())
        self.world.sent[self.ticker.start_ms] += value

    async def flush(self) -> None:
        """Lets the interval end; what of it can be delivered is."""
        self.world.clock.advance(INTERVAL_S)
        await self.flusher.flush(await self.ticker.wait())
        await self.deliver()

    async def deliver(self) -> None:
        """Lets the lanes run until they wait for something."""
        for _ in range(3):
            await self.world.clock.run(0)
            # What is queued for the disk is done, too.
            await self.durable.spool.owed()

    async def stop(self) -> None:
        """Publishes what is open, and leaves no arena."""
        await self.flusher.flush(self.ticker.cut())
        await self.deliver()
        await self.die(leave_arenas=False)

    async def die(self, *, leave_arenas: bool = True) -> None:
        """Nothing more is written by anybody; the lock goes with the process."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for lane in self.lanes:
            fate = self.ledger.total.sinks[lane.name].points
            self.world.in_doubt += sum(fate.in_doubt.values())
        self.engine.close(leave_arenas=leave_arenas)
        await self.durable.close()
        self.executor.shutdown()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    for sink in made.sinks.values():
        sink.release()


async def born(world: World, *, resends: bool = False, flush_timeout_s: float = 1e6) -> Life:
    life = Life(world, resends=resends, flush_timeout_s=flush_timeout_s)
    await life.start()
    return life


async def test_an_open_interval_goes_on(world: World) -> None:
    """Its time is not over: what both processes took is one point of it."""
    life = await born(world)
    life.feed(1)
    await life.die()
    world.clock.advance(3)
    life = await born(world)
    assert life.recovered
    assert life.recovered.resumed
    life.feed(2)
    await life.flush()
    assert {start: [3.0] for start in world.sent} == world.published("safe")
    await life.die()


async def test_an_interval_that_is_over_is_published_under_its_start(world: World) -> None:
    """And a later one under its own."""
    life = await born(world)
    life.feed(1)
    await life.die()
    world.clock.advance(2.5 * INTERVAL_S)
    life = await born(world)
    life.feed(2)
    await life.deliver()
    await life.flush()
    assert {start: [value] for start, value in world.sent.items()} == world.published("adds")
    await life.die()


@pytest.mark.parametrize("back_s", [0.5, 7, 35, 300])
@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_clock_set_back_between_lives(back_s: float, is_killed: bool, world: World) -> None:
    """No time is published twice: the successor goes on where the one before it was."""
    life = await born(world)
    for value in (1, 2, 3):
        life.feed(value)
        await life.flush()
    life.feed(4)
    await (life.die() if is_killed else life.stop())
    world.clock.jump(-back_s)
    life = await born(world)
    assert is_killed == bool(life.recovered)
    for value in (5, 6, 7):
        life.feed(value)
        await world.clock.run(2 * INTERVAL_S)
        await life.flusher.flush(await life.ticker.wait())
        await life.deliver()
    published = world.published("safe")
    assert {1} == {len(values) for values in published.values()}
    assert 28.0 == sum(value for values in published.values() for value in values)
    assert sorted(published) == list(published)
    await life.die()


@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_time_far_ahead_is_not_gone_on_with(is_killed: bool, world: World) -> None:
    """A clock that was wrong by more than an hour, and is right now, is believed."""
    world.clock.jump(7200)
    life = await born(world)
    life.feed(1)
    await (life.die() if is_killed else life.stop())
    world.clock.jump(-7200)
    life = await born(world)
    assert is_killed == bool(life.recovered)
    assert life.recovered is None or not life.recovered.resumed
    assert world.clock.now_ns() // 10**6 == life.ticker.start_ms
    await life.die()


async def test_what_was_committed_is_not_published_again(world: World) -> None:
    """However often a process dies after it."""
    life = await born(world)
    life.feed(1)
    await life.flush()
    for _ in range(3):
        await life.die()
        world.clock.advance(2 * INTERVAL_S)
        life = await born(world)
        await life.deliver()
    assert {start: [1.0] for start in world.sent} == world.published("adds")
    await life.die()


@pytest.mark.parametrize("is_mended", [False, True])
async def test_a_full_disk_and_a_death_cost_nothing(world: World, is_mended: bool) -> None:
    """Whether the next process finds room on the disk or not: each interval is published once."""
    life = await born(world)
    for value in (1, 2):
        life.feed(value)
        await life.flush()
    world.break_disk(broken=True)
    for value in (3, 4):
        life.feed(value)
        await life.flush()
    for sink in world.sinks.values():
        sink.hang()
    for value in (5, 6, 7):
        life.feed(value)
        await life.flush()
    # In the call that hangs it is in doubt where a backend adds up.
    await life.die()
    for sink in world.sinks.values():
        sink.release()
    if is_mended:
        world.break_disk(broken=False)
    for _ in range(2):
        life = await born(world)
        while await life.durable.spool.owed():
            await life.deliver()
        await life.die()
    expected = {start: [value] for start, value in world.sent.items()}
    assert expected == world.published("safe")
    del expected[list(expected)[4]]
    assert expected == world.published("adds")
    assert 1 == world.in_doubt
    assert life.ledger.violations == 0


async def test_what_was_delivered_while_the_disk_is_full_is_not_sent_again(world: World) -> None:
    """Of intervals that the disk had taken before: that they went out is noted elsewhere."""
    life = await born(world)
    for sink in world.sinks.values():
        sink.hang()
    for value in (1, 2):
        life.feed(value)
        await life.flush()
    db = sqlite3.connect(world.folder / "state" / "spool.db")
    for verb in ("UPDATE", "DELETE"):
        trigger = f"CREATE TRIGGER no_{verb} BEFORE {verb} ON deliveries"
        db.execute(f"{trigger} BEGIN SELECT RAISE(FAIL, 'full'); END")
    db.close()
    for sink in world.sinks.values():
        sink.release()
    for _ in range(2):
        for _ in range(3):
            await life.deliver()
        expected = {start: [value] for start, value in world.sent.items()}
        assert expected == world.published("safe")
        assert expected == world.published("adds")
        await life.die()
        life = await born(world)
    await life.die()
    assert 0 == world.in_doubt


async def test_what_waits_for_the_disk_goes_there_by_itself(world: World) -> None:
    """Soon after it has room, flush or not; what waits is told meanwhile."""
    life = await born(world)
    job = asyncio.create_task(life.durable.run())
    world.break_disk(broken=True)
    for sink in world.sinks.values():
        sink.hang()
    life.feed(1)
    await life.flush()
    assert 1 == life.durable.status()["spare_intervals"]
    world.break_disk(broken=False)
    await world.clock.run(RETRY_S)
    await life.deliver()
    expected = {"intervals": 1, "spare_intervals": 0, "spare_bytes": 0}
    assert expected.items() <= life.durable.status().items()
    assert not (world.folder / "arenas" / "spool.db").exists()
    job.cancel()
    await life.die()


@pytest.mark.parametrize("resends", [False, True])
async def test_what_was_delivered_from_memory_is_doubtful(world: World, resends: bool) -> None:
    """A successor sends it again where that is safe; elsewhere it is in doubt, or as configured."""
    life = await born(world)
    world.break_disk(broken=True, spare=True)
    for sink in world.sinks.values():
        sink.hang()
    life.feed(5)
    await life.flush()
    assert 1 == len(unkept_in(world.folder / "arenas"))
    await life.die()
    world.break_disk(broken=False, spare=True)
    for sink in world.sinks.values():
        sink.release()
    life = await born(world, resends=resends)
    await life.deliver()
    expected = {start: [5.0] for start in world.sent}
    assert expected == world.published("safe")
    assert (expected if resends else {}) == world.published("adds")
    await life.die()
    assert (0 if resends else 1) == world.in_doubt
    assert set() == unkept_in(world.folder / "arenas")
    assert life.ledger.violations == 0


async def test_what_was_delivered_from_memory_to_the_end_is_over(world: World) -> None:
    """A successor does not hear of it."""
    life = await born(world)
    world.break_disk(broken=True, spare=True)
    life.feed(5)
    await life.flush()
    assert {"what": "commit"}.items() <= life.log.of("spool_failed")[0].items()
    assert [1] == [line["points"] for line in life.log.of("interval_unspooled")]
    await life.die()
    world.break_disk(broken=False, spare=True)
    life = await born(world)
    await life.deliver()
    assert {start: [5.0] for start in world.sent} == world.published("adds")
    await life.die()
    assert 0 == world.in_doubt


async def test_what_was_delivered_after_its_time_is_not_sent_again(world: World) -> None:
    """A call that came through in spite of its time-out has an answer, which counts."""
    world.sinks["safe"] = PunctualSink()
    world.sinks["safe"].hang()
    life = await born(world, flush_timeout_s=5)
    life.feed(1)
    await life.flush()
    await world.clock.run(5)
    await life.deliver()
    world.sinks["safe"].release()
    await world.clock.run(INTERVAL_S)
    await life.deliver()
    assert {start: [1.0] for start in world.sent} == world.published("safe")
    assert 1 == life.ledger.total.sinks["safe"].points.confirmed
    assert ["timeout"] == [line["kind"] for line in life.log.of("sink_failed")]
    await life.die()


async def test_a_late_commit_is_doubtful_too(world: World) -> None:
    """The disk took the interval after it had been given up, and the process died right then."""
    life = await born(world)
    for sink in world.sinks.values():
        sink.hang()
    life.feed(5)
    await life.flush()
    (uuid,) = {owed.uuid for owed in await life.durable.spool.owed()}
    await life.die()
    # As it stands when both a commit and a delivery from memory have begun.
    with sqlite3.connect(world.folder / "state" / "spool.db") as db:
        db.execute("UPDATE deliveries SET under_way = 0")
    db.close()
    (world.folder / "arenas" / f"{uuid}.unkept").touch()
    for sink in world.sinks.values():
        sink.release()
    life = await born(world)
    await life.deliver()
    assert {start: [5.0] for start in world.sent} == world.published("safe")
    assert {} == world.published("adds")
    await life.die()
    assert 1 == world.in_doubt


async def test_what_is_damaged_is_said(world: World) -> None:
    """An arena that is mended is published and warned about, one that cannot be is named."""
    life = await born(world)
    life.feed(5)
    await life.die()
    arenas = world.folder / "arenas"
    (path,) = [path for path in arenas.glob("*.arena") if path.read_bytes()[8:12] == b"OPEN"]
    content = bytearray(path.read_bytes())
    content[content.index(boot_id())] ^= 1
    path.write_bytes(content)
    (arenas / "other.arena").write_bytes(b"\xff" * 16384)
    world.clock.advance(2 * INTERVAL_S)
    life = await born(world)
    await life.deliver()
    warned = life.log.of("arena_unreadable")
    assert ["other", "interval"] == [Path(line["what"].split()[0]).stem for line in warned]
    assert {start: [5.0] for start in world.sent} == world.published("safe")
    await life.die()


@pytest.mark.parametrize("seed", range(12))
async def test_any_course_of_lives(seed: int, world: World) -> None:
    """Whatever fails, whenever it dies: all arrives where that is safe, else once or in doubt."""
    rng = random.Random(seed)
    life = await born(world)
    is_broken = is_hanging = False
    for _ in range(60):
        step = rng.choice(["feed", "feed", "feed", "flush", "flush", "die", "disk", "sink"])
        if is_broken and is_hanging and step == "flush":
            await life.flush()
            # From the next flush on such an interval would be in memory only.
            step = "die"
        elif step == "flush":
            await life.flush()
        if step == "feed":
            life.feed(rng.randrange(1, 100))
        elif step == "disk":
            is_broken = not is_broken
            world.break_disk(broken=is_broken)
        elif step == "sink":
            is_hanging = not is_hanging
            for sink in world.sinks.values():
                sink.hang() if is_hanging else sink.release()
            await life.deliver()
        elif step == "die":
            await life.die()
            if is_broken:
                world.break_disk(broken=False)
            for sink in world.sinks.values():
                sink.release()
            is_broken = is_hanging = False
            world.clock.advance(rng.choice([0, 1, 15]))
            life = await born(world)
            await life.deliver()
    if is_broken:
        world.break_disk(broken=False)
    for sink in world.sinks.values():
        sink.release()
    await life.flush()
    await life.die()
    sent = dict(world.sent)
    assert sent == {start: values[-1] for start, values in world.published("safe").items()}
    added = world.published("adds")
    assert all(sent[start] == value for start, (value,) in added.items())
    assert len(sent) - len(added) <= world.in_doubt
