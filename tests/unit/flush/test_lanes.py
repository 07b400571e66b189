"""One lane a sink: what becomes of the rows, whatever the sink does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.recording import Recorder
from veneurpy.errors import SinkError
from veneurpy.flush.delivery import Delivery
from veneurpy.flush.lanes import Lane
from veneurpy.ledger import SinkAccounts
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushResult, WriteClass
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.metrics import SINK_FAILURES, SINK_PENDING, SINK_ROWS
from veneurpy.testing import FakeClock, MemorySink, batch

EVENT = Event("title", "text", 1)
CHECK = ServiceCheck("db", 0, 1)


class Rig:
    """A lane around a MemorySink, on a fake clock. `run` starts its worker."""

    def __init__(self, sink: MemorySink | None = None) -> None:
        self.clock = FakeClock()
        self.log = Recorder()
        self.telemetry = Telemetry(self.log, self.clock)
        self.sink = sink or MemorySink()
        self.total = SinkAccounts()
        self.intervals: list[SinkAccounts] = []
        self.lane = Lane(
            "mem",
            self.sink,
            kind="memory",
            clock=self.clock,
            telemetry=self.telemetry,
            accounts=self.total,
            queue_batches=2,
            flush_timeout_s=10.0,
            oldest_s=20.0,
        )
        self.task: asyncio.Task[None] | None = None

    def run(self) -> None:
        self.task = asyncio.create_task(self.lane.run())

    def offer(self, rows: int, events: int = 0, checks: int = 0) -> SinkAccounts:
        """Offers one delivery of so many rows; returns the interval's accounts."""
        batches = [batch(*(("a", float(i)) for i in range(rows)))] if rows else []
        delivery = Delivery(batches, [EVENT] * events, [CHECK] * checks)
        self.lane.offer(delivery)
        self.intervals.append(delivery.accounts)
        return delivery.accounts

    @property
    def delivered(self) -> list[int]:
        return [len(each) for each in self.sink.batches]

    def check(self) -> None:
        """Whatever happened, every row has one fate, in the totals and in each interval."""
        self.lane.refresh()
        for accounts in (self.total, *self.intervals):
            broken = [e for e in accounts.equations("mem", accounts.points.offered) if not e.holds]
            assert [] == [str(equation) for equation in broken]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A lane whose accounts are checked at the end."""
    made = Rig()
    yield made
    made.check()
    if made.task is not None:
        made.task.cancel()
        await asyncio.wait({made.task})


async def test_rows_are_confirmed_in_order(rig: Rig) -> None:
    """Deliveries reach the sink one after the other, whole."""
    rig.run()
    rig.offer(2)
    accounts = rig.offer(3)
    await rig.clock.run(0)
    assert [2, 3] == rig.delivered
    assert (5, 0) == (rig.total.points.confirmed, rig.total.points.pending)
    assert (3, 0) == (accounts.points.confirmed, accounts.points.pending)
    assert rig.telemetry.value(SINK_ROWS, sink="mem", fate="confirmed", reason="") == 5


async def test_nothing_is_called_for_an_empty_delivery(rig: Rig) -> None:
    """A sink never sees an empty flush."""
    rig.run()
    rig.offer(0)
    await rig.clock.run(0)
    assert [] == rig.sink.calls


async def test_events_and_checks_follow_the_points(rig: Rig) -> None:
    """They have accounts of their own."""
    rig.run()
    rig.offer(2, events=1, checks=2)
    await rig.clock.run(0)
    assert ["flush", "flush_events"] == rig.sink.calls
    assert ([EVENT], [CHECK, CHECK]) == (rig.sink.events, rig.sink.checks)
    assert (2, 3) == (rig.total.points.confirmed, rig.total.others.confirmed)


async def test_a_sink_gets_only_what_it_takes(rig: Rig) -> None:
    """Events are not offered to a sink that has no use for them, nor counted as lost."""
    rig.sink.takes_events = False  # type: ignore[misc]
    rig.run()
    rig.offer(0, events=5, checks=1)
    await rig.clock.run(0)
    assert ([], [CHECK]) == (rig.sink.events, rig.sink.checks)
    assert rig.total.others.offered == 1


async def test_what_waits_is_pending(rig: Rig) -> None:
    """Rows that are queued or under way are counted in the queue itself."""
    rig.sink.hang()
    rig.run()
    rig.offer(2)
    rig.offer(3, events=1)
    await rig.clock.run(0)
    assert (5, 1) == (rig.total.points.pending, rig.total.others.pending)
    assert rig.telemetry.value(SINK_PENDING, sink="mem") == 5
    rig.sink.release()
    await rig.clock.run(0)
    assert rig.lane.pending_rows == 0


async def test_a_retriable_failure_is_tried_again(rig: Rig) -> None:
    """The same rows, after a pause that grows; then the next delivery."""
    rig.sink.fail(2)
    rig.run()
    rig.offer(2)
    rig.offer(1)
    await rig.clock.run(0.4)
    assert [] == rig.delivered
    await rig.clock.run(0.1)
    assert ["flush", "flush"] == rig.sink.calls
    await rig.clock.run(1.0)
    assert [2, 1] == rig.delivered
    assert rig.total.points.confirmed == 3
    assert rig.telemetry.value(SINK_FAILURES, sink="mem", kind="retriable") == 2


async def test_a_failing_sink_is_given_up_by_age(rig: Rig) -> None:
    """Rows are tried for as long as the queue could hold them."""
    rig.sink.fail(100)
    rig.run()
    accounts = rig.offer(2)
    await rig.clock.run(25)
    assert {"too_old": 2} == accounts.points.given_up
    assert rig.lane.pending_rows == 0


async def test_a_full_queue_gives_up_its_oldest(rig: Rig) -> None:
    """While one call hangs, the newest deliveries are kept, and what is dropped is counted."""
    rig.sink.hang()
    rig.run()
    for rows in (1, 2, 3, 4):
        rig.offer(rows)
        await rig.clock.run(0)
    assert {"queue_full": 2} == rig.total.points.given_up
    assert ["rows_lost"] == [e for e in rig.log.names if e == "rows_lost"]
    rig.sink.release()
    await rig.clock.run(0)
    assert [1, 3, 4] == rig.delivered


async def test_what_is_retried_is_the_oldest(rig: Rig) -> None:
    """A full queue gives up the delivery that waits for another try, not a younger one."""
    rig.sink.fail(3)
    rig.run()
    for rows in (1, 2, 3):
        rig.offer(rows)
        await rig.clock.run(0)
    rig.offer(4)
    assert {"queue_full": 1} == rig.total.points.given_up
    await rig.clock.run(10)
    assert [2, 3, 4] == rig.delivered


async def test_two_overflows_at_once(rig: Rig) -> None:
    """The delivery in hand is given up once only; the next overflow takes the next oldest."""
    rig.sink.fail(1)
    rig.run()
    for rows in (1, 2, 3):
        rig.offer(rows)
        await rig.clock.run(0)
    rig.offer(4)
    rig.offer(5)
    assert {"queue_full": 3} == rig.total.points.given_up
    await rig.clock.run(10)
    assert [3, 4, 5] == rig.delivered


@pytest.mark.parametrize(
    ("write_class", "fate"),
    [
        (WriteClass.ADDITIVE, "in_doubt"),
        (WriteClass.CUMULATIVE, "in_doubt"),
        (WriteClass.OVERWRITE, "given_up"),
        (WriteClass.VERSIONED, "given_up"),
        (WriteClass.FIRST_WINS, "given_up"),
    ],
)
async def test_a_time_out(rig: Rig, write_class: WriteClass, fate: str) -> None:
    """A call that takes too long is cancelled; where a write may count twice, nobody knows."""
    rig.sink.write_class = write_class  # type: ignore[misc]
    rig.sink.hang()
    rig.run()
    rig.offer(2)
    await rig.clock.run(9.9)
    assert rig.lane.pending_rows == 2
    await rig.clock.run(0.1)
    assert {"timeout": 2} == getattr(rig.total.points, fate)
    rig.sink.release()
    rig.offer(3)
    await rig.clock.run(0)
    assert [3] == rig.delivered


class Stubborn(MemorySink):
    """Does not stop when it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = 0
        self.most_under_way = 0
        self.let_go = asyncio.Event()

    async def flush(self, batch: object) -> FlushResult:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        self.under_way -= 1
        return FlushResult(confirmed=1)


async def test_calls_of_one_sink_never_overlap() -> None:
    """A call that ignores its time-out is waited for; its rows are settled all the same."""
    sink = Stubborn()
    rig = Rig(sink)
    rig.run()
    rig.offer(1)
    rig.offer(1)
    await rig.clock.run(60)
    assert (1, {"timeout": 1}) == (sink.most_under_way, rig.total.points.given_up)
    sink.let_go.set()
    await rig.clock.run(0)
    assert (1, 1) == (sink.most_under_way, rig.total.points.confirmed)
    rig.check()


@pytest.mark.parametrize(
    ("error", "reason", "kind"),
    [
        (SinkError("no such table", retriable=False), "failed", "final"),
        (ZeroDivisionError("oops"), "bug", "bug"),
    ],
    ids=["final", "unexpected"],
)
async def test_other_failures_end_the_attempt(
    rig: Rig, error: Exception, reason: str, kind: str
) -> None:
    """They are not tried again, never fatal, and the next delivery follows."""
    rig.sink.fail(1, error)
    rig.run()
    rig.offer(2)
    rig.offer(1)
    await rig.clock.run(0)
    assert {reason: 2} == rig.total.points.given_up
    assert [1] == rig.delivered
    assert rig.telemetry.value(SINK_FAILURES, sink="mem", kind=kind) == 1


def answers(result: FlushResult) -> Callable[[object], object]:
    async def flush(batch: object) -> FlushResult:
        return result

    return flush


async def test_rejected_rows_keep_their_reasons(rig: Rig) -> None:
    """What the sink says of each row is what the ledger says."""
    result = FlushResult(confirmed=1, rejected={"too long": 2, "bad tag": 1}, in_doubt=1)
    rig.sink.flush = answers(result)  # type: ignore[assignment,method-assign]
    rig.run()
    accounts = rig.offer(5)
    await rig.clock.run(0)
    assert {"too long": 2, "bad tag": 1} == accounts.points.rejected
    assert {"sink": 1} == accounts.points.in_doubt


async def test_reasons_are_bounded(rig: Rig) -> None:
    """A sink that makes reasons of what clients send cannot grow the accounts without end."""
    result = FlushResult(rejected={f"reason {i}": 1 for i in range(100)})
    rig.sink.flush = answers(result)  # type: ignore[assignment,method-assign]
    rig.run()
    rig.offer(100)
    await rig.clock.run(0)
    assert len(rig.total.points.rejected) == 33
    assert rig.total.points.rejected["other"] == 68


@pytest.mark.parametrize("confirmed", [1, 3], ids=["too few", "too many"])
async def test_a_sink_that_miscounts_is_a_bug(rig: Rig, confirmed: int) -> None:
    """What it says cannot be believed: all of the batch is in doubt."""
    rig.sink.flush = answers(FlushResult(confirmed))  # type: ignore[assignment,method-assign]
    rig.run()
    rig.offer(2)
    await rig.clock.run(0)
    assert {"miscounted": 2} == rig.total.points.in_doubt
    assert rig.telemetry.value(SINK_FAILURES, sink="mem", kind="bug") == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        2,
        FlushResult(3, given_up=-1),
        FlushResult(2.0),  # type: ignore[arg-type]
        FlushResult(1, rejected={None: 1}),  # type: ignore[dict-item]
        FlushResult(1, rejected={"long": "x"}),  # type: ignore[dict-item]
        FlushResult(2, rejected=None),  # type: ignore[arg-type]
    ],
    ids=repr,
)
async def test_a_nonsensical_answer_is_a_bug(rig: Rig, nonsense: FlushResult) -> None:
    """Of the sink: the rows are settled, and the lane goes on."""
    rig.sink.flush = answers(nonsense)  # type: ignore[assignment,method-assign]
    rig.run()
    rig.offer(2)
    rig.offer(2)
    await rig.clock.run(0)
    assert {"bug": 4} == rig.total.points.given_up
    assert rig.telemetry.value(SINK_FAILURES, sink="mem", kind="bug") == 2


async def test_a_sink_that_is_not_asynchronous_is_a_bug(rig: Rig) -> None:
    """As above."""
    rig.sink.flush = lambda batch: FlushResult(len(batch))  # type: ignore[assignment,method-assign]
    rig.run()
    rig.offer(2)
    await rig.clock.run(0)
    assert {"bug": 2} == rig.total.points.given_up


async def test_a_closed_lane_ends_when_it_is_empty(rig: Rig) -> None:
    """Closing delivers what waits first."""
    rig.offer(2)
    rig.lane.close()
    await asyncio.create_task(rig.lane.run())
    assert [2] == rig.delivered


@pytest.mark.parametrize(
    ("write_class", "given_up", "in_doubt"),
    [
        (WriteClass.VERSIONED, {"shutdown": 6}, {}),
        (WriteClass.ADDITIVE, {"shutdown": 5}, {"shutdown": 1}),
    ],
)
async def test_giving_up_names_everything(
    rig: Rig, write_class: WriteClass, given_up: dict[str, int], in_doubt: dict[str, int]
) -> None:
    """At the end of time nothing is pending any more, and what is under way may be in doubt."""
    rig.sink.write_class = write_class  # type: ignore[misc]
    rig.sink.hang()
    rig.run()
    for rows in (1, 2, 3):
        rig.offer(rows)
        await rig.clock.run(0)
    assert rig.lane.give_up("shutdown") == 6
    assert (given_up, in_doubt) == (rig.total.points.given_up, rig.total.points.in_doubt)
    assert rig.total.points.pending == 0


async def test_a_pause_is_given_up_as_well(rig: Rig) -> None:
    """Nothing is in doubt while no call is under way."""
    rig.sink.write_class = WriteClass.ADDITIVE  # type: ignore[misc]
    rig.sink.fail(1)
    rig.run()
    rig.offer(1)
    await rig.clock.run(0)
    rig.lane.give_up("shutdown")
    await rig.clock.run(10)
    assert ({"shutdown": 1}, {}) == (rig.total.points.given_up, rig.total.points.in_doubt)
    assert ["flush"] == rig.sink.calls


async def test_the_status_of_a_lane(rig: Rig) -> None:
    """It says what waits, what went wrong last and when something went well."""
    rig.sink.fail(1, SinkError("disk full", retriable=False))
    rig.run()
    rig.offer(1)
    await rig.clock.run(0)
    assert rig.lane.status()["last_error"] == "disk full"
    assert rig.lane.status()["last_success_ms"] is None
    assert rig.lane.status()["failing"]
    rig.offer(1)
    await rig.clock.run(0)
    assert not rig.lane.status()["failing"]
    assert rig.lane.status()["last_success_ms"] == rig.clock.now_ns() // 1_000_000
