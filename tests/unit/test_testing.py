"""The fakes keep their own promises."""

from __future__ import annotations

import asyncio

import pytest

from veneurpy.errors import SinkError
from veneurpy.model import Point, PointType, Scope
from veneurpy.ports import Sink, SinkContext
from veneurpy.testing import (
    START_MS,
    FakeClock,
    FakeContext,
    MemorySink,
    batch,
    columns_of,
    packets,
)


async def test_sleep_wakes_exactly_when_its_time_has_come():
    """A sleeper sleeps a nanosecond short of its deadline, and wakes on it."""
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(1.0))
    await clock.run(0.999_999_999)
    assert not task.done()
    await clock.run(0.000_000_001)
    assert task.done()


async def test_run_stops_at_every_deadline():
    """A task that sleeps again and again sees every one of its deadlines."""
    clock, seen = FakeClock(), []

    async def tick() -> None:
        while True:
            await clock.sleep(10)
            seen.append(clock.monotonic())

    task = asyncio.create_task(tick())
    await clock.run(35)
    task.cancel()
    assert [10, 20, 30] == seen
    assert 35 == clock.monotonic()


async def test_sleepers_wake_in_the_order_of_their_deadlines():
    """Whoever is due first runs first; of two due together, whoever slept first."""
    clock, woken = FakeClock(), []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("late", 3), ("first", 1), ("second", 1)):
            group.create_task(sleeper(name, seconds))
        await clock.sleepers(3)
        clock.advance(3)
    assert ["first", "second", "late"] == woken


async def test_a_cancelled_sleep_is_forgotten():
    """A cancelled sleeper neither counts nor stands in the way of others."""
    clock = FakeClock()
    cancelled = asyncio.create_task(clock.sleep(1))
    kept = asyncio.create_task(clock.sleep(2))
    await clock.sleepers(2)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    assert 1 == clock.sleeping
    await clock.run(2)
    assert kept.done()


async def test_waiting_for_sleepers_that_never_come_times_out():
    """Waiting for tasks that never sleep ends in an error, not in a hang."""
    with pytest.raises(TimeoutError):
        await FakeClock().sleepers(1, timeout_s=0.001)


def test_a_jump_moves_the_wall_clock_only():
    """A step of the wall clock leaves the monotonic one alone."""
    clock = FakeClock()
    clock.jump(-3600)
    assert (START_MS - 3_600_000) * 1_000_000 == clock.now_ns()
    assert 0 == clock.monotonic()


def test_time_does_not_run_backwards():
    """Time only advances."""
    with pytest.raises(ValueError, match="backwards"):
        FakeClock().advance(-1)


def test_a_batch_holds_what_it_was_made_of():
    """The points of a batch are its tuples, in their order, tags sorted."""
    made = batch(("a", 1), ("b", 2.5, "counter"), ("a", -1, "gauge", "y,x:1"))
    expected = [
        ("a", (), PointType.GAUGE, 1.0),
        ("b", (), PointType.COUNTER, 2.5),
        ("a", ("x:1", "y"), PointType.GAUGE, -1.0),
    ]
    assert expected == [(p.name, p.tags, p.type, p.value) for p in made.points()]


def test_only_narrows_a_batch():
    """`only` picks rows."""
    made = batch(("a", 1), ("b", 2), ("c", 3), only=[2, 0])
    assert ["c", "a"] == [point.name for point in made.points()]
    assert 2 == len(made)


def test_columns_share_equal_strings():
    """Equal names and tag sets are stored once."""
    point = Point("n", ("t",), PointType.GAUGE, Scope.MIXED, 0, 10.0, "h", 1.0)
    columns = columns_of([point, point])
    assert (["n"], ["t"], 2) == (list(columns.names), list(columns.tags), len(columns))


@pytest.mark.parametrize(
    ("lines", "max_bytes", "expected"),
    [
        (("a:1|c", "b:2|g"), 1432, [b"a:1|c\nb:2|g"]),
        (("a:1|c", "b:2|g"), 11, [b"a:1|c\nb:2|g"]),
        (("a:1|c", "b:2|g"), 10, [b"a:1|c", b"b:2|g"]),
        ((b"\xff:1|c",), 1, [b"\xff:1|c"]),
        ((), 10, []),
    ],
    ids=["together", "exactly full", "one byte over", "a long line is alone", "nothing"],
)
def test_packets_fill_datagrams(lines, max_bytes, expected):
    """Lines share a datagram as long as it stays within the bound."""
    assert expected == packets(*lines, max_bytes=max_bytes)


async def test_a_memory_sink_keeps_what_it_confirms():
    """What a flush confirmed can be read back."""
    sink: Sink = MemorySink()
    result = await sink.flush(batch(("a", 1), ("b", 2)))
    assert 2 == result.total
    assert ["a", "b"] == [point.name for point in sink.points]


async def test_a_memory_sink_fails_as_often_as_told():
    """Failures are used up one by one, and nothing is kept of a failed flush."""
    sink = MemorySink()
    sink.fail(times=2)
    for _ in range(2):
        with pytest.raises(SinkError):
            await sink.flush(batch(("a", 1)))
    assert [] == sink.points
    assert 1 == (await sink.flush(batch(("a", 1)))).confirmed


async def test_a_memory_sink_hangs_until_released():
    """A hanging sink holds its caller until it is released."""
    sink = MemorySink()
    sink.hang()
    task = asyncio.create_task(sink.flush(batch(("a", 1))))
    await asyncio.sleep(0)
    assert not task.done()
    sink.release()
    assert 1 == (await task).confirmed


def test_a_context_refuses_a_path_twice():
    """Two handlers on one path are a mistake."""
    context: SinkContext = FakeContext()
    context.expose("/x", object())
    with pytest.raises(ValueError, match="/x"):
        context.expose("/x", object())
