"""When intervals close, whatever the clocks do."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from veneurpy.flush.ticker import Tick, Ticker, Timeline
from veneurpy.testing import START_MS, FakeClock


async def ticks(clock: FakeClock, ticker: Ticker, count: int) -> list[Tick]:
    """Lets time pass until `count` ticks have come."""
    found = []
    for _ in range(count):
        task = asyncio.create_task(ticker.wait())
        await clock.run(10)
        found.append(await task)
    return found


async def test_intervals_end_at_multiples_of_their_length() -> None:
    """The first piece is cut short at the grid; the others are whole and leave no gap."""
    clock = FakeClock(START_MS + 6_371)
    found = await ticks(clock, Ticker(clock, interval_s=10), 3)
    first = START_MS + 6_371
    assert found == [
        Tick(first, START_MS + 10_000, 3.629),
        Tick(START_MS + 10_000, START_MS + 20_000, 10.0),
        Tick(START_MS + 20_000, START_MS + 30_000, 10.0),
    ]


async def test_intervals_shorter_than_a_second() -> None:
    """The grid is one of milliseconds."""
    clock = FakeClock(START_MS + 50)
    ticker = Ticker(clock, interval_s=0.2)
    task = asyncio.create_task(ticker.wait())
    await clock.run(0.15)
    assert await task == Tick(START_MS + 50, START_MS + 200, 0.15)


async def test_the_last_piece_ends_when_it_is_cut() -> None:
    """It carries its own start and length, and is never empty."""
    clock = FakeClock()
    ticker = Ticker(clock, interval_s=10)
    clock.advance(2.5)
    assert ticker.cut() == Tick(START_MS, START_MS + 2_500, 2.5)
    assert ticker.cut() == Tick(START_MS + 2_500, START_MS + 2_501, 0.001)


async def test_missed_ticks_are_counted() -> None:
    """Nobody awake for 37 s: one longer interval that ends on the grid, and the next is on time."""
    clock = FakeClock()
    ticker = Ticker(clock, interval_s=10)
    clock.advance(37)
    assert await ticker.wait() == Tick(START_MS, START_MS + 30_000, 30.0, missed=2)
    task = asyncio.create_task(ticker.wait())
    await clock.run(3)
    assert await task == Tick(START_MS + 30_000, START_MS + 40_000, 10.0)


async def test_a_late_wake_up_keeps_the_bounds() -> None:
    """An interval that was closed 40 ms late still ends on the grid."""
    clock = FakeClock()
    ticker = Ticker(clock, interval_s=10)
    clock.advance(10.04)
    assert await ticker.wait() == Tick(START_MS, START_MS + 10_000, 10.0)


async def test_a_step_forward_leaves_a_gap() -> None:
    """Time that the wall clock skipped is not part of the interval's length."""
    clock = FakeClock()
    ticker = Ticker(clock, interval_s=10)
    task = asyncio.create_task(ticker.wait())
    await clock.run(4)
    clock.jump(3600)
    await clock.run(6)
    tick = await task
    assert Tick(START_MS, START_MS + 3_610_000, 10.0, missed=360) == tick


@pytest.mark.parametrize("forward_s", [2.0, 6.0, 7.999, 25.0])
async def test_a_step_forward_in_a_short_piece(forward_s: float) -> None:
    """As at the boot of a machine: lengths are of time that passed, not of what was skipped."""
    clock = FakeClock(START_MS + 8_000)
    ticker = Ticker(clock, interval_s=10)
    task = asyncio.create_task(ticker.wait())
    await clock.run(1)
    clock.jump(forward_s)
    await clock.run(1)
    lengths = [(await task).length_s]
    lengths += [tick.length_s for tick in await ticks(clock, ticker, 3)]
    assert [2.0, 10 - forward_s % 10, 10.0, 10.0] == pytest.approx(lengths)


async def test_a_piece_that_is_cut_at_once_has_a_length() -> None:
    """However short the interval is."""
    ticker = Ticker(FakeClock(), interval_s=0.2)
    assert ticker.cut() == Tick(START_MS, START_MS + 1, 0.001)


@pytest.mark.parametrize("back_s", [0.004, 9.0, 11.0, 3600.0, 1e6])
async def test_a_step_back_neither_overlaps_nor_waits(back_s: float) -> None:
    """Intervals go on one after the other, each of at most two lengths of real time."""
    clock = FakeClock()
    ticker = Ticker(clock, interval_s=10)
    found = await ticks(clock, ticker, 1)
    clock.jump(-back_s)
    for _ in range(5):
        task = asyncio.create_task(ticker.wait())
        await clock.run(20)
        found.append(await task)
    assert all(tick.end_ms > tick.start_ms for tick in found)
    assert all(a.end_ms == b.start_ms for a, b in pairwise(found))
    assert all(tick.start_ms + 1000 * tick.length_s <= tick.end_ms for tick in found)


async def test_a_large_step_back_is_told() -> None:
    """How far points are ahead of the wall clock can be seen, until it has caught up."""
    clock = FakeClock()
    timeline = Timeline(clock, tolerance_ms=10_000)
    clock.jump(-60)
    clock.advance(1)
    assert timeline.now_ms() == START_MS + 1_000
    assert timeline.ahead_ms == 60_000
    clock.jump(59)
    assert timeline.now_ms() == START_MS
    assert timeline.ahead_ms == 0


async def test_a_wait_can_be_given_up() -> None:
    """A cancelled wait takes nothing from the open interval."""
    clock = FakeClock()
    ticker = Ticker(clock, interval_s=10)
    task = asyncio.create_task(ticker.wait())
    await clock.run(4)
    task.cancel()
    assert START_MS == ticker.start_ms
    assert ticker.cut() == Tick(START_MS, START_MS + 4_000, 4.0)
