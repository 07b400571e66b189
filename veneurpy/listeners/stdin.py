"""StatsD lines from the standard input."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable

from veneurpy.engine import Engine, Grammar
from veneurpy.listeners._cutting import READ_BYTES, LineCutter, most_at_once
from veneurpy.listeners._origin import Sender
from veneurpy.listeners._sockets import unread_bytes
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import Listening

CLIENT = "stdin"
"""How the accounts of clients call whoever writes there."""


class StdinListener:
    """Reads a descriptor to its end, on a thread: it may be a file, a pipe or a terminal."""

    name = "stdin:"

    def __init__(
        self,
        *,
        max_line_bytes: int,
        telemetry: Telemetry,
        on_end: Callable[[], None] = lambda: None,
        fd: int = 0,
        grammar: Grammar | None = None,
    ) -> None:
        """`on_end` is called on the event loop when there is nothing more to read."""
        self._max_line_bytes = max_line_bytes
        self._telemetry = telemetry
        self._on_end = on_end
        self._fd = fd
        self._grammar = grammar
        self._stop_fd = -1
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"StdinListener(fd={self._fd})"

    async def start(self, engine: Engine) -> None:
        """Begins to read."""
        most_bytes = most_at_once(self._max_line_bytes)
        reader = engine.open_reader(self.name, max_datagram_bytes=most_bytes, grammar=self._grammar)
        cutter = LineCutter(reader, self._max_line_bytes, Sender(CLIENT))
        self._stop_fd = os.eventfd(0, os.EFD_CLOEXEC)
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._read, args=(cutter, loop), name="stdin", daemon=True)
        thread.start()
        self._thread = thread
        self._telemetry.emit(Listening(self.name, 1, 0))

    async def stop(self, timeout_s: float) -> int:
        """Reads no more; returns the bytes of a pipe that are left."""
        if self._thread is None:
            return 0
        os.eventfd_write(self._stop_fd, 1)
        await asyncio.to_thread(self._thread.join)
        self._thread = None
        os.close(self._stop_fd)
        return _left_in(self._fd)

    async def leave(self) -> None:
        """Reads no more: what is left is for whoever reads it next."""
        await self.stop(0.0)

    def _read(self, cutter: LineCutter, loop: asyncio.AbstractEventLoop) -> None:
        waiting = select.poll()
        waiting.register(self._stop_fd, select.POLLIN)
        try:
            waiting.register(self._fd, select.POLLIN)
            while not any(fd == self._stop_fd for fd, _ in waiting.poll()):
                piece = bytearray(os.read(self._fd, READ_BYTES))
                if not piece:
                    cutter.finish()
                    loop.call_soon_threadsafe(self._on_end)
                    return
                cutter.take(piece, 0, len(piece))
        except OSError:  # closed, or not meant to be read
            loop.call_soon_threadsafe(self._on_end)


def _left_in(fd: int) -> int:
    try:
        return unread_bytes(fd)
    except OSError:
        return 0
