"""What the connections of one listener share: the reader, the buffer, limits and accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from veneurpy.engine import Reader
from veneurpy.listeners._cutting import READ_BYTES, Cutter, EitherCutter, FrameCutter, LineCutter
from veneurpy.listeners._origin import Sender
from veneurpy.ports import Clock
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import StreamClosed
from veneurpy.telemetry.metrics import (
    STREAM_CONNECTIONS,
    STREAM_CONNECTS,
    STREAM_HELD,
    STREAM_UNFINISHED,
)

CLOSED_AT_ONCE = 32
MOST_READ_BYTES = 1 << 19
"""More than an event loop decrypts at once."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one listener of connections allows."""

    max_connections: int = 4096
    max_line_bytes: int = 1 << 16
    max_held_bytes: int = 64 << 20
    """Bytes of lines that have not ended yet, of all connections together."""
    idle_timeout_s: float = 600.0


class Connection(Protocol):
    """One peer."""

    last_s: float
    """When something came from it, on the monotonic clock."""
    received_bytes: int

    @property
    def queued_bytes(self) -> int:
        """What the kernel has of it that was not read yet; 0 once it is closed."""
        ...

    def close(self, reason: str) -> None:
        """Ends it at once; what was received of an unfinished line is counted as such."""
        ...


class Hub:
    """Admits connections, ends those that idle, and counts both. Used on the event loop."""

    def __init__(
        self,
        listener: str,
        reader: Reader,
        *,
        limits: StreamLimits,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self.listener = listener
        self.reader = reader
        self.limits = limits
        self.buffer = bytearray(READ_BYTES)
        """Read into by whoever is reading: what is to last is copied out before the next one."""
        self.view = memoryview(self.buffer)
        self._clock = clock
        self._telemetry = telemetry
        self._connections: set[Connection] = set()
        self._held_bytes = 0
        self._stirred = asyncio.Event()

    def __repr__(self) -> str:
        return f"Hub({self.listener!r}, connections={len(self)}, held_bytes={self._held_bytes})"

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._connections))

    @property
    def now_s(self) -> float:
        return self._clock.monotonic()

    def room(self, wanted_bytes: int) -> memoryview:
        """The buffer, made longer if that is wanted, within bounds; `buffer` is it from now on."""
        if len(self.buffer) < (most := min(wanted_bytes, MOST_READ_BYTES)):
            self.buffer = bytearray(most)
            self.view = memoryview(self.buffer)
        return self.view

    def lines(self, sender: Sender) -> Cutter:
        """For a sender's stream of lines."""
        return LineCutter(self.reader, self.limits.max_line_bytes, sender)

    def lines_or_frames(self, sender: Sender) -> Cutter:
        """For a sender's stream of lines, or of frames with a length before them."""
        return EitherCutter(self.lines(sender), FrameCutter(self.reader, sender))

    def refuse(self, reason: str) -> None:
        """Counts a connection that was ended before it began."""
        self._telemetry.emit(StreamClosed(self.listener, reason))

    def opened(self, connection: Connection) -> None:
        """Counts one in. The caller has seen that there is room."""
        self._connections.add(connection)
        self._telemetry.add(STREAM_CONNECTS, 1, listener=self.listener)
        self._show()

    def closed(self, connection: Connection, reason: str, *, within_a_line: bool = False) -> None:
        """Counts one out, once; what was held of it is forgotten."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._stirred.set()
        self._telemetry.emit(StreamClosed(self.listener, reason))
        if within_a_line:
            self._telemetry.add(STREAM_UNFINISHED, 1, listener=self.listener)
        self._show()

    def moved(self, before: int, after: int) -> bool:
        """One connection holds more or fewer bytes; False if that is too many for all together."""
        self._held_bytes += after - before
        self._stirred.set()
        return self._held_bytes <= self.limits.max_held_bytes

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns once it holds; looked at whenever something was received or has ended."""
        while not holds():
            self._stirred.clear()
            await self._stirred.wait()

    async def sweep(self) -> None:
        """Ends connections that have been idle for too long. To be called now and then.

        A few at a time: thousands at once would keep everybody else waiting.
        """
        oldest_s = self.now_s - self.limits.idle_timeout_s
        idle = [connection for connection in self if connection.last_s < oldest_s]
        for at in range(0, len(idle), CLOSED_AT_ONCE):
            for connection in idle[at : at + CLOSED_AT_ONCE]:
                connection.close("idle")
            await asyncio.sleep(0)
        self._show()

    def _show(self) -> None:
        self._telemetry.set(STREAM_CONNECTIONS, len(self), listener=self.listener)
        self._telemetry.set(STREAM_HELD, self._held_bytes, listener=self.listener)
