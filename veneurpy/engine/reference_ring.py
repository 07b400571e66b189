"""The last datagrams of a reader of the Python engine."""

from __future__ import annotations

from collections import deque
from itertools import islice

from veneurpy.engine.types import Captured

_OVERHEAD = 24
"""What a datagram takes beside its bytes, as the native engine counts one that comes alone."""
_AT_ONCE = 4096


class Ring:
    """Keeps as many of the newest datagrams as fit into `size` bytes. Positions are in bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: deque[tuple[int, int, bytes]] = deque()
        """(where it begins, when it came, what it was)."""
        self._tail = self._head = 0

    def __repr__(self) -> str:
        return f"Ring({len(self._kept)} datagrams, {self._head - self._tail} bytes)"

    def take(self, datagram: bytes, now_ns: int) -> None:
        """Keeps one, if it is not larger than a quarter of the ring."""
        taken = len(datagram) + _OVERHEAD
        if taken > self._size // 4:
            return
        self._kept.append((self._head, now_ns, datagram))
        self._head += taken
        while self._head - self._tail > self._size:
            self._tail += len(self._kept.popleft()[2]) + _OVERHEAD

    def read(self, mark: int | None) -> Captured:
        """See `veneurpy.engine.Reader.captured`."""
        begin = self._tail if mark is None else max(mark, self._tail)
        newer = (each for each in self._kept if each[0] >= begin)
        found = [(now_ns, datagram) for _, now_ns, datagram in islice(newer, _AT_ONCE)]
        taken = sum(len(datagram) + _OVERHEAD for _, datagram in found)
        return Captured(found, begin + taken, 0 if mark is None else begin - mark)
