"""One call's half of the bytes that came: kept until they are read, and only then acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from struct import Struct
from typing import TYPE_CHECKING

from veneurpy.rpc.status import RpcError, Status

if TYPE_CHECKING:
    from veneurpy.rpc.connection import Connection

MESSAGE_PREFIX = Struct(">BL")
"""Before each message: whether it is compressed, and its length."""


class StreamBroken(Exception):
    """Nothing more comes or goes: the other end reset the stream, or the connection is gone."""


class StreamIdle(Exception):
    """Nothing came, and nothing could be sent, for as long as that may be."""


class Stream:
    """One call on a connection. Reading gives the sender room for as much again."""

    def __init__(
        self,
        connection: Connection,
        number: int,
        headers: Mapping[str, str],
        *,
        idle_s: float | None = None,
    ) -> None:
        self.number = number
        self.headers = headers
        self.trailers: Mapping[str, str] = {}
        self.broken: str | None = None
        self.answered = False
        """Whether the headers of an answer went out, or came."""
        self.refused_by_peer = False
        """Whether the other end said that it has not looked at it."""
        self.received_at_start = 0
        """How much had come on the connection when a client began the call."""
        self.is_ended = False
        """Whether the other end has sent all."""
        self._connection = connection
        self._idle_s = idle_s
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._held_bytes = 0
        self._unacknowledged = 0
        self._news = asyncio.Event()

    def __repr__(self) -> str:
        state = self.broken or ("ended" if self.is_ended else "open")
        return f"Stream({self.number}, {state}, waiting={self._waiting_bytes})"

    def came(self, data: bytes, flow_controlled: int) -> None:
        """Keeps bytes until they are read."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self._unacknowledged += flow_controlled
        self._news.set()

    def tell(self) -> None:
        """Wakes whoever reads or sends: something has changed."""
        self._news.set()

    async def changed(self) -> None:
        """Waits for the next `came` or `tell`. Raises StreamIdle."""
        self._news.clear()
        try:
            await asyncio.wait_for(self._news.wait(), self._idle_s)
        except TimeoutError:
            raise StreamIdle from None

    async def read(self, *, hold: bool = False) -> bytes:
        """What has come since the last time; nothing (b"") after all of it.

        With `hold` it counts as in flight until the call ends. Raises StreamBroken where the rest
        will not come, and StreamIdle.
        """
        while not self._waiting:
            if self.is_ended:
                return b""
            if self.broken:
                raise StreamBroken(self.broken)
            await self.changed()
        data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._held_bytes += self._waiting_bytes
        self._take(0 if hold else self._held_bytes)
        return data

    def drop(self) -> None:
        """Forgets what waits and what is held: the call has ended."""
        self._held_bytes += self._waiting_bytes
        self._take(self._held_bytes)

    def _take(self, count: int) -> None:
        """Empties what waits, lets the sender send as much again, and frees so many bytes."""
        self._connection.took(self, count, self._unacknowledged)
        self._held_bytes -= count
        self._waiting, self._waiting_bytes, self._unacknowledged = [], 0, 0

    async def message(self, max_bytes: int) -> bytes | None:
        """The one message of a unary call; None if the stream ends without any.

        Raises RpcError for what is no such message, StreamBroken as `read`.
        """
        data = bytearray()
        while chunk := await self.read(hold=True):
            data += chunk
            message_length(data, 0, max_bytes)
            if len(data) > max_bytes + MESSAGE_PREFIX.size:
                raise too_long(max_bytes)
        if not data:
            return None
        length = message_length(data, 0, max_bytes)
        if length is None or MESSAGE_PREFIX.size + length != len(data):
            raise RpcError(Status.INVALID_ARGUMENT, "expected one whole message")
        return bytes(memoryview(data)[MESSAGE_PREFIX.size :])


def message_length(data: bytes | bytearray, at: int, max_bytes: int) -> int | None:
    """The length of the message whose prefix stands at `at`; None while the prefix is cut.

    Raises RpcError for a compressed message and for one that is too long.
    """
    if len(data) - at < MESSAGE_PREFIX.size:
        return None
    compressed, length = MESSAGE_PREFIX.unpack_from(data, at)
    if compressed:
        raise RpcError(Status.UNIMPLEMENTED, "compressed messages are not understood here")
    if length > max_bytes:
        raise too_long(max_bytes)
    return int(length)


def too_long(max_bytes: int) -> RpcError:
    """The answer to a message that is longer than it may be."""
    return RpcError(Status.RESOURCE_EXHAUSTED, f"a message may have {max_bytes} bytes")


def framed(message: bytes) -> bytes:
    """A message with its prefix."""
    return MESSAGE_PREFIX.pack(0, len(message)) + message
