"""An owner takes batches, and seals intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from veneurpy.telemetry import metrics
from veneurpy.telemetry.events.base import Count, Event, Level
from veneurpy.telemetry.metrics import Metric


@dataclass(frozen=True, slots=True)
class BatchRefused(Event):
    """A sender's interval differs from this owner's: nothing of it can be taken."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    reason: str
    sender: str
    length_ms: int
    own_length_ms: int
    mend: str = "set the same `interval` on all nodes"


@dataclass(frozen=True, slots=True)
class BatchRejected(Event):
    """A batch could not be understood; its sender keeps the account."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    reason: str
    sender: str
    batch: str
    start_ms: int
    bytes: int

    @property
    def about(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class IntervalTooOld(Event):
    """A batch came after its time: its sender keeps the account."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    reason: str
    sender: str
    start_ms: int
    series: int
    samples: int

    @property
    def about(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class OwnerClockWrong(Event):
    """Most senders' clocks are this far ahead of ours: nothing is taken until they agree."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    ahead_s: float
    mend: str = "synchronise the clocks (chrony, systemd-timesyncd)"


@dataclass(frozen=True, slots=True)
class IntervalSealed(Event):
    """A revision of an interval is committed."""

    level: ClassVar[Level] = "debug"
    start_ms: int
    revision: int
    points: int
    batches: int

    def counts(self) -> Iterator[Count]:
        kind = "amended" if self.revision else "sealed"
        yield metrics.SEALS, 1, {"kind": kind}
        yield metrics.SEALED_POINTS, self.points, {}


@dataclass(frozen=True, slots=True)
class SealFailed(Event):
    """An interval could not be committed: no batch is taken until it is."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.SEAL_FAILURES
    start_ms: int
    error: str
    mend: str = "make room in state_dir; senders keep everything meanwhile"


@dataclass(frozen=True, slots=True)
class StateUnreadable(Event):
    """The sketches of a published interval cannot be read: it is not amended any more."""

    level: ClassVar[Level] = "error"
    start_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class SealLeft(Event):
    """An interval was being published when the time to shut down ran out: nothing of it was."""

    level: ClassVar[Level] = "warning"
    start_ms: int
    mend: str = (
        "its senders still have it, and send it again; "
        "a longer shutdown_timeout lets it be published first"
    )


@dataclass(frozen=True, slots=True)
class RingChangeRefused(Event):
    """Somebody asked for another member list whose certificate may not: nothing was changed."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.RING_CHANGES_REFUSED
    certificate: str
    sender: str
    mend: str = "apply at a node whose certificate has a name in grpc_tls.ring_admins, or add it"
