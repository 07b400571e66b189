"""A sender's connection: a task for each call, and the limits kept."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import h2.errors
import h2.events
import h2.exceptions

from veneurpy.certificates import names_in
from veneurpy.rpc.call import Call, timeout_s
from veneurpy.rpc.connection import Connection, texts
from veneurpy.rpc.limits import Refusal
from veneurpy.rpc.status import RpcError, Status, encode_text
from veneurpy.rpc.stream import Stream, StreamBroken, StreamIdle, framed
from veneurpy.rpc.tls import name_in_certificate

if TYPE_CHECKING:
    from veneurpy.rpc.server import RpcServer

_RESPONSE = ((":status", "200"), ("content-type", "application/grpc"))
_CONTROL = (
    h2.events.StreamReset,
    h2.events.PingReceived,
    h2.events.RemoteSettingsChanged,
    h2.events.PriorityUpdated,
)
_REASONS: dict[Status, Refusal] = {
    Status.RESOURCE_EXHAUSTED: "message_size",
    Status.INVALID_ARGUMENT: "malformed",
    Status.UNIMPLEMENTED: "method",
}


class ServerConnection(Connection):
    """The server's end. What the sender breaks is this connection's, or one call's, alone."""

    def __init__(self, server: RpcServer, sender: str) -> None:
        super().__init__(client_side=False, limits=server.limits)
        self.sender = self.address = sender
        self.names: frozenset[str] | None = None
        self.calls: set[asyncio.Task[None]] = set()
        self._server = server
        self._control_frames = 0
        self._greeted = False
        self._ended_by = ""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        secured = transport.get_extra_info("ssl_object")
        if isinstance(secured, ssl.SSLObject):
            self.sender = name_in_certificate(secured) or self.sender
        if shown := transport.get_extra_info("peercert"):
            self.names = names_in(shown)
        self._server.connections.add(self)
        self._server.watcher.opened()
        allowed = self._server.allowed_names
        if allowed and allowed.isdisjoint(self.names or ()):
            self._end_for("wrong_name")
            self.abort()
            return
        self._watch(self.limits.handshake_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self in self._server.connections:
            self._server.connections.discard(self)
            self._server.watcher.closed(self._ended_by or ("reset" if exc else "eof"))
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        assert self._transport is not None
        if self._transport.get_write_buffer_size() > self.limits.max_unread_bytes:
            self._end_for("unread")
            self.abort()

    def on_event(self, event: h2.events.Event) -> None:
        if not self._greeted:
            self._greeted = True
            self._watch(self.limits.connection_idle_s)
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event)
        elif isinstance(event, _CONTROL):
            self._count_control()
        super().on_event(event)

    def on_data(self, stream: Stream, data: bytes, flow_controlled: int) -> None:
        if not self._server.budget.take(len(data)):
            self._refuse("bytes_in_flight")
            self._answer_error(stream, Status.RESOURCE_EXHAUSTED, "too much is waiting here")
            self.took(None, 0, flow_controlled, stream.number)
            return
        super().on_data(stream, data, flow_controlled)

    def on_breach(self, exc: Exception) -> None:
        self._end_for("protocol")

    def took(
        self, stream: Stream | None, count: int, flow_controlled: int, number: int | None = None
    ) -> None:
        self._server.budget.give_back(count)
        super().took(stream, count, flow_controlled, number)

    def leave(self) -> None:
        """Closes it, as the server stops."""
        self._ended_by = self._ended_by or "stop"
        self.go_away()
        self.close()

    def go_away(self) -> None:
        """Asks the sender to begin no more calls here."""
        if not self.is_closed:
            self._h2.close_connection()
            self.write()

    def _begin(self, event: h2.events.RequestReceived) -> None:
        number, headers = event.stream_id or 0, texts(event.headers or ())
        stream = Stream(self, number, headers, idle_s=self.limits.stream_idle_s)
        self.streams[number] = stream
        task = asyncio.create_task(self._run(stream))
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)

    async def _run(self, stream: Stream) -> None:
        try:
            async with asyncio.timeout(timeout_s(stream.headers.get("grpc-timeout"))):
                await self._handle(stream)
        except StreamBroken:
            pass  # nobody is there to be answered
        except StreamIdle:
            self._refuse("idle")
            self._answer_error(stream, Status.DEADLINE_EXCEEDED, "nothing came for too long")
        except TimeoutError:
            self._answer_error(stream, Status.DEADLINE_EXCEEDED, "the call took too long")
        except RpcError as exc:
            if reason := _REASONS.get(exc.status):
                self._refuse(reason)
            self._answer_error(stream, exc.status, exc.text)
        except Exception as exc:
            self._server.failed(self.sender, exc)
            self._answer_error(stream, Status.INTERNAL, "the handler failed")
        finally:
            self._end(stream)

    async def _handle(self, stream: Stream) -> None:
        if self._server.is_stopping:
            raise RpcError(Status.UNAVAILABLE, "the server stops")
        handler = self._server.methods.get(stream.headers.get(":path", ""))
        if handler is None:
            raise RpcError(Status.UNIMPLEMENTED, "there is no such method here")
        answer = await handler(Call(stream, self.sender, self.address, self.limits, self.names))
        if stream.broken or self.is_closed:
            return
        self._h2.send_headers(stream.number, _RESPONSE)
        stream.answered = True
        await self.send(stream, framed(answer), end=False)
        self._h2.send_headers(stream.number, (("grpc-status", "0"),), end_stream=True)
        self.write()

    def _answer_error(self, stream: Stream, status: Status, text: str) -> None:
        """Ends a call with a status, and tells the sender not to send the rest of it."""
        if self.is_closed or stream.broken:
            return
        trailers = [("grpc-status", str(int(status))), ("grpc-message", encode_text(text))]
        head = [] if stream.answered else list(_RESPONSE)
        try:
            self._h2.send_headers(stream.number, [*head, *trailers], end_stream=True)
            if not stream.is_ended:
                self._h2.reset_stream(stream.number, h2.errors.ErrorCodes.NO_ERROR)
        except h2.exceptions.ProtocolError:
            pass  # it was reset, or the connection is closing
        self.break_stream(stream, text)
        self.write()

    def _end(self, stream: Stream) -> None:
        stream.drop()
        self.streams.pop(stream.number, None)
        if not self.streams:
            self._watch(self.limits.connection_idle_s)

    def _watch(self, seconds: float) -> None:
        """Closes the connection if it has no call in so many seconds."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.is_closed:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self.streams:
            return  # watched again when the last of them ends
        self._end_for("idle" if self._greeted else "handshake")
        self.go_away()
        self.close()

    def _count_control(self) -> None:
        self._control_frames += 1
        if self._control_frames > self.limits.max_control_frames:
            self._end_for("flood")
            self._h2.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            self.write()
            self.close()

    def _end_for(self, reason: Refusal) -> None:
        """Says why the connection, and not a call alone, is about to be ended."""
        self._ended_by = self._ended_by or reason
        self._refuse(reason)

    def _refuse(self, reason: Refusal) -> None:
        self._server.refused(reason, self.sender)
