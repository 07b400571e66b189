"""The node's own numbers as DogStatsD lines, for those who gather metrics by address.

    veneurpy.lines_total:12|c|#listener:udp://127.0.0.1:8125,env:prod

A name is that of the metrics table, with a dot after `veneurpy`. Of a counter goes out by how much
it grew since it was last sent, and nothing if it did not; of a histogram its count and its sum, as
counters; a gauge as it is.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from veneurpy.dogstatsd import metric
from veneurpy.telemetry import Sample, Telemetry
from veneurpy.telemetry.events import StatsUnsent

MOST_BYTES = 1400
"""Of a datagram: what passes through any network in one piece."""
RESOLVE_S = 5.0

_UNSENDABLE = re.compile(r"[,|\x00-\x1f\x7f]")
"""What would end a tag early, or have its line rejected."""


class StatsSender:
    """Sends everything after each flush; nothing without an address. On the event loop only.

    Failures are counted and logged, and what was in the datagram is not sent again. Pointed at a
    listener of the same node, each interval counts the lines about the one before, no more.
    """

    def __init__(
        self,
        address: tuple[str, int] | None,
        telemetry: Telemetry,
        *,
        tags: Sequence[str] = (),
        refresh: Callable[[], None],
    ) -> None:
        self._address = address
        self._telemetry = telemetry
        self._lines = Lines(tags)
        self._refresh = refresh
        self._target: tuple[int, tuple[Any, ...]] | None = None
        self._due = asyncio.Event()

    def __repr__(self) -> str:
        return f"StatsSender({self._address}, target={self._target})"

    def flushed(self) -> None:
        """A flush is through: `run` sends as soon as it can."""
        self._due.set()

    async def run(self) -> None:
        """Serves until it is cancelled. Looks the name up after each flush, since it may move."""
        while self._address is not None:
            await self._resolve(*self._address)
            await self._due.wait()
            self._due.clear()
            self.send()

    def send(self) -> None:
        """Sends what there is, now. Never waits, never raises.

        Until the name is known nothing is sent, and no growth of a counter is lost.
        """
        if self._target is None:
            return
        self._refresh()
        family, address = self._target
        try:
            # Not connected: a receiver that is down, or is this node at its end, is no failure.
            with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
                for datagram in packed(self._fitting()):
                    sock.sendto(datagram, address)
        except OSError as exc:
            self._failed(exc)

    def _fitting(self) -> Iterator[bytes]:
        for line in self._lines.of(list(self._telemetry.samples())):
            if len(line) <= MOST_BYTES:
                yield line
            else:
                self._failed(ValueError(f"a line is longer than {MOST_BYTES} bytes"))

    async def _resolve(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_S):
                infos = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as exc:  # UnicodeError: no name that DNS could have
            self._failed(exc)
            return
        # IPv4 first, as in Veneur (net.ResolveUDPAddr): "localhost" is where most agents listen.
        family, _, _, _, where = min(infos, key=lambda info: info[0] != socket.AF_INET)
        self._target = family, where

    def _failed(self, exc: Exception) -> None:
        host, port = self._address or ("", 0)
        error = str(exc) or type(exc).__name__
        self._telemetry.emit(StatsUnsent(f"{host}:{port}", error))


class Lines:
    """Makes lines of samples; remembers what each counter stood at."""

    def __init__(self, tags: Sequence[str] = ()) -> None:
        self._tags = [_UNSENDABLE.sub("_", tag) for tag in tags]
        self._before: dict[tuple[str, ...], float] = {}

    def of(self, samples: Iterable[Sample]) -> Iterator[bytes]:
        """One line for each gauge, and for each counter that grew."""
        for sample in samples:
            value = sample.value
            if sample.kind == "counter":
                key = (sample.name, *sample.labels.values())
                value -= self._before.get(key, 0)
                if not value:
                    continue
                self._before[key] = sample.value
            # A sink of others may name a reason as it likes.
            own = [_UNSENDABLE.sub("_", f"{key}:{text}") for key, text in sample.labels.items()]
            name = sample.name.replace("_", ".", 1)
            yield metric(sample.kind, name, value, [*own, *self._tags]).encode(errors="replace")


def packed(lines: Iterable[bytes], *, most_bytes: int = MOST_BYTES) -> Iterator[bytes]:
    """Lines of at most `most_bytes`, in as few datagrams of that length as their order allows."""
    datagram = b""
    for line in lines:
        if datagram and len(datagram) + 1 + len(line) > most_bytes:
            yield datagram
            datagram = b""
        datagram += b"\n" + line if datagram else line
    if datagram:
        yield datagram
