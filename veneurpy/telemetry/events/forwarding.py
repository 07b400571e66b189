"""A node passes batches on to the owners of their series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from veneurpy.telemetry import metrics
from veneurpy.telemetry.events.base import Count, Event, Level
from veneurpy.telemetry.metrics import Metric


@dataclass(frozen=True, slots=True)
class BatchesLost(Event):
    """Batches that will not reach their owner, or of which nobody knows whether they did."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    outbox: str
    """`forward`, or `chain` for what this node passes on."""
    owner: str
    fate: Literal["given_up", "in_doubt", "rejected"]
    reason: str
    batches: int
    series: int
    samples: int
    oldest_ms: int
    """Start of the oldest of their intervals; the ledger names each batch."""

    @property
    def about(self) -> str:
        return f"{self.outbox} {self.owner} {self.fate}"

    def counts(self) -> Iterator[Count]:
        labels = {"outbox": self.outbox, "owner": self.owner, "fate": self.fate}
        yield metrics.BATCHES_FORWARDED, self.batches, labels


@dataclass(frozen=True, slots=True)
class BatchesUnspooled(Event):
    """The disk did not take batches: they wait in memory until it does, and are not sent before."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    batches: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PeerFailed(Event):
    """An owner cannot be reached: what is for it waits, every interval under its own time."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.PEER_FAILURES
    owner: str
    error: str

    @property
    def about(self) -> str:
        return self.owner


@dataclass(frozen=True, slots=True)
class OwnerRefuses(Event):
    """An owner does not take what this node has for it: its ring or its interval differs."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    owner: str
    reason: str
    mend: str = (
        "compare `veneurpy ring show` and `interval` on both nodes; "
        "for `sender` see `sender_forged` in the log of the owner"
    )

    @property
    def about(self) -> str:
        return self.owner


@dataclass(frozen=True, slots=True)
class ChainGone(Event):
    """What a process before this one was to pass on waits for owners that are not configured."""

    level: ClassVar[Level] = "error"
    owner: str
    batches: int
    series: int
    samples: int
    mend: str = "configure `chain` again until they are through; they stay in state_dir"


@dataclass(frozen=True, slots=True)
class ForwardGone(Event):
    """What a process before this one was to forward waits, and this node forwards nothing."""

    level: ClassVar[Level] = "error"
    owner: str
    batches: int
    series: int
    samples: int
    mend: str = (
        "configure `forward` (or `forward_address`) again until they are through; "
        "they stay in state_dir"
    )


@dataclass(frozen=True, slots=True)
class EpochAdopted(Event):
    """This node goes by a newer list of members."""

    number: int
    from_ms: int
    members: str


@dataclass(frozen=True, slots=True)
class DiscoveryFailed(Event):
    """Members' addresses could not be looked up: those known before stay in use."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.DISCOVERY_FAILURES
    kind: str
    reason: str
    error: str

    @property
    def about(self) -> str:
        return f"{self.kind} {self.reason}"


@dataclass(frozen=True, slots=True)
class WindowShort(Event):
    """A window of an owner above is too short for what this node seals within its own.

    Logged at the first contact, and when that owner tells another one.
    """

    level: ClassVar[Level] = "warning"
    owner: str
    key: str
    theirs_s: float
    needed_s: float
    effect: str

    @property
    def mend(self) -> str:
        """What to change."""
        return f"set {self.key}: {self.needed_s:g}s or more at {self.owner}, or less at this node"
