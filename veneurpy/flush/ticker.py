"""When intervals close: at the epoch multiples of their length, whatever the wall clock does."""

from __future__ import annotations

from dataclasses import dataclass

from veneurpy.ports import Clock

NS_PER_MS = 1_000_000
FARTHEST_AHEAD_MS = 3_600_000
"""What is farther ahead is of a clock that was wrong, not of one set back."""
SHORTEST_S = 0.001
"""A piece is never empty: its length is what rates are made with."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One piece of time that ends: the interval from `start_ms` to `end_ms` (wall clock)."""

    start_ms: int
    end_ms: int
    length_s: float
    """How long the piece really was. Less than its bounds say if the wall clock stepped forward."""
    missed: int = 0
    """How many earlier ticks fell into it because nobody was awake for them."""


class Timeline:
    """The wall clock, except that it never falls back by more than `tolerance_ms`.

    After a larger step back it runs on with the monotonic clock, so that intervals neither overlap
    nor wait for hours; it is the wall clock again as soon as that has caught up.
    """

    def __init__(self, clock: Clock, *, tolerance_ms: int) -> None:
        self._clock = clock
        self._tolerance_ms = tolerance_ms
        self._anchor_ms = clock.now_ns() // NS_PER_MS
        self._anchor_s = clock.monotonic()
        self.ahead_ms = 0
        """How far the timeline is ahead of the wall clock."""

    def now_ms(self) -> int:
        """The time, in milliseconds since the epoch."""
        wall_ms = self._clock.now_ns() // NS_PER_MS
        now_s = self._clock.monotonic()
        steady_ms = self._anchor_ms + round((now_s - self._anchor_s) * 1000)
        if steady_ms - wall_ms > self._tolerance_ms:
            self.ahead_ms = steady_ms - wall_ms
            return steady_ms
        self._anchor_ms, self._anchor_s, self.ahead_ms = wall_ms, now_s, 0
        return wall_ms

    def go_on_from(self, time_ms: int) -> None:
        """It has been that late already: what the wall clock lacks of it, it was set back by."""
        self._anchor_ms = time_ms
        self._anchor_s = self._clock.monotonic()


class Ticker:
    """Yields consecutive pieces of time: each starts where the one before ended."""

    def __init__(self, clock: Clock, *, interval_s: float) -> None:
        self._clock = clock
        self._interval_ms = max(1, round(interval_s * 1000))
        self._timeline = Timeline(clock, tolerance_ms=self._interval_ms)
        self._start_ms = self._timeline.now_ms()
        self._started_s = clock.monotonic()

    @property
    def start_ms(self) -> int:
        """Where the open interval starts."""
        return self._start_ms

    @property
    def ahead_ms(self) -> int:
        """How far the points' time is ahead of a wall clock that was set back; 0 as a rule."""
        return self._timeline.ahead_ms

    def resume(self, start_ms: int, last_ms: int) -> None:
        """Goes on with an interval that began in a process before this one.

        `last_ms` is when that process saw it last. The wall clock may have been set back since:
        then time goes on from there.
        """
        now_ms = self._start_ms
        if start_ms >= now_ms:
            now_ms = min(max(start_ms, last_ms), self.end_of(start_ms))
            self._timeline.go_on_from(now_ms)
        self._started_s -= (now_ms - start_ms) / 1000
        self._start_ms = start_ms

    def go_on_after(self, end_ms: int) -> None:
        """Begins not before the end of the last interval of a process before this one."""
        if end_ms > self._start_ms:
            self.resume(end_ms, end_ms)

    def is_current(self, start_ms: int) -> bool:
        """Whether an interval that began then is not over yet.

        One that is yet to begin has begun before the clock was set back: to go on with it is not to
        give the sinks its time again.
        """
        return start_ms - FARTHEST_AHEAD_MS <= self._start_ms < self.end_of(start_ms)

    def end_of(self, start_ms: int) -> int:
        """When an interval that began then is to be closed."""
        return self._boundary(start_ms) + self._interval_ms

    async def wait(self) -> Tick:
        """Sleeps until the open interval is to be closed. May be cancelled and called again."""
        expected_ms = self._boundary(self._start_ms) + self._interval_ms
        while (now_ms := self._timeline.now_ms()) < expected_ms:
            await self._clock.sleep((expected_ms - now_ms) / 1000)
        due_ms = self._boundary(now_ms)
        missed = (due_ms - expected_ms) // self._interval_ms
        return self._tick(due_ms, now_ms, missed=missed)

    def cut(self) -> Tick:
        """Closes the open interval now, off the grid: the last piece of a process."""
        end_ms = max(self._timeline.now_ms(), self._start_ms + 1)
        return self._tick(end_ms, end_ms)

    def _boundary(self, time_ms: int) -> int:
        return time_ms - time_ms % self._interval_ms

    def _tick(self, end_ms: int, now_ms: int, *, missed: int = 0) -> Tick:
        start_ms, started_s, now_s = self._start_ms, self._started_s, self._clock.monotonic()
        by_bounds_s = (end_ms - start_ms) / 1000
        # When the end was, not when somebody woke up for it.
        ended_s, length_s = now_s - (now_ms - end_ms) / 1000, by_bounds_s
        # Less only if the wall clock jumped over time that never passed, then the end is now. The
        # two clocks are read one after the other, hence the tolerance.
        if ended_s - started_s < by_bounds_s - self._interval_ms / 10_000:
            ended_s = now_s
            length_s = min(by_bounds_s, max(SHORTEST_S, round(now_s - started_s, 3)))
        self._start_ms, self._started_s = end_ms, ended_s
        return Tick(start_ms, end_ms, length_s, missed)
