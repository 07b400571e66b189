"""Where log lines wait for a reader who may never come."""

from __future__ import annotations

import os
import select
import threading
from collections import deque

MOST_LINES = 1000
_LOST = '{"level": "warning", "event": "log_lines_lost", "lines": %d}\n'


class LogStream:
    """Writes to a descriptor from a thread of its own.

    A stopped terminal (Ctrl-S) or a pipe that nobody reads would otherwise stop whoever logs: the
    event loop, and with it every flush. At most `most` lines wait; how many were lost beyond them
    is written as soon as there is room. A descriptor that is gone, or a full disk, loses lines and
    nothing else; where it takes lines again, the first says how many it did not.
    """

    def __init__(self, fd: int, *, most: int = MOST_LINES) -> None:
        self._fd = fd
        self._most = most
        self._lines: deque[str] = deque()
        self._lost = 0
        self.unwritten = 0
        """Lines that the descriptor did not take since it last took one."""
        self._is_torn = False
        self._closed = False
        self._news = threading.Condition()
        # A daemon, and not through sys.stderr: one that hangs must not keep the process.
        self._thread = threading.Thread(target=self._serve, name="log", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"LogStream({self._fd}, waiting={len(self._lines)}, lost={self._lost})"

    def isatty(self) -> bool:
        """Whether people read it."""
        return os.isatty(self._fd)

    def write(self, line: str) -> int:
        """Takes a line; never waits."""
        with self._news:
            if len(self._lines) < self._most:
                self._lines.append(line)
                self._news.notify()
            else:
                self._lost += 1
        return len(line)

    def flush(self) -> None:
        """Does nothing: every line is written at once, or waits."""

    def close(self, timeout_s: float) -> None:
        """Waits until all is written, at most so long. Idempotent."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join(timeout_s)

    def _serve(self) -> None:
        while (line := self._next()) is not None:
            text = "\n" if self._is_torn else ""
            text += _LOST % self.unwritten if self.unwritten else ""
            try:
                self._write((text + line).encode(errors="backslashreplace"))
            except OSError:
                self.unwritten += 1
            else:
                self.unwritten, self._is_torn = 0, False

    def _next(self) -> str | None:
        with self._news:
            self._news.wait_for(lambda: self._lines or self._lost or self._closed)
            if self._lines:
                return self._lines.popleft()
            lost, self._lost = self._lost, 0
        return _LOST % lost if lost else None

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
                self._is_torn = True
            except BlockingIOError:  # somebody made it non-blocking
                select.select([], [self._fd], [])
