"""One HTTP/2 connection on the event loop: what server and client have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

from veneurpy.rpc.frames import PREFACE, FrameJoiner
from veneurpy.rpc.limits import Limits
from veneurpy.rpc.stream import Stream, StreamBroken

_DEFAULT_WINDOW_BYTES = 65535
_JOINED_BYTES = 1 << 20
"""The longest frame that h2 is given: longer than any sender may send."""


class Connection(asyncio.Protocol):
    """Feeds h2 with what comes, keeps the streams, and sends within the other end's windows."""

    def __init__(self, *, client_side: bool, limits: Limits) -> None:
        self.limits = limits
        self.streams: dict[int, Stream] = {}
        self.is_closed = False
        self.lost = asyncio.Event()
        """Set when nothing more will be called."""
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=client_side, header_encoding=None)
        )
        self._h2.local_settings = _settings(client_side, limits)
        self._h2.max_inbound_frame_size = _JOINED_BYTES
        self._h2.decoder.max_header_list_size = limits.max_header_bytes
        self._joiner = FrameJoiner(
            most_bytes=limits.max_frame_bytes,
            longest_bytes=_JOINED_BYTES,
            preface_bytes=0 if client_side else len(PREFACE),
        )
        self._transport: asyncio.Transport | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(streams={len(self.streams)}, closed={self.is_closed})"

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self.limits.max_unread_bytes // 4)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(
            self.limits.connection_window_bytes - _DEFAULT_WINDOW_BYTES
        )
        self.write()

    def data_received(self, data: bytes) -> None:
        try:
            joined = self._joiner.join(data)
            for event in self._h2.receive_data(joined):
                self.on_event(event)
        except Exception as exc:
            # Whatever a stranger can make h2 raise ends this connection and nothing else.
            self.on_breach(exc)
            self.write()
            self.close()
            return
        self.write()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self.lost.set()
        self._may_write.set()
        for stream in list(self.streams.values()):
            self.break_stream(stream, "the connection is lost")

    # For server and client

    def on_event(self, event: h2.events.Event) -> None:
        """Keeps what a frame brought. Overridden for what only one end sees."""
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
        match event:
            case h2.events.DataReceived():
                if stream is None:
                    self.took(None, 0, event.flow_controlled_length or 0, event.stream_id)
                else:
                    self.on_data(stream, event.data or b"", event.flow_controlled_length or 0)
            case h2.events.StreamEnded() if stream is not None:
                stream.is_ended = True
                stream.tell()
            case h2.events.StreamReset() if stream is not None:
                stream.refused_by_peer = event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM
                self.break_stream(stream, f"reset by the other end ({event.error_code})")
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                for other in self.streams.values() if stream is None else (stream,):
                    other.tell()

    def on_data(self, stream: Stream, data: bytes, flow_controlled: int) -> None:
        """Keeps the bytes of a stream."""
        stream.came(data, flow_controlled)

    def on_breach(self, exc: Exception) -> None:
        """Told of what the other end sent against the protocol."""

    def took(
        self, stream: Stream | None, count: int, flow_controlled: int, number: int | None = None
    ) -> None:
        """Lets the sender send as many bytes again as were read of a stream."""
        del count
        if flow_controlled and not self.is_closed:
            number = number if stream is None else stream.number
            try:
                self._h2.acknowledge_received_data(flow_controlled, number or 0)
            except h2.exceptions.ProtocolError:
                return  # the connection is closing: there is nobody to tell
            self.write()

    async def send(self, stream: Stream, data: bytes, *, end: bool) -> None:
        """Sends within the windows. Raises StreamBroken when the rest cannot be sent."""
        view, at = memoryview(data), 0
        while True:
            await self._may_write.wait()
            if stream.broken or self.is_closed:
                raise StreamBroken(stream.broken or "the connection is closed")
            room = self._room(stream)
            count = min(room, len(view) - at)
            if count or at == len(view):
                is_last = at + count == len(view)
                self._h2.send_data(stream.number, view[at : at + count], end_stream=end and is_last)
                self.write()
                at += count
                if is_last:
                    return
            else:
                await stream.changed()

    def _room(self, stream: Stream) -> int:
        window = self._h2.local_flow_control_window(stream.number)
        return min(window, self._h2.max_outbound_frame_size)

    def break_stream(self, stream: Stream, why: str) -> None:
        """Ends a stream for whoever reads or sends it."""
        stream.broken = stream.broken or why
        stream.tell()

    def reset(self, stream: Stream) -> None:
        """Tells the other end that nothing more of a stream is wanted."""
        if not self.is_closed and not stream.broken:
            self.break_stream(stream, "reset here")
            try:
                self._h2.reset_stream(stream.number, h2.errors.ErrorCodes.CANCEL)
            except h2.exceptions.ProtocolError:
                return  # it had ended by itself
            self.write()

    def write(self) -> None:
        """Hands to the socket what h2 has to say."""
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Closes after what was written."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()


def texts(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Headers as text; of a repeated one the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def _settings(client_side: bool, limits: Limits) -> h2.settings.Settings:
    codes = h2.settings.SettingCodes
    values = {
        codes.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
        codes.MAX_CONCURRENT_STREAMS: limits.max_streams,
        codes.MAX_FRAME_SIZE: limits.max_frame_bytes,
        codes.MAX_HEADER_LIST_SIZE: limits.max_header_bytes,
        codes.ENABLE_PUSH: 0,
    }
    return h2.settings.Settings(client=client_side, initial_values=values)
