"""Cutting a byte stream into what a reader takes: whole lines, or frames with a length before them.

What comes out does not depend on the pieces in which the stream arrived.
"""

from __future__ import annotations

from typing import Protocol

from veneurpy.engine import Reader
from veneurpy.listeners._origin import NOBODY, Sender

READ_BYTES = 1 << 16
"""What is read at once."""
_LENGTH_BYTES = 4


def most_at_once(max_line_bytes: int) -> int:
    """What a reader must be opened for, so that a cutter can feed it."""
    return max(READ_BYTES, max_line_bytes + 1)


class BadFrame(Exception):
    """A frame whose length cannot be: there is no telling where the next one begins."""


class Cutter(Protocol):
    """What is made of one connection's bytes."""

    @property
    def held_bytes(self) -> int:
        """Bytes kept of what is not whole yet."""
        ...

    def take(self, data: bytearray, start: int, end: int) -> None:
        """Takes data[start:end], which may change afterwards. Raises BadFrame."""
        ...

    def finish(self) -> None:
        """The peer has said all: what is left is a last line without LF. Raises BadFrame."""
        ...


class LineCutter:
    """Lines that end with LF. One that is longer than allowed is counted, and its bytes are gone.

    Lines of up to `max_line_bytes` (without LF) count; the reader must take one byte more at once.
    """

    def __init__(self, reader: Reader, max_line_bytes: int, sender: Sender = NOBODY) -> None:
        self._reader = reader
        self._max_bytes = max_line_bytes
        self._sender = sender
        self._rest = bytearray()
        self._is_discarding = False

    @property
    def held_bytes(self) -> int:
        return len(self._rest)

    def take(self, data: bytearray, start: int, end: int) -> None:
        if self._is_discarding or self._rest:
            line_end = data.find(b"\n", start, end)
            self._keep(data, start, end if line_end < 0 else line_end)
            if line_end < 0:
                return
            self._end_line()
            start = line_end + 1
        while start < end:
            start = self._take_lines(data, start, end)

    def finish(self) -> None:
        self._end_line()

    def _take_lines(self, data: bytearray, start: int, end: int) -> int:
        """Feeds lines that are short enough, as many as fit; returns where to go on."""
        most = min(end, start + self._max_bytes + 1)
        line_end = data.rfind(b"\n", start, most)
        if line_end >= 0:
            with memoryview(data) as view, view[start : line_end + 1] as lines:
                self._reader.feed(lines, client=self._sender.client, process=self._sender.process)
            return line_end + 1
        line_end = data.find(b"\n", most, end)
        self._keep(data, start, end if line_end < 0 else line_end)
        if line_end < 0:
            return end
        self._end_line()
        return line_end + 1

    def _keep(self, data: bytearray, start: int, end: int) -> None:
        """Adds to the line under way."""
        if self._is_discarding:
            return
        if len(self._rest) + end - start > self._max_bytes:
            self._is_discarding = True
            self._rest = bytearray()
            return
        self._rest += data[start:end]

    def _end_line(self) -> None:
        if self._is_discarding:
            self._reader.discard_line()
            self._is_discarding = False
        elif self._rest:
            self._reader.feed(self._rest, client=self._sender.client, process=self._sender.process)
            self._rest = bytearray()


class FrameCutter:
    """DogStatsD's frames: a length of 4 bytes, little-endian, then that many bytes, a datagram."""

    def __init__(
        self, reader: Reader, sender: Sender = NOBODY, *, max_frame_bytes: int = READ_BYTES
    ) -> None:
        self._reader = reader
        self._sender = sender
        self._max_bytes = max_frame_bytes
        self._rest = bytearray()

    @property
    def held_bytes(self) -> int:
        return len(self._rest)

    def take(self, data: bytearray, start: int, end: int) -> None:
        self._rest += data[start:end]
        at = 0
        try:
            while (body := self._body(at)) is not None:
                self._reader.feed(
                    self._rest[at + _LENGTH_BYTES : body],
                    client=self._sender.client,
                    process=self._sender.process,
                )
                at = body
        finally:
            del self._rest[:at]

    def finish(self) -> None:
        if self._rest:
            raise BadFrame("the stream ends within a frame")

    def _body(self, at: int) -> int | None:
        """Where the frame at `at` ends; None while it is not whole."""
        if len(self._rest) - at < _LENGTH_BYTES:
            return None
        size = int.from_bytes(self._rest[at : at + _LENGTH_BYTES], "little")
        if not 0 < size <= self._max_bytes:
            raise BadFrame(f"a frame of {size} bytes")
        end = at + _LENGTH_BYTES + size
        return end if end <= len(self._rest) else None


class EitherCutter:
    """Lines or frames, told by the first bytes.

    The length of a frame of a sane size has zeros as its third and fourth byte, and no text has.
    """

    def __init__(self, lines: Cutter, frames: Cutter) -> None:
        self._lines = lines
        self._frames = frames
        self._first = bytearray()
        self._chosen: Cutter | None = None

    @property
    def held_bytes(self) -> int:
        return len(self._first) if self._chosen is None else self._chosen.held_bytes

    def take(self, data: bytearray, start: int, end: int) -> None:
        if self._chosen is not None:
            self._chosen.take(data, start, end)
            return
        self._first += data[start:end]
        # A length may begin with what ends a line: nothing is told by less.
        if len(self._first) >= _LENGTH_BYTES:
            self._choose()

    def finish(self) -> None:
        if self._chosen is None:
            self._choose()
        assert self._chosen is not None
        self._chosen.finish()

    def _choose(self) -> None:
        is_framed = self._first[2:_LENGTH_BYTES] == b"\0\0"
        self._chosen = self._frames if is_framed else self._lines
        first, self._first = self._first, bytearray()
        self._chosen.take(first, 0, len(first))
