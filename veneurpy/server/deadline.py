"""How long something may yet take."""

from __future__ import annotations

from veneurpy.ports import Clock


class Deadline:
    """A point in time from which several steps take their time-outs."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end_s = clock.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Never negative."""
        return max(0.0, self._end_s - self._clock.monotonic())
