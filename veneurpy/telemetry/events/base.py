"""What every event promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from veneurpy.telemetry.metrics import Metric

Level = Literal["debug", "info", "warning", "error"]
Count = tuple[Metric, float, dict[str, str]]


class Event:
    """The base of all. Subclasses are frozen dataclasses."""

    __slots__ = ()
    level: ClassVar[Level] = "info"
    every_s: ClassVar[float] = 0.0
    """At most one line in so many seconds for each type and `about`; the rest is only counted."""
    counter: ClassVar[Metric | None] = None
    """Counts such events; its labels are fields."""

    @property
    def about(self) -> str:
        """What the limit is kept for: a name of the configuration, never one that a client sent."""
        return ""

    def counts(self) -> Iterator[Count]:
        """What it adds to which metric."""
        if self.counter is not None:
            yield self.counter, 1, {label: getattr(self, label) for label in self.counter.labels}
