"""DogStatsD packets by gRPC: Veneur's service `dogstatsd.DogstatsdGRPC`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from veneurpy.config import ListenUrl
from veneurpy.engine import Engine, Grammar, Reader
from veneurpy.engine.reference_protobuf import BYTES, Malformed, fields
from veneurpy.listeners._cutting import READ_BYTES
from veneurpy.listeners._health import HEALTH_CHECK, health_check
from veneurpy.listeners._hub import StreamLimits
from veneurpy.listeners._opening import InetOpener, Opened
from veneurpy.listeners._origin import host_of
from veneurpy.listeners._refusals import Refusals
from veneurpy.listeners._tls import TlsFiles
from veneurpy.rpc import tls as rpc_tls
from veneurpy.rpc.call import Call
from veneurpy.rpc.limits import Limits
from veneurpy.rpc.server import RpcServer
from veneurpy.rpc.status import RpcError, Status
from veneurpy.rpc.tls import ServerTls
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import (
    AcceptFailed,
    CallCrashed,
    CertificatesUnusable,
    Listening,
    StreamClosed,
)
from veneurpy.telemetry.metrics import STREAM_CONNECTIONS, STREAM_CONNECTS

SEND_PACKET = "/dogstatsd.DogstatsdGRPC/SendPacket"
_SERVICES = {"", "veneur", "dogstatsd.DogstatsdGRPC"}
_PACKET = 1
_ENVELOPE_BYTES = 16
"""What is around the bytes of a packet, generously."""
_EMPTY = b""
_BACKLOG = 1024
_RUNNING_CALLS_S = 1.0
"""How long the calls under way may take that a successor would not know of."""


class GrpcStatsdListener:
    """Takes packets on one URL; each is a datagram, and is acknowledged once it is in the store."""

    def __init__(
        self,
        url: ListenUrl,
        opener: InetOpener,
        *,
        limits: StreamLimits,
        telemetry: Telemetry,
        is_healthy: Callable[[], bool] = lambda: True,
        tls: TlsFiles | None = None,
        grammar: Grammar | None = None,
    ) -> None:
        """Raises ConfigError for certificates that cannot be used."""
        self._url = url
        self._opener = opener
        self._telemetry = telemetry
        self._grammar = grammar
        self._opened: Opened | None = None
        self._reader: Reader | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = RpcServer(
            {
                SEND_PACKET: self._send_packet,
                HEALTH_CHECK: health_check(_SERVICES, is_healthy),
            },
            limits=_rpc_limits(limits),
            refused=Refusals(telemetry).count,
            failed=lambda sender, exc: telemetry.emit(CallCrashed(sender, repr(exc))),
            not_accepted=lambda why: telemetry.emit(AcceptFailed(self.name, why)),
            tls=None if tls is None else self._server_tls(tls),
            allowed_names=frozenset() if tls is None else tls.allowed_names,
            watcher=self,
        )

    def __repr__(self) -> str:
        return f"GrpcStatsdListener({self.name!r}, {self._server!r})"

    @property
    def name(self) -> str:
        """The URL with the scheme `grpc`, and the port it really has once it is started."""
        shown = self._opened.name if self._opened else str(self._url)
        return "grpc:" + shown.partition(":")[2]

    async def start(self, engine: Engine) -> None:
        """Opens the socket and begins to serve. Raises ListenError."""
        self._loop = asyncio.get_running_loop()
        self._opened = await self._opener.open()
        self._reader = engine.open_reader(self.name, grammar=self._grammar)
        (listening,) = self._opened.sockets
        listening.listen(_BACKLOG)
        self._server.start(listening)
        self._telemetry.emit(Listening(self.name, 1, 0))

    async def stop(self, timeout_s: float) -> int:
        """Answers the calls that run, and takes no more. What is not answered is the sender's."""
        if self._reader is not None:
            await self._server.stop(timeout_s)
            self._reader = None
        return 0

    async def leave(self) -> None:
        """The same: the listening socket stays with whoever else holds it."""
        await self.stop(_RUNNING_CALLS_S)

    def opened(self) -> None:
        """See rpc.server.Watcher."""
        self._telemetry.add(STREAM_CONNECTS, 1, listener=self.name)
        self._show()

    def closed(self, reason: str) -> None:
        """See rpc.server.Watcher."""
        self._telemetry.emit(StreamClosed(self.name, reason))
        self._show()

    def _server_tls(self, files: TlsFiles) -> ServerTls:
        def failed(why: str) -> None:
            # On whichever thread has read the files.
            if self._loop is not None:
                event = CertificatesUnusable(self.name, why)
                self._loop.call_soon_threadsafe(self._telemetry.emit, event)

        shown = rpc_tls.TlsFiles(files.certificate, files.key, files.authority)
        return ServerTls(shown, failed=failed, key="tls_certificate, tls_key")

    def _show(self) -> None:
        count = len(self._server.connections)
        self._telemetry.set(STREAM_CONNECTIONS, count, listener=self.name)

    async def _send_packet(self, call: Call) -> bytes:
        packet = _packet_of(await call.stream.message(call.limits.max_message_bytes) or b"")
        if self._reader is None:
            raise RpcError(Status.UNAVAILABLE, "not receiving: starting or stopping")
        self._reader.feed(packet, client=host_of(call.address))
        return _EMPTY


def _packet_of(message: bytes) -> bytes:
    """DogstatsdPacket: {1: packetBytes}."""
    try:
        found = [field.data for field in fields(message) if field[:2] == (_PACKET, BYTES)]
    except Malformed as exc:
        raise RpcError(Status.INVALID_ARGUMENT, f"no DogstatsdPacket: {exc}") from exc
    return found[-1] if found else b""


def _rpc_limits(limits: StreamLimits) -> Limits:
    """What a listener of connections allows, said for gRPC."""
    return replace(
        Limits(),
        max_connections=limits.max_connections,
        max_connections_per_address=limits.max_connections,
        max_message_bytes=READ_BYTES + _ENVELOPE_BYTES,
        max_bytes_in_flight=limits.max_held_bytes,
        connection_idle_s=limits.idle_timeout_s,
    )
