"""From what the engine's readers have kept to the bytes of a capture."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter

from veneurpy.capture.dogfile import encode_datagram
from veneurpy.engine import Reader

_DATAGRAMS_AT_ONCE = 1000


class Recording:
    """Follows some readers. `part` is to be called again and again, by one thread at a time."""

    def __init__(self, readers: Sequence[Reader], *, since_ns: int) -> None:
        """From the oldest datagram on that is there, but for those from before `since_ns`."""
        self._sources = [_Source(reader, since_ns) for reader in readers]
        self.datagrams = 0
        """How many were handed out."""

    def __repr__(self) -> str:
        return f"Recording({len(self._sources)} readers, missed_bytes={self.missed_bytes})"

    @property
    def missed_bytes(self) -> int:
        """What was overwritten before it was asked for."""
        return sum(source.missed_bytes for source in self._sources)

    def part(self, until_ns: int) -> Iterator[bytes]:
        """What has come and was not handed out yet, up to a time: messages, in order of time."""
        sources = [source.until(until_ns) for source in self._sources]
        merged = heapq.merge(*sources, key=itemgetter(0))
        while some := list(islice(merged, _DATAGRAMS_AT_ONCE)):
            self.datagrams += len(some)
            yield b"".join(encode_datagram(time_ns, payload) for time_ns, payload in some)


class _Source:
    """One reader, and how far it has been read."""

    def __init__(self, reader: Reader, since_ns: int) -> None:
        self._reader = reader
        self._since_ns = since_ns
        self._mark: int | None = None
        self._waiting: list[tuple[int, bytes]] = []
        """Read, and from after the time that was asked for. The next one is the last."""
        self.missed_bytes = 0

    def until(self, until_ns: int) -> Iterator[tuple[int, bytes]]:
        while self._waiting or self._fetch():
            if self._waiting[-1][0] > until_ns:
                return
            found = self._waiting.pop()
            if found[0] >= self._since_ns:
                yield found

    def _fetch(self) -> bool:
        found = self._reader.captured(self._mark)
        self._mark = found.mark
        self.missed_bytes += found.missed_bytes
        self._waiting = found.datagrams[::-1]
        return bool(self._waiting)
