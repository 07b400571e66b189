"""What becomes of the rows, whatever the sink says of them, or if it says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.unit.flush.lane_rig import Rig
from veneurpy.errors import SinkError
from veneurpy.ports import FlushResult, WriteClass
from veneurpy.telemetry.metrics import SINK_FAILURES
from veneurpy.testing import MemorySink


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
