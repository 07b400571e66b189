"""One connection of a stream listener, as asyncio drives it."""

from __future__ import annotations

import asyncio
from typing import cast

from veneurpy.certificates import names_in
from veneurpy.listeners._cutting import BadFrame, Cutter
from veneurpy.listeners._hub import Hub
from veneurpy.listeners._sockets import unread_bytes

TLS_SLACK_BYTES = 1 << 15
"""What may be decrypted beyond what the event loop says: two records."""


class StreamConnection(asyncio.BufferedProtocol):
    """Reads into the hub's buffer and cuts it. Nothing is ever sent to the peer."""

    def __init__(
        self, hub: Hub, cutter: Cutter, allowed_names: frozenset[str] = frozenset()
    ) -> None:
        """`allowed_names`: one of them must be in the peer's certificate; none: whoever it is."""
        self._hub = hub
        self._cutter = cutter
        self._allowed_names = allowed_names
        self._transport: asyncio.Transport | None = None
        self._reason = ""
        self.last_s = hub.now_s
        self.received_bytes = 0

    def __repr__(self) -> str:
        return f"StreamConnection({self._hub.listener!r}, received_bytes={self.received_bytes})"

    @property
    def queued_bytes(self) -> int:
        opened = self._transport.get_extra_info("socket") if self._transport else None
        return 0 if opened is None else unread_bytes(opened.fileno())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._hub.opened(self)
        if self._allowed_names:
            shown = names_in(transport.get_extra_info("peercert"))
            if self._allowed_names.isdisjoint(shown):
                self.close("wrong_name")

    def get_buffer(self, sizehint: int) -> memoryview:
        # No bytearray: of one, asyncio's TLS fills a copy with all records of a read but the first.
        return self._hub.view

    def buffer_updated(self, nbytes: int) -> None:
        if self._reason:
            return
        self.last_s = self._hub.now_s
        self.received_bytes += nbytes
        before = self._cutter.held_bytes
        try:
            self._cutter.take(self._hub.buffer, 0, nbytes)
        except BadFrame:
            self._reason = "bad_frame"
        if not self._hub.moved(before, self._cutter.held_bytes):
            self._reason = "too_many_bytes"
        if self._reason:
            self.close(self._reason)

    def eof_received(self) -> bool:
        self._finish("eof")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        reason = self._reason or ("reset" if exc else "eof")
        held_bytes = self._cutter.held_bytes
        self._hub.moved(held_bytes, 0)
        self._hub.closed(self, reason, within_a_line=held_bytes > 0)

    def close(self, reason: str) -> None:
        """Ends it at once; nothing more is taken of it."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    def _finish(self, reason: str) -> None:
        before = self._cutter.held_bytes
        try:
            self._cutter.finish()
        except BadFrame:
            reason = "bad_frame"
        self._reason = self._reason or reason
        self._hub.moved(before, self._cutter.held_bytes)


class TlsConnection(StreamConnection):
    """The same over TLS, where all that is decrypted has to be taken at once.

    What finds no room waits for its turn in the event loop, and is gone if the connection ends
    before.
    """

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._hub.room(sizehint + TLS_SLACK_BYTES)
