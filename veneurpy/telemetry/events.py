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
class StreamClosed(Event):
    """A connection has ended, or was refused."""

    level: ClassVar[Level] = "debug"
    every_s: ClassVar[float] = 60.0
    listener: str
    reason: str

    @property
    def about(self) -> str:
        return f"{self.listener} {self.reason}"

    def counts(self) -> Iterator[Count]:
        yield metrics.STREAM_CLOSED, 1, {"listener": self.listener, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class AcceptFailed(Event):
    """The kernel had a connection and could not hand it out; it is tried again."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    listener: str
    reason: str
    mend: str = "raise the limit of open files (LimitNOFILE= of the unit, `ulimit -n`)"

    @property
    def about(self) -> str:
        return self.listener

    def counts(self) -> Iterator[Count]:
        yield metrics.ACCEPT_ERRORS, 1, {"listener": self.listener}


@dataclass(frozen=True, slots=True)
class CertificatesReloaded(Event):
    """New connections get the certificates that the files have now."""

    listener: str


@dataclass(frozen=True, slots=True)
class CertificatesUnusable(Event):
    """The files have changed and cannot be used: connections get the certificates from before."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    what: str
    """A listener, or `grpc_tls` or `forwarding`."""
    reason: str
    mend: str = "put a certificate and the key that belongs to it there, the key first"

    @property
    def about(self) -> str:
        return self.what

    def counts(self) -> Iterator[Count]:
        yield metrics.CERTIFICATES_UNUSABLE, 1, {}


@dataclass(frozen=True, slots=True)
class LeftUnread(Event):
    """The time to shut down ran out before the kernel's queue was read."""

    level: ClassVar[Level] = "warning"
    listener: str
    bytes: int

    def counts(self) -> Iterator[Count]:
        yield metrics.UNREAD, self.bytes, {"listener": self.listener}


@dataclass(frozen=True, slots=True)
class Captured(Event):
    """Somebody has fetched what was received."""

    every_s: ClassVar[float] = 1.0
    datagrams: int

    def counts(self) -> Iterator[Count]:
        yield metrics.CAPTURED, self.datagrams, {}


@dataclass(frozen=True, slots=True)
class CaptureMissed(Event):
    """Traffic was overwritten before a capture that was under way could fetch it."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    bytes: int
    mend: str = "raise capture_bytes, or capture to a faster disk"

    def counts(self) -> Iterator[Count]:
        yield metrics.CAPTURE_MISSED, self.bytes, {}


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
    """The disk of state_dir failed: what it does not take waits in arena_dir, or else in memory."""

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
class IntervalUnspooled(Event):
    """No disk took an interval, or none in time: it is delivered from memory, and ends with it."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    start_ms: int
    points: int

    def counts(self) -> Iterator[Count]:
        yield metrics.INTERVALS_UNSPOOLED, 1, {}


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
class ClientOverBudget(Event):
    """A client began more series than `max_series_per_client`. Logged once for each."""

    level: ClassVar[Level] = "warning"
    client: str
    series: int
    over: int
    mend: str = "see who it is with `veneurpy top --clients`; max_series_per_client is the bound"


@dataclass(frozen=True, slots=True)
class MemoryLimitSmall(Event):
    """The process may not take what `store_max_bytes` grants it: the kernel would kill it first."""

    level: ClassVar[Level] = "warning"
    cgroup: str
    limit_bytes: int
    store_max_bytes: int
    needed_bytes: int

    @property
    def mend(self) -> str:
        """What to change."""
        return (
            f"set store_max_bytes to at most "
            f"{max(0, self.limit_bytes - self.needed_bytes + self.store_max_bytes)}, or raise the "
            f"limit (MemoryMax= of the unit, the container's memory) to {self.needed_bytes}"
        )


@dataclass(frozen=True, slots=True)
class ArenaDirSmall(Event):
    """The file system of `arena_dir` cannot hold the store and what waits there for the disk.

    The store is full sooner, or intervals that the disk does not take are in memory only.
    """

    level: ClassVar[Level] = "warning"
    path: str
    free_bytes: int
    store_max_bytes: int
    needed_bytes: int

    @property
    def mend(self) -> str:
        """What to change."""
        return (
            f"mount -o remount,size={self.needed_bytes + (self.store_max_bytes >> 3)} the tmpfs of "
            f"{self.path}, or set store_max_bytes to at most "
            f"{self.free_bytes * self.store_max_bytes // self.needed_bytes}"
        )


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
class BatchesLost(Event):
    """Batches that will not reach their owner, or of which nobody knows whether they did."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
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
        return f"{self.owner} {self.fate}"

    def counts(self) -> Iterator[Count]:
        labels = {"owner": self.owner, "fate": self.fate}
        yield metrics.BATCHES_FORWARDED, self.batches, labels


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


@dataclass(frozen=True, slots=True)
class PeerFailed(Event):
    """An owner cannot be reached: what is for it waits, every interval under its own time."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    owner: str
    error: str

    @property
    def about(self) -> str:
        return self.owner

    def counts(self) -> Iterator[Count]:
        yield metrics.PEER_FAILURES, 1, {"owner": self.owner}


@dataclass(frozen=True, slots=True)
class BatchesUnspooled(Event):
    """The disk did not take batches: they wait in memory until it does, and are not sent before."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    batches: int
    bytes: int


@dataclass(frozen=True, slots=True)
class EpochAdopted(Event):
    """This node goes by a newer list of members."""

    number: int
    from_ms: int
    members: str


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
class SenderForged(Event):
    """A batch names another sender than the certificate it came with: it was not taken.

    Logged once for each certificate and name.
    """

    level: ClassVar[Level] = "warning"
    certificate: str
    sender: str
    mend: str = "give the sender a certificate for its node_name, or add a proxy to grpc_tls.relays"

    def counts(self) -> Iterator[Count]:
        yield (
            metrics.SENDERS_FORGED,
            1,
            {"certificate": self.certificate, "sender": self.sender},
        )


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
    start_ms: int
    error: str
    mend: str = "make room in state_dir; senders keep everything meanwhile"

    def counts(self) -> Iterator[Count]:
        yield metrics.SEAL_FAILURES, 1, {}


@dataclass(frozen=True, slots=True)
class StateUnreadable(Event):
    """The sketches of a published interval cannot be read: it is not amended any more."""

    level: ClassVar[Level] = "error"
    start_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class GrpcListening(Event):
    """Other nodes can send."""

    address: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class SenderRefused(Event):
    """Another node broke a limit, or speaks no gRPC. The status page counts by sender."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    reason: str
    sender: str

    @property
    def about(self) -> str:
        return self.reason

    def counts(self) -> Iterator[Count]:
        yield metrics.SENDERS_REFUSED, 1, {"reason": self.reason}


@dataclass(frozen=True, slots=True)
class CallCrashed(Event):
    """Answering another node's call raised: a bug of veneurpy, please report it."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    sender: str
    error: str

    def counts(self) -> Iterator[Count]:
        yield metrics.INTERNAL_ERRORS, 1, {"task": "grpc"}


@dataclass(frozen=True, slots=True)
class DiscoveryFailed(Event):
    """Members' addresses could not be looked up: those known before stay in use."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    kind: str
    reason: str
    error: str

    @property
    def about(self) -> str:
        return f"{self.kind} {self.reason}"

    def counts(self) -> Iterator[Count]:
        yield metrics.DISCOVERY_FAILURES, 1, {"kind": self.kind, "reason": self.reason}


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
