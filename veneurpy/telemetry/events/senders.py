"""Other nodes call this one by gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from veneurpy.telemetry import metrics
from veneurpy.telemetry.events.base import Count, Event, Level
from veneurpy.telemetry.metrics import Metric


@dataclass(frozen=True, slots=True)
class GrpcListening(Event):
    """Other nodes can send."""

    address: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class SenderForged(Event):
    """A batch names another sender than the certificate it came with: it was not taken.

    Logged once for each certificate and name.
    """

    level: ClassVar[Level] = "warning"
    counter: ClassVar[Metric] = metrics.SENDERS_FORGED
    certificate: str
    sender: str
    mend: str = "give the sender a certificate for its node_name, or add a proxy to grpc_tls.relays"


@dataclass(frozen=True, slots=True)
class SenderRefused(Event):
    """Another node broke a limit, or speaks no gRPC. The status page counts by sender."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.SENDERS_REFUSED
    reason: str
    sender: str

    @property
    def about(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class CallCrashed(Event):
    """Answering another node's call raised: a bug of veneurpy, please report it."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    sender: str
    error: str

    def counts(self) -> Iterator[Count]:
        yield metrics.INTERNAL_ERRORS, 1, {"task": "grpc"}
