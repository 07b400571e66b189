"""Whatever a sink does and whenever, each row has exactly one fate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recording import Recorder
from veneurpy.errors import SinkError
from veneurpy.flush.delivery import Delivery
from veneurpy.flush.lanes import Lane
from veneurpy.ledger import SinkAccounts
from veneurpy.model import Event
from veneurpy.ports import WriteClass
from veneurpy.telemetry import Telemetry
from veneurpy.testing import FakeClock, MemorySink, batch

STEPS = st.one_of(
    st.tuples(st.just("offer"), st.integers(1, 3)),
    st.tuples(st.just("events"), st.integers(1, 3)),
    st.tuples(st.just("retriable"), st.integers(1, 4)),
    st.tuples(st.just("final"), st.integers(1, 2)),
    st.tuples(st.just("bug"), st.integers(1, 2)),
    st.tuples(st.just("hang"), st.just(0)),
    st.tuples(st.just("release"), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([0, 0.3, 1, 7, 12])),
)
ERRORS = {
    "retriable": SinkError("later", retriable=True),
    "final": SinkError("never", retriable=False),
    "bug": ZeroDivisionError("oops"),
}


def lane_of(sink: MemorySink, clock: FakeClock, accounts: SinkAccounts) -> Lane:
    return Lane(
        "mem",
        sink,
        kind="memory",
        clock=clock,
        telemetry=Telemetry(Recorder(), clock),
        accounts=accounts,
        queue_batches=2,
        flush_timeout_s=5,
        oldest_s=20,
    )


async def live(steps: Sequence[tuple[str, float]], write_class: WriteClass) -> None:
    """Plays the steps and adds up after each."""
    sink, clock, total = MemorySink(), FakeClock(), SinkAccounts()
    sink.write_class = write_class  # type: ignore[misc]
    lane = lane_of(sink, clock, total)
    task = asyncio.create_task(lane.run())
    intervals = []
    for word, number in steps:
        if word in ("offer", "events"):
            delivery = Delivery([batch(("a", 1.0))] * int(number))
            if word == "events":
                delivery.events = [Event("a", "b", 1)]
            intervals.append(delivery.accounts)
            lane.offer(delivery)
        elif word in ERRORS:
            sink.fail(int(number), ERRORS[word])
        elif word == "wait":
            await clock.run(number)
        else:
            getattr(sink, word)()
        lane.refresh()
        assert [] == broken(total, *intervals)
    lane.give_up("shutdown")
    assert (0, 0) == (total.points.pending, total.others.pending)
    assert [] == broken(total, *intervals)
    assert len(sink.points) >= total.points.confirmed
    task.cancel()
    await asyncio.wait([task])


def broken(*accounts: SinkAccounts) -> list[str]:
    """The equations that do not hold."""
    return [
        str(equation)
        for each in accounts
        for equation in each.equations("mem", each.points.offered)
        if not equation.holds
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=25), st.sampled_from(WriteClass))
def test_every_row_has_one_fate(
    steps: Sequence[tuple[str, float]], write_class: WriteClass
) -> None:
    """offered = confirmed + rejected + given up + in doubt + pending, at any moment."""
    asyncio.run(live(steps, write_class))
