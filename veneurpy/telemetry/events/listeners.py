"""Listeners take, and miss, what clients send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from veneurpy.telemetry import metrics
from veneurpy.telemetry.events.base import Count, Event, Level
from veneurpy.telemetry.metrics import Metric


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """A listener is open."""

    listener: str
    readers: int
    receive_buffer_bytes: int


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
class KernelDropsUnknown(Event):
    """The kernel does not say what it discards: those datagrams are in no account."""

    level: ClassVar[Level] = "warning"
    listener: str
    mend: str = "leave the sandbox that hides SO_MEMINFO, or give bursts room: num_readers"


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
    counter: ClassVar[Metric] = metrics.STREAM_CLOSED
    listener: str
    reason: str

    @property
    def about(self) -> str:
        return f"{self.listener} {self.reason}"


@dataclass(frozen=True, slots=True)
class AcceptFailed(Event):
    """The kernel had a connection and could not hand it out; it is tried again."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.ACCEPT_ERRORS
    listener: str
    reason: str
    mend: str = "raise the limit of open files (LimitNOFILE= of the unit, `ulimit -n`)"

    @property
    def about(self) -> str:
        return self.listener


@dataclass(frozen=True, slots=True)
class HttpMalformed(Event):
    """Something other than HTTP/1 was sent to `http_address`; it got a 400."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.HTTP_MALFORMED
    client: str
    error: str
    mend: str = "find who sends it: HTTP/2, gRPC and TLS are not spoken there"


@dataclass(frozen=True, slots=True)
class CertificatesReloaded(Event):
    """New connections get the certificates that the files have now."""

    listener: str


@dataclass(frozen=True, slots=True)
class CertificatesUnusable(Event):
    """The files have changed and cannot be used: connections get the certificates from before."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.CERTIFICATES_UNUSABLE
    what: str
    """A listener, or `grpc_tls` or `forwarding`."""
    reason: str
    mend: str = "put a certificate and the key that belongs to it there, the key first"

    @property
    def about(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class CertificateOutOfDate(Event):
    """A listener's certificate has expired, or is not valid yet: clients turn away from it."""

    level: ClassVar[Level] = "error"
    counter: ClassVar[Metric] = metrics.CERTIFICATES_UNUSABLE
    listener: str
    reason: str
    mend: str = "put a certificate that is valid and its key there, and look at the machine's clock"


@dataclass(frozen=True, slots=True)
class LeftUnread(Event):
    """The time to shut down ran out before the kernel's queue was read."""

    level: ClassVar[Level] = "warning"
    listener: str
    bytes: int

    def counts(self) -> Iterator[Count]:
        yield metrics.UNREAD, self.bytes, {"listener": self.listener}
