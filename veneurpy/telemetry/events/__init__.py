"""Everything that veneurpy logs about itself: the line and the counter of an event in one place.

An event is logged under its class's name in snake case, its fields as key=value. A module holds the
events of one concept; all of them stand in the list below.
"""

from __future__ import annotations

from veneurpy.telemetry.events.base import Count, Event, Level
from veneurpy.telemetry.events.captures import Captured, CaptureMissed
from veneurpy.telemetry.events.durability import (
    ArenaUnreadable,
    HandedOver,
    IntervalUnspooled,
    Recovered,
    Restored,
    SpoolFailed,
)
from veneurpy.telemetry.events.forwarding import (
    BatchesLost,
    BatchesUnspooled,
    ChainGone,
    DiscoveryFailed,
    EpochAdopted,
    ForwardGone,
    OwnerRefuses,
    PeerFailed,
    WindowShort,
)
from veneurpy.telemetry.events.intervals import (
    GaugesForgotten,
    LateForgotten,
    PointsUnrouted,
    TicksMissed,
)
from veneurpy.telemetry.events.limits import (
    ArenaDirSmall,
    ClientOverBudget,
    MemoryLimitSmall,
    NameOverBudget,
    StoreFull,
)
from veneurpy.telemetry.events.listeners import (
    AcceptFailed,
    CertificatesReloaded,
    CertificatesUnusable,
    HttpMalformed,
    KernelDropped,
    LeftUnread,
    Listening,
    ReceiveBufferSmall,
    SocketsDropped,
    SocketsTaken,
    StreamClosed,
)
from veneurpy.telemetry.events.owning import (
    BatchRefused,
    BatchRejected,
    IntervalSealed,
    IntervalTooOld,
    OwnerClockWrong,
    RingChangeRefused,
    SealFailed,
    SealLeft,
    StateUnreadable,
)
from veneurpy.telemetry.events.process import (
    ClockSetBack,
    ConfigWarning,
    LedgerViolated,
    PageCrashed,
    Started,
    StatsUnsent,
    StopFailed,
    Stopped,
    Stopping,
    TaskCrashed,
)
from veneurpy.telemetry.events.senders import (
    CallCrashed,
    GrpcListening,
    SenderForged,
    SenderRefused,
)
from veneurpy.telemetry.events.sinks import FailureKind, RowsLost, SinkFailed

__all__ = [
    "AcceptFailed",
    "ArenaDirSmall",
    "ArenaUnreadable",
    "BatchRefused",
    "BatchRejected",
    "BatchesLost",
    "BatchesUnspooled",
    "CallCrashed",
    "CaptureMissed",
    "Captured",
    "CertificatesReloaded",
    "CertificatesUnusable",
    "ChainGone",
    "ClientOverBudget",
    "ClockSetBack",
    "ConfigWarning",
    "Count",
    "DiscoveryFailed",
    "EpochAdopted",
    "Event",
    "FailureKind",
    "ForwardGone",
    "GaugesForgotten",
    "GrpcListening",
    "HandedOver",
    "HttpMalformed",
    "IntervalSealed",
    "IntervalTooOld",
    "IntervalUnspooled",
    "KernelDropped",
    "LateForgotten",
    "LedgerViolated",
    "LeftUnread",
    "Level",
    "Listening",
    "MemoryLimitSmall",
    "NameOverBudget",
    "OwnerClockWrong",
    "OwnerRefuses",
    "PageCrashed",
    "PeerFailed",
    "PointsUnrouted",
    "ReceiveBufferSmall",
    "Recovered",
    "Restored",
    "RingChangeRefused",
    "RowsLost",
    "SealFailed",
    "SealLeft",
    "SenderForged",
    "SenderRefused",
    "SinkFailed",
    "SocketsDropped",
    "SocketsTaken",
    "SpoolFailed",
    "Started",
    "StateUnreadable",
    "StatsUnsent",
    "StopFailed",
    "Stopped",
    "Stopping",
    "StoreFull",
    "StreamClosed",
    "TaskCrashed",
    "TicksMissed",
    "WindowShort",
]
