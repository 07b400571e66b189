"""From the URLs of the configuration to listeners."""

from __future__ import annotations

import socket
from collections.abc import Callable

from veneurpy.config import Config, ListenUrl
from veneurpy.errors import ListenError
from veneurpy.listeners._connections import ConnectionListener, Connector
from veneurpy.listeners._hub import StreamLimits
from veneurpy.listeners._opening import (
    UNIX_KINDS,
    GivenOpener,
    InetOpener,
    Opener,
    UnixOpener,
    place_of,
)
from veneurpy.listeners._tls import TlsFiles, TlsSource
from veneurpy.listeners._unix import UnixAccess
from veneurpy.listeners.http import HttpListener
from veneurpy.listeners.stdin import StdinListener
from veneurpy.listeners.stream import TcpConnector, TlsConnector, UnixStreamConnector
from veneurpy.listeners.udp import UdpListener
from veneurpy.listeners.unixgram import UnixDatagramListener
from veneurpy.listeners.unixpacket import PacketConnector
from veneurpy.ports import Clock, Listener
from veneurpy.server.assembly import grammar_of
from veneurpy.systemd import Place, SocketStore
from veneurpy.telemetry import Telemetry


class Listeners:
    """Makes the listeners of a node."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        telemetry: Telemetry,
        store: SocketStore,
        on_input_end: Callable[[], None] = lambda: None,
        is_healthy: Callable[[], bool] = lambda: True,
    ) -> None:
        """`on_input_end` is called when `stdin:` has ended and there is no other listener.

        `is_healthy` is what gRPC's health service answers.
        """
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._store = store
        self._on_input_end = on_input_end
        self._is_healthy = is_healthy
        self._limits = StreamLimits(
            max_connections=config.stream_max_connections,
            max_line_bytes=config.stream_max_line_bytes,
            max_held_bytes=config.stream_max_held_bytes,
            idle_timeout_s=config.stream_idle_timeout,
        )

    def make(self) -> list[Listener]:
        """One for each URL. Raises VeneurpyError."""
        listeners = [self._listener(url) for url in self._config.listen_urls]
        listeners += [self._grpc(url) for url in self._config.grpc_listen_addresses]
        return listeners

    async def places(self) -> list[Place]:
        """Where they look for sockets that were kept. Raises ListenError."""
        urls = [*self._config.listen_urls, *self._config.grpc_listen_addresses]
        found = [await place_of(url) for url in urls]
        return [place for place in found if place is not None]

    def _listener(self, url: ListenUrl) -> Listener:
        if url.scheme == "stdin":
            return self._stdin(url)
        if url.scheme == "http":
            return self._http(url)
        if url.scheme == "systemd":
            return self._given(url)
        if url.scheme in UNIX_KINDS:
            return self._unix(url)
        if url.scheme.startswith("udp"):
            return UdpListener(
                url,
                num_readers=self._config.num_readers,
                read_buffer_bytes=self._config.read_buffer_size_bytes,
                telemetry=self._telemetry,
                store=self._store,
                grammar=grammar_of(self._config, url.options),
            )
        return self._connections(url, InetOpener(url, self._store), self._inet_connector())

    def _grpc(self, url: ListenUrl) -> Listener:
        # Whoever takes nothing by gRPC does not load what it takes.
        from veneurpy.listeners.grpc_statsd import GrpcStatsdListener

        return GrpcStatsdListener(
            url,
            InetOpener(url, self._store),
            limits=self._limits,
            telemetry=self._telemetry,
            is_healthy=self._is_healthy,
            tls=self._tls_files(),
            grammar=grammar_of(self._config, url.options),
        )

    def _stdin(self, url: ListenUrl) -> Listener:
        config = self._config
        is_alone = len(config.listen_urls) + len(config.grpc_listen_addresses) == 1
        return StdinListener(
            max_line_bytes=self._limits.max_line_bytes,
            telemetry=self._telemetry,
            on_end=self._on_input_end if is_alone else lambda: None,
            grammar=grammar_of(self._config, url.options),
        )

    def _http(self, url: ListenUrl) -> Listener:
        return HttpListener(
            max_line_bytes=self._limits.max_line_bytes,
            telemetry=self._telemetry,
            grammar=grammar_of(self._config, url.options),
        )

    def _unix(self, url: ListenUrl) -> Listener:
        config = self._config
        access = UnixAccess(config.unix_socket_mode, config.unix_socket_owner)
        kind = UNIX_KINDS[url.scheme]
        opener = UnixOpener(url, kind, access, self._store)
        return self._by_kind(url, opener, socket.AF_UNIX, kind)

    def _given(self, url: ListenUrl) -> Listener:
        sockets = self._store.take(Place(url.path, kind=0))
        if not sockets:
            raise ListenError(
                f"cannot listen on {url}: the service manager has passed no socket of that name; "
                f"write `FileDescriptorName={url.path}` into the socket unit and start it"
            )
        opener = GivenOpener(str(url), sockets)
        return self._by_kind(url, opener, sockets[0].family, sockets[0].type)

    def _by_kind(self, url: ListenUrl, opener: Opener, family: int, kind: int) -> Listener:
        if kind == socket.SOCK_DGRAM:
            grammar = grammar_of(self._config, url.options)
            return UnixDatagramListener(url, opener, telemetry=self._telemetry, grammar=grammar)
        if kind == socket.SOCK_SEQPACKET:
            return self._connections(url, opener, PacketConnector())
        if family == socket.AF_UNIX:
            return self._connections(url, opener, UnixStreamConnector())
        return self._connections(url, opener, self._inet_connector())

    def _inet_connector(self) -> Connector:
        files = self._tls_files()
        if files is None:
            return TcpConnector()
        return TlsConnector(TlsSource(files), self._telemetry)

    def _tls_files(self) -> TlsFiles | None:
        config = self._config
        if not config.tls_certificate:
            return None
        return TlsFiles(
            config.tls_key.reveal(),
            config.tls_certificate,
            config.tls_authority_certificate,
            frozenset(config.tls_allowed_names),
        )

    def _connections(self, url: ListenUrl, opener: Opener, connector: Connector) -> Listener:
        return ConnectionListener(
            url,
            opener,
            connector,
            limits=self._limits,
            clock=self._clock,
            telemetry=self._telemetry,
            grammar=grammar_of(self._config, url.options),
        )
