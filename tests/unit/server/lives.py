"""A node's lives, one after the other on the same directories, and what outlives each of them."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from tests.recording import Recorder
from veneurpy.config import parse_config
from veneurpy.config.loader import SinkKinds
from veneurpy.engine import EngineOptions, open_engine
from veneurpy.errors import VeneurpyError
from veneurpy.flush.flusher import Flusher
from veneurpy.flush.lanes import Lane
from veneurpy.flush.late import LatePoints
from veneurpy.flush.summarise import plan_of
from veneurpy.flush.ticker import Ticker
from veneurpy.ledger import Ledger
from veneurpy.ports import WriteClass
from veneurpy.server.durable import Durable
from veneurpy.server.recovery import Recovery
from veneurpy.telemetry import Telemetry
from veneurpy.testing import FakeClock, MemorySink

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


async def born(world: World, *, resends: bool = False, flush_timeout_s: float = 1e6) -> Life:
    """The next life, started."""
    life = Life(world, resends=resends, flush_timeout_s=flush_timeout_s)
    try:
        await life.start()
    except VeneurpyError:
        await life.die()
        raise
    return life
