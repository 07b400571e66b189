"""A gRPC client that knows, of a call that failed, whether the server can have seen it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from veneurpy.rpc.address import split
from veneurpy.rpc.connection import Connection, texts
from veneurpy.rpc.limits import MIB, Limits
from veneurpy.rpc.status import CallFailed, Status, decode_text
from veneurpy.rpc.stream import Stream, StreamBroken, framed
from veneurpy.rpc.tls import ClientTls

CLIENT_LIMITS = Limits(max_message_bytes=16 * MIB)


class Channel:
    """Calls to one address, over one connection that is opened when it is needed.

    Used on one event loop only. Calls may overlap.
    """

    def __init__(
        self, address: str, *, tls: ClientTls | None = None, connect_timeout_s: float = 5.0
    ) -> None:
        self._address = address
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._connection: ClientConnection | None = None
        self._opening = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Channel({self._address!r}, {self._connection})"

    async def call(self, path: str, message: bytes, *, timeout_s: float) -> bytes:
        """The answer to a unary call. Raises CallFailed."""
        answer = await self.stream(path, (framed(message),), timeout_s=timeout_s)
        if answer is None:
            raise CallFailed("there was no answer", status=None, may_have_been_applied=True)
        return answer

    async def stream(
        self, path: str, messages: Iterable[bytes], *, timeout_s: float
    ) -> bytes | None:
        """Sends messages, each piece with the prefixes of those in it; returns the answer.

        None if the server ended the call well without one. Raises CallFailed.
        """
        connection = await self._open()
        stream = connection.begin(path, self._address, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                return await _exchange(connection, stream, messages)
        except TimeoutError:
            connection.timed_out(stream)
            raise CallFailed(
                f"no answer within {timeout_s:g} s", status=None, may_have_been_applied=True
            ) from None
        except StreamBroken as exc:
            raise CallFailed(
                str(exc), status=None, may_have_been_applied=not stream.refused_by_peer
            ) from exc
        finally:
            connection.end(stream)

    async def close(self) -> None:
        """Closes the connection; calls that run end as failed."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _open(self) -> ClientConnection:
        async with self._opening:
            if self._connection is None or not self._connection.takes_calls:
                try:
                    async with asyncio.timeout(self._connect_timeout_s):
                        self._connection = await self._connect()
                except (OSError, ValueError) as exc:  # TimeoutError and ssl.SSLError are OSErrors
                    raise CallFailed(
                        f"cannot connect to {self._address}: {str(exc) or 'no answer'}",
                        status=None,
                        may_have_been_applied=False,
                    ) from exc
            return self._connection

    async def _connect(self) -> ClientConnection:
        """A connection whose other end has spoken.

        Whoever takes it in only (a balancer, a process that hangs, one that does not like our
        certificate) is told nothing that could be applied.
        """
        host, port = split(self._address)
        loop = asyncio.get_running_loop()
        context = name = None
        if self._tls is not None:
            context = await asyncio.to_thread(self._tls.context)
            name = self._tls.server_name or host
        _, connection = await loop.create_connection(
            ClientConnection, host, port, ssl=context, server_hostname=name
        )
        try:
            await connection.greeted()
        except BaseException:
            connection.abort()
            raise
        return connection


class ClientConnection(Connection):
    """The client's end."""

    def __init__(self) -> None:
        super().__init__(client_side=True, limits=CLIENT_LIMITS)
        self._is_left = False
        self._received = 0
        self._greeting = asyncio.Event()
        self._breach = ""

    @property
    def takes_calls(self) -> bool:
        """Whether a call may begin here: it is open, and the server has not said that it leaves."""
        return not self.is_closed and not self._is_left

    async def greeted(self) -> None:
        """Waits for the settings, with which a server begins. Raises OSError if none come."""
        await self._greeting.wait()
        if self.is_closed:
            raise OSError(self._breach or "it was closed before anything was said")

    def data_received(self, data: bytes) -> None:
        self._received += 1
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._greeting.set()

    def begin(self, path: str, authority: str, timeout_s: float) -> Stream:
        """Sends the headers of a call. Raises CallFailed where that cannot be."""
        headers = (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", f"{max(1, int(timeout_s * 1000))}m"),
        )
        try:
            number = self._h2.get_next_available_stream_id()
            self._h2.send_headers(number, headers)
        except h2.exceptions.ProtocolError as exc:
            # Too many calls at once, or the connection closed this moment, or it had all its calls.
            if isinstance(exc, h2.exceptions.NoAvailableStreamIDError):
                self._is_left = True
                self._close_if_done()
            raise CallFailed(str(exc), status=None, may_have_been_applied=False) from exc
        stream = Stream(self, number, {})
        stream.received_at_start = self._received
        self.streams[number] = stream
        self.write()
        return stream

    def end(self, stream: Stream) -> None:
        """Forgets a call; one that still runs is reset."""
        if not stream.is_ended:
            self.reset(stream)
        stream.drop()
        self.streams.pop(stream.number, None)
        self._close_if_done()

    def timed_out(self, stream: Stream) -> None:
        """Where nothing at all came since the call began, the next one opens a new connection."""
        if stream.received_at_start == self._received:
            self.abort()

    def on_event(self, event: h2.events.Event) -> None:
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
        match event:
            case h2.events.RemoteSettingsChanged():
                self._greeting.set()
            case h2.events.ResponseReceived() if stream is not None:
                stream.headers = texts(event.headers or ())
                stream.answered = True
                stream.tell()
            case h2.events.TrailersReceived() if stream is not None:
                stream.trailers = texts(event.headers or ())
            case h2.events.ConnectionTerminated():
                self._leave(event)
        super().on_event(event)

    def _close_if_done(self) -> None:
        """Nobody calls here any more when another connection has taken its place."""
        if self._is_left and not self.streams and not self.is_closed:
            self.close()

    def _leave(self, event: h2.events.ConnectionTerminated) -> None:
        self._is_left = True
        last = event.last_stream_id or 0
        for number, stream in list(self.streams.items()):
            if number > last:
                stream.refused_by_peer = True
                self.break_stream(stream, "the server leaves")
        if event.error_code == h2.errors.ErrorCodes.NO_ERROR:
            # HTTP/2 lets the calls up to that one end; h2 would refuse what comes for them.
            self._h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN

    def on_breach(self, exc: Exception) -> None:
        self._breach = f"no gRPC is spoken there: {exc}"
        for stream in list(self.streams.values()):
            self.break_stream(stream, self._breach)


async def _exchange(
    connection: ClientConnection, stream: Stream, messages: Iterable[bytes]
) -> bytes | None:
    try:
        for piece in messages:
            await connection.send(stream, piece, end=False)
        await connection.send(stream, b"", end=True)
    except StreamBroken:
        if not stream.is_ended:  # a server that answers early may reset what it does not want
            raise
    data = bytearray()
    try:
        while chunk := await stream.read():
            data += chunk
    except StreamBroken:
        if "grpc-status" not in (stream.trailers or stream.headers):
            raise
    _check_status(stream)
    if not data:
        return None
    answer = bytes(data[5:])
    if data[0] or int.from_bytes(data[1:5], "big") != len(answer):
        raise CallFailed("the answer is no message", status=None, may_have_been_applied=True)
    return answer


def _check_status(stream: Stream) -> None:
    only_trailers = "grpc-status" in stream.headers
    shown = stream.headers if only_trailers else stream.trailers
    http = stream.headers.get(":status", "")
    if http != "200" or "grpc-status" not in shown:
        text = f"no gRPC is spoken there (HTTP status {http})"
        raise CallFailed(text, status=Status.UNKNOWN, may_have_been_applied=True)
    status = Status.read(shown["grpc-status"])
    if status is not Status.OK:
        text = decode_text(shown.get("grpc-message", ""))
        # Who does not know a method says so instead of an answer; no handler has run.
        unseen = status is Status.UNIMPLEMENTED and only_trailers
        raise CallFailed(f"{status.name}: {text}", status=status, may_have_been_applied=not unseen)
