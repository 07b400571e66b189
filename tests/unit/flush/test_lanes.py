"""One lane a sink: in which order rows are delivered, how long they wait, and what is given up."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.flush.lane_rig import CHECK, EVENT, Rig
from veneurpy.errors import SinkError
from veneurpy.ports import WriteClass
from veneurpy.telemetry.metrics import SINK_FAILURES, SINK_PENDING, SINK_ROWS


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
