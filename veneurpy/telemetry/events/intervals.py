"""An interval is closed, and its points find their way to the sinks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from veneurpy.telemetry import metrics
from veneurpy.telemetry.events.base import Count, Event, Level


@dataclass(frozen=True, slots=True)
class TicksMissed(Event):
    """The interval that was closed is longer by these ticks."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    missed: int
    length_s: float

    def counts(self) -> Iterator[Count]:
        yield metrics.TICKS_MISSED, self.missed, {}


@dataclass(frozen=True, slots=True)
class PointsUnrouted(Event):
    """veneursinkonly named sinks that this node does not have."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 600.0
    points: int

    def counts(self) -> Iterator[Count]:
        yield metrics.POINTS_UNROUTED, self.points, {}


@dataclass(frozen=True, slots=True)
class LateForgotten(Event):
    """Too many points with a time of their own: the oldest can no longer be amended."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 600.0
    points: int

    def counts(self) -> Iterator[Count]:
        yield metrics.LATE_FORGOTTEN, self.points, {}


@dataclass(frozen=True, slots=True)
class GaugesForgotten(Event):
    """Gauges found no room to be flushed again (`gauge_ttl`): sent again, they start anew."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 600.0
    gauges: int

    def counts(self) -> Iterator[Count]:
        yield metrics.GAUGES_FORGOTTEN, self.gauges, {}
