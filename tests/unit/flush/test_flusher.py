"""One flush: from the open interval to the sinks' queues, with every account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engines import needs_native
from tests.recording import Recorder
from veneurpy.engine import Columns, EngineKind, EngineOptions, Interval, Plan, open_engine
from veneurpy.flush.flusher import Flusher, last_of
from veneurpy.flush.lanes import Lane
from veneurpy.flush.late import LatePoints
from veneurpy.flush.summarise import plan_of
from veneurpy.flush.ticker import Tick
from veneurpy.ledger import Ledger
from veneurpy.telemetry import Telemetry, metrics
from veneurpy.testing import START_MS, FakeClock, MemorySink

UDP = "udp://127.0.0.1:8125"
NOW_NS = START_MS * 1_000_000 + 5_000_000_000


class Rig:
    """An engine with one reader, and a lane for each sink."""

    def __init__(
        self, kind: EngineKind = "python", *, store_max_bytes: int = 1 << 30, **sinks: str
    ) -> None:
        options = EngineOptions(extend_tags=("dc:1",), store_max_bytes=store_max_bytes)
        self.engine = open_engine(kind, options, start_ms=START_MS)
        self.reader = self.engine.open_reader(UDP)
        self.clock = FakeClock()
        self.log = Recorder()
        self.telemetry = Telemetry(self.log, self.clock)
        kinds = sinks or {"main": "memory"}
        self.ledger = Ledger(list(kinds))
        self.sinks = {name: MemorySink() for name in kinds}
        self.lanes = [self._lane(name, kind) for name, kind in kinds.items()]
        self.executor = ThreadPoolExecutor(1)
        self.flusher = Flusher(
            self.engine,
            self.lanes,
            plan=plan_of(["max", "count"], []),
            late=LatePoints(window_s=600),
            ledger=self.ledger,
            telemetry=self.telemetry,
            clock=self.clock,
            executor=self.executor,
            host="web1",
            extend_tags=options.extend_tags,
        )
        self.tasks = [asyncio.create_task(lane.run()) for lane in self.lanes]
        self.flushes = 0

    def _lane(self, name: str, kind: str) -> Lane:
        return Lane(
            name,
            self.sinks[name],
            kind=kind,
            clock=self.clock,
            telemetry=self.telemetry,
            accounts=self.ledger.total.sinks[name],
            queue_batches=2,
            flush_timeout_s=10,
            oldest_s=20,
        )

    def feed(self, *lines: bytes) -> None:
        """One datagram, in the middle of the open interval."""
        self.reader.feed(b"\n".join(lines), now_ns=NOW_NS + 10_000_000_000 * self.flushes)

    async def flush(self, **tick: int) -> None:
        """Flushes the open interval and lets the lanes deliver it."""
        start_ms = START_MS + 10_000 * self.flushes
        self.flushes += 1
        await self.flusher.flush(Tick(start_ms, start_ms + 10_000, 10.0, **tick))
        await self.clock.run(0)

    def points(self, sink: str = "main") -> list[tuple[str, float, int, float, int]]:
        """(name, value, timestamp, length, revision) of what a sink got, sorted."""
        return sorted(
            (p.name, p.value, p.timestamp_ms, p.interval_s, p.revision)
            for p in self.sinks[sink].points
        )

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
        self.engine.close()
        self.executor.shutdown()
        assert [] == self.log.of("ledger_violated")


@pytest.fixture(params=["python", pytest.param("native", marks=needs_native)])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One sink called main."""
    made = Rig(request.param)
    yield made
    await made.close()


async def test_points_carry_their_interval(rig: Rig) -> None:
    """Timestamp, length and host are those of the interval; the plan says what histograms yield."""
    rig.feed(b"hits:2|c", b"hits:3|c", b"t:5:7|ms")
    await rig.flush()
    assert [
        ("hits", 5.0, START_MS, 10.0, 0),
        ("t.count", 2.0, START_MS, 10.0, 0),
        ("t.max", 7.0, START_MS, 10.0, 0),
    ] == rig.points()
    assert {"web1"} == {point.host for point in rig.sinks["main"].points}
    assert {("dc:1",)} == {point.tags for point in rig.sinks["main"].points}


async def test_an_idle_interval_calls_nobody(rig: Rig) -> None:
    """A sink never sees an empty flush, and the ledger still has its interval."""
    await rig.flush()
    assert [] == rig.sinks["main"].calls
    assert rig.ledger.intervals == 1


async def test_intervals_are_apart(rig: Rig) -> None:
    """What came after a flush is in the next."""
    rig.feed(b"hits:2|c")
    await rig.flush()
    rig.feed(b"hits:1|c")
    await rig.flush()
    assert [("hits", 1.0, START_MS + 10_000, 10.0, 0), ("hits", 2.0, START_MS, 10.0, 0)] == (
        rig.points()
    )


async def test_events_and_checks_are_passed_on(rig: Rig) -> None:
    """In order, with the implicit tags, and what is malformed is rejected by then."""
    rig.feed(b"_e{1,1}:a|b|#x", b"_sc|db|2", b"_e{9,9}:bad", b"_sc|db|7", b"_e{1,1}:c|d")
    await rig.flush()
    sink = rig.sinks["main"]
    assert ["a", "c"] == [event.title for event in sink.events]
    assert ("dc:1", "x") == sink.events[0].tags
    assert [2] == [check.status for check in sink.checks]
    (accounts,) = rig.ledger.total.listeners.values()
    assert (5, 3, 0) == (accounts.lines, accounts.accepted, accounts.pending)
    assert (1, 1) == (accounts.rejected["bad_event"], accounts.rejected["bad_check"])
    assert (2, 1) == (rig.ledger.total.store.events, rig.ledger.total.store.checks)


async def test_the_ledger_holds_whatever_comes(rig: Rig) -> None:
    """Bad lines, bad values and unknown fields have their accounts, and the equations hold."""
    rig.feed(b"a:1:x:3|c", b"b:1|q", b":1|c", b"nothing", b"", b"s:m|s|?what")
    await rig.flush()
    shown = rig.ledger.as_dict()
    assert shown["total"]["holds"]
    assert shown["last_interval"]["holds"]
    assert shown["total"]["listeners"][UDP]["values_rejected"]["bad_value"] == 1
    assert shown["total"]["store"]["points"] == 2
    assert shown["total"]["sinks"]["main"]["points"]["confirmed"] == 2


async def test_a_late_counter_is_amended(rig: Rig) -> None:
    """The same second in two flushes: the second time the sum, with revision 1, apart."""
    second = START_MS // 1000 + 3
    for value in (2, 3):
        rig.feed(b"hits:%d|c|T%d" % (value, second), b"other:1|c")
        await rig.flush()
    of_hits = [point for point in rig.points() if point[0] == "hits"]
    assert [("hits", 2.0, second * 1000, 1.0, 0), ("hits", 5.0, second * 1000, 1.0, 1)] == of_hits
    assert [1, 1, 1, 1] == [len(batch) for batch in rig.sinks["main"].batches]
    assert rig.telemetry.value(metrics.LATE_AMENDED) == 1


async def test_telemetry_says_what_the_ledger_says(rig: Rig) -> None:
    """Lines by reason, values by type, series and points."""
    rig.feed(b"hits:2|c", b"t:5:7|ms", b"bad")
    await rig.flush(missed=2)
    value = rig.telemetry.value
    assert value(metrics.LINES, listener=UDP) == 3
    assert value(metrics.LINES_REJECTED, listener=UDP, reason="no_colon_or_pipe") == 1
    assert value(metrics.VALUES_AGGREGATED, listener=UDP, type="timer") == 2
    assert (2, 3) == (value(metrics.SERIES), value(metrics.POINTS))
    assert value(metrics.TICKS_MISSED) == 2


async def test_points_for_one_sink_only() -> None:
    """`veneursinkonly` names sinks by name or kind; what no sink here is meant for is counted."""
    rig = Rig(east="localfile", west="localfile", page="prometheus")
    rig.feed(
        b"all:1|c",
        b"one:1|c|#veneursinkonly:east",
        b"kind:1|c|#veneursinkonly:localfile",
        b"none:1|c|#veneursinkonly:nowhere",
    )
    await rig.flush()
    names = {sink: [point[0] for point in rig.points(sink)] for sink in rig.sinks}
    assert names == {"east": ["all", "kind", "one"], "west": ["all", "kind"], "page": ["all"]}
    elsewhere = {name: sink.elsewhere for name, sink in rig.ledger.total.sinks.items()}
    assert elsewhere == {"east": 1, "west": 2, "page": 3}
    assert rig.ledger.total.store.unrouted == 1
    assert [{"points": 1}] == rig.log.of("points_unrouted")
    await rig.close()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_last_of_them_settles(count: int) -> None:
    """A node without sinks owes nothing of an interval as soon as it is closed."""
    settled: list[int] = []
    ended = last_of(count, lambda: settled.append(1))
    for _ in range(count):
        assert [] == settled
        ended()
    assert [1] == settled


async def test_a_slow_sink_delays_nobody() -> None:
    """Flushes go on, the other sink gets each, and what the slow one misses is counted."""
    rig = Rig(slow="memory", quick="memory")
    rig.sinks["slow"].hang()
    for _ in range(5):
        rig.feed(b"hits:1|c")
        await rig.flush()
    assert len(rig.points("quick")) == 5
    accounts = rig.ledger.total.sinks["slow"].points
    assert (5, 3, {"queue_full": 2}) == (accounts.offered, accounts.pending, accounts.given_up)
    await rig.close()


class Broken:
    """An interval whose merge fails."""

    def __init__(self, interval: Interval) -> None:
        self._interval = interval

    def __getattr__(self, name: str) -> object:
        return getattr(self._interval, name)

    def columns(self, plan: Plan) -> Columns:
        raise MemoryError


async def test_an_interval_is_released_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush that fails leaves an engine that can go on."""
    rig = Rig()
    rotate = rig.engine.rotate
    monkeypatch.setattr(rig.engine, "rotate", lambda now_ms: Broken(rotate(now_ms)))
    with pytest.raises(MemoryError):
        await rig.flush()
    monkeypatch.undo()
    rig.feed(b"hits:1|c")
    await rig.flush()
    assert [("hits", 1.0, START_MS + 10_000, 10.0, 0)] == rig.points()
    await rig.close()


async def test_a_violation_is_told_and_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts that do not add up are logged as a bug and counted; the points go out."""
    rig = Rig()
    rig.feed(b"hits:1|c")
    rotate = rig.engine.rotate

    def miscounted(now_ms: int) -> Interval:
        interval = rotate(now_ms)
        interval.accounts[0][1].lines += 1
        return interval

    monkeypatch.setattr(rig.engine, "rotate", miscounted)
    await rig.flush()
    told = rig.log.of("ledger_violated")
    assert ("lines", UDP) == (told[0]["equation"], told[0]["where"])
    assert rig.telemetry.value(metrics.LEDGER_VIOLATIONS, equation="lines") == 2
    assert len(rig.points()) == 1
    rig.log.lines.clear()
    await rig.close()


@needs_native
async def test_a_full_store_is_told() -> None:
    """Each listener's values that found no room, once a minute, and what to do about it."""
    rig = Rig("native", store_max_bytes=1 << 21)
    for _ in range(2):
        for number in range(100):
            rig.feed(*(b"%0100d.%d:1|g" % (line, number) for line in range(80)))
        await rig.flush()
    (told,) = rig.log.of("store_full")
    assert UDP == told["listener"]
    assert 0 < told["values"] <= 8000
    assert "store_max_bytes" in told["mend"]
    await rig.close()
