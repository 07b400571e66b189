"""What outlives a process on disk, and how it is taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from veneurpy.telemetry import metrics
from veneurpy.telemetry.events.base import Count, Event, Level
from veneurpy.telemetry.metrics import Metric


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """What a process before this one had aggregated and nobody had published: nothing is lost."""

    intervals: int
    series: int
    samples: int
    lost_datagrams: int
    """Taken from the socket and not yet applied when it died."""
    resumed: bool
    """Whether one of them is still open, and goes on."""

    def counts(self) -> Iterator[Count]:
        yield metrics.RECOVERED_INTERVALS, self.intervals, {}
        yield metrics.RECOVERED_SAMPLES, self.samples, {}


@dataclass(frozen=True, slots=True)
class Restored(Event):
    """What a process before this one owed the sinks is in their queues."""

    intervals: int
    rows: int


@dataclass(frozen=True, slots=True)
class HandedOver(Event):
    """The open interval and these rows are left to the next process."""

    rows: int


@dataclass(frozen=True, slots=True)
class ArenaUnreadable(Event):
    """A file of arena_dir could not be recovered, or not all of it."""

    level: ClassVar[Level] = "warning"
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class ArenaCopied(Event):
    """Files of arena_dir are copies: what they have is published apart from the original."""

    level: ClassVar[Level] = "warning"
    what: str
    mend: str = (
        "give each node directories of its own, empty ones; what was in these when they were "
        "copied is published twice if the original is used as well"
    )


@dataclass(frozen=True, slots=True)
class SpoolFailed(Event):
    """The disk of state_dir failed: what it does not take waits in arena_dir, or else in memory."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.SPOOL_FAILURES
    what: str
    error: str

    @property
    def about(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class FilesGone(Event):
    """Files of state_dir or arena_dir were removed or replaced: what they hold ends with us."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    paths: str
    mend: str = "restart veneurpy: it delivers what it can at its stop, and makes them anew"

    def counts(self) -> Iterator[Count]:
        yield metrics.SPOOL_FAILURES, 1, {"what": "gone"}


@dataclass(frozen=True, slots=True)
class IntervalUnspooled(Event):
    """No disk took an interval, or none in time: it is delivered from memory, and ends with it."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.INTERVALS_UNSPOOLED
    start_ms: int
    points: int
