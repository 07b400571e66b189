"""StatsD over byte streams: TCP, TLS, Unix.

Lines end with LF; on Unix streams also DogStatsD's frames. A bad line never closes a connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from veneurpy.errors import ListenError
from veneurpy.listeners._connection import StreamConnection, TlsConnection
from veneurpy.listeners._hub import Hub
from veneurpy.listeners._origin import sender_of
from veneurpy.listeners._tls import TlsSource
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import (
    CertificateOutOfDate,
    CertificatesReloaded,
    CertificatesUnusable,
)

HANDSHAKE_S = 10.0
DATES_LOOKED_AT = 3600
"""After so many refreshes, of which there is one a second, and whenever the files have changed."""


class TcpConnector:
    """Streams of lines, as they are."""

    async def connect(self, peer: socket.socket, hub: Hub) -> None:
        sender = sender_of(peer)
        await _connect(lambda: StreamConnection(hub, hub.lines(sender)), peer)

    def refresh(self, listener: str) -> None:
        pass


class UnixStreamConnector:
    """Streams of lines, or of frames with a length before them."""

    async def connect(self, peer: socket.socket, hub: Hub) -> None:
        sender = sender_of(peer)
        await _connect(lambda: StreamConnection(hub, hub.lines_or_frames(sender)), peer)

    def refresh(self, listener: str) -> None:
        pass


class TlsConnector:
    """Streams of lines, encrypted; the certificates are those that the files have now."""

    def __init__(self, source: TlsSource, telemetry: Telemetry) -> None:
        self._source = source
        self._telemetry = telemetry
        self._refreshes = 0

    async def connect(self, peer: socket.socket, hub: Hub) -> None:
        sender, allowed = sender_of(peer), self._source.allowed_names
        await _connect(
            lambda: TlsConnection(hub, hub.lines(sender), allowed), peer, self._source.context
        )

    def refresh(self, listener: str) -> None:
        try:
            if self._source.refresh():
                self._refreshes = 0
                self._telemetry.emit(CertificatesReloaded(listener))
        except ListenError as exc:
            self._telemetry.emit(CertificatesUnusable(listener, str(exc)))
        if self._refreshes % DATES_LOOKED_AT == 0 and (why := self._source.why_out_of_date()):
            self._telemetry.emit(CertificateOutOfDate(listener, why))
        self._refreshes += 1


async def _connect(
    protocol: Callable[[], StreamConnection],
    peer: socket.socket,
    context: ssl.SSLContext | None = None,
) -> None:
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(
        protocol,
        peer,
        ssl=context,
        ssl_handshake_timeout=HANDSHAKE_S if context else None,
    )
