"""Everything that veneurpy logs about itself: the line and the counter of an event in one place.

An event is logged under its class's name in snake case, its fields as key=value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from veneurpy.telemetry import metrics
from veneurpy.telemetry.metrics import Metric

Level = Literal["debug", "info", "warning", "error"]
FailureKind = Literal["retriable", "final", "timeout", "bug"]
Count = tuple[Metric, float, dict[str, str]]


class Event:
    """The base of all. Subclasses are frozen dataclasses."""

    __slots__ = ()
    level: ClassVar[Level] = "info"
    every_s: ClassVar[float] = 0.0
    """At most one line in so many seconds for each type and `about`; the rest is only counted."""

    @property
    def about(self) -> str:
        """What the limit is kept for: a name of the configuration, never one that a client sent."""
        return ""

    def counts(self) -> Iterator[Count]:
        """What it adds to which metric."""
        yield from ()


@dataclass(frozen=True, slots=True)
class Started(Event):
    """Everything runs."""

    version: str
    engine: str
    listeners: str
    sinks: str
    http: str


@dataclass(frozen=True, slots=True)
class Stopping(Event):
    """A signal, or a crash, ends the process."""

    cause: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """The last line: what the process took and what became of it."""

    lines: int
    points: int
    exit_code: int


@dataclass(frozen=True, slots=True)
class ConfigWarning(Event):
    """A key of the configuration that is accepted and does not do what it says."""

    level: ClassVar[Level] = "warning"
    warning: str


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """A listener is open."""

    listener: str
    readers: int
    receive_buffer_bytes: int


@dataclass(frozen=True, slots=True)
class ReceiveBufferSmall(Event):
    """The kernel grants less than `read_buffer_size_bytes`: bursts are lost sooner."""

    level: ClassVar[Level] = "warning"
    listener: str
    wanted_bytes: int
    granted_bytes: int

    @property
    def mend(self) -> str:
        """The command that raises the limit."""
        return f"sysctl -w net.core.rmem_max={self.wanted_bytes}"


@dataclass(frozen=True, slots=True)
class KernelDropped(Event):
    """The kernel discarded datagrams: the process was too slow or the buffer too small."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    listener: str
    datagrams: int
    mend: str = "raise read_buffer_size_bytes (and net.core.rmem_max) or num_readers"

    @property
    def about(self) -> str:
        return self.listener


@dataclass(frozen=True, slots=True)
class LeftUnread(Event):
    """The time to shut down ran out before the kernel's queue was read."""

    level: ClassVar[Level] = "warning"
    listener: str
    bytes: int

    def counts(self) -> Iterator[Count]:
        yield metrics.UNREAD, self.bytes, {"listener": self.listener}


@dataclass(frozen=True, slots=True)
class SocketsTaken(Event):
    """The service manager kept the listener's sockets, with whatever came in meanwhile."""

    listener: str
    sockets: int


@dataclass(frozen=True, slots=True)
class SocketsDropped(Event):
    """The service manager kept a socket that no listener is for: it is closed."""

    level: ClassVar[Level] = "warning"
    name: str


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
class ArenaUnreadable(Event):
    """A file of arena_dir could not be recovered, or not all of it."""

    level: ClassVar[Level] = "warning"
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class SpoolFailed(Event):
    """The disk of state_dir failed: what it could not keep is delivered from memory."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    what: str
    error: str

    @property
    def about(self) -> str:
        return self.what

    def counts(self) -> Iterator[Count]:
        yield metrics.SPOOL_FAILURES, 1, {"what": self.what}


@dataclass(frozen=True, slots=True)
class HandedOver(Event):
    """The open interval and these rows are left to the next process."""

    rows: int


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
class ClockSetBack(Event):
    """The wall clock was set back: points keep the old time, running on, so that none overlap."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 600.0
    ahead_s: float
    mend: str = "restart veneurpy to take over the new time at once"


@dataclass(frozen=True, slots=True)
class PointsUnrouted(Event):
    """veneursinkonly named sinks that this node does not have."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 600.0
    points: int

    def counts(self) -> Iterator[Count]:
        yield metrics.POINTS_UNROUTED, self.points, {}


@dataclass(frozen=True, slots=True)
class NameOverBudget(Event):
    """A name has more series or tag values than it may: each name is told once."""

    level: ClassVar[Level] = "warning"
    name: str
    series: int
    tag: str
    values: int
    folded: int
    rejected: int
    mend: str = "leave out or bound that tag where it is sent, or raise max_series_per_name"


@dataclass(frozen=True, slots=True)
class LateForgotten(Event):
    """Too many points with a time of their own: the oldest can no longer be amended."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 600.0
    points: int

    def counts(self) -> Iterator[Count]:
        yield metrics.LATE_FORGOTTEN, self.points, {}


@dataclass(frozen=True, slots=True)
class SinkFailed(Event):
    """A call of a sink failed. What becomes of the rows is told apart, when it is decided."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    sink: str
    kind: FailureKind
    rows: int
    error: str

    @property
    def about(self) -> str:
        return f"{self.sink} {self.kind}"

    def counts(self) -> Iterator[Count]:
        yield metrics.SINK_FAILURES, 1, {"sink": self.sink, "kind": self.kind}


@dataclass(frozen=True, slots=True)
class RowsLost(Event):
    """Rows that will not reach a sink, or of which nobody knows whether they did."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    sink: str
    fate: Literal["given_up", "in_doubt", "rejected"]
    reason: str
    rows: int

    @property
    def about(self) -> str:
        return f"{self.sink} {self.fate} {self.reason}"[:200]


@dataclass(frozen=True, slots=True)
class LedgerViolated(Event):
    """An equation of the ledger does not hold: a bug of veneurpy, please report it."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    equation: str
    where: str
    detail: str

    @property
    def about(self) -> str:
        return f"{self.where} {self.equation}"

    def counts(self) -> Iterator[Count]:
        yield metrics.LEDGER_VIOLATIONS, 1, {"equation": self.equation}


@dataclass(frozen=True, slots=True)
class StatsUnsent(Event):
    """The node's own metrics could not be sent to `stats_address`, or its name not looked up."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 600.0
    address: str
    error: str

    def counts(self) -> Iterator[Count]:
        yield metrics.STATS_ERRORS, 1, {}


@dataclass(frozen=True, slots=True)
class TaskCrashed(Event):
    """A task of ours raised: the process ends, and its supervisor starts it again."""

    level: ClassVar[Level] = "error"
    task: str
    error: str
    traceback: str

    def counts(self) -> Iterator[Count]:
        yield metrics.INTERNAL_ERRORS, 1, {"task": self.task}


@dataclass(frozen=True, slots=True)
class StopFailed(Event):
    """Something could not be closed in an orderly way."""

    level: ClassVar[Level] = "warning"
    what: str
    error: str
