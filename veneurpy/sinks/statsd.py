"""Repeats every point as a DogStatsD line: to a statsd_exporter, an agent, another daemon."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import threading
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import Field

from veneurpy.config.address import SendAddress
from veneurpy.config.section import Section
from veneurpy.errors import SinkError
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushBatch, FlushResult, SinkContext, WriteClass
from veneurpy.sinks._statsd import Packed, packed
from veneurpy.sinks._worker import Worker

TOO_LONG = "too_long"
REACHED_S = 5.0
"""So long, and half an interval at most, a look-up or a connection may take: the flush is as it was
then, while nobody knows what became of one that is called off later."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _Progress:
    """How far a flush has come."""

    rows: int
    written: int = 0
    refused: int = 0

    def result(self, *, is_sure: bool) -> FlushResult:
        """What was written is confirmed, or in doubt; what was not is given up."""
        return FlushResult(
            confirmed=self.written if is_sure else 0,
            in_doubt=0 if is_sure else self.written,
            rejected={TOO_LONG: self.refused} if self.refused else {},
            given_up=self.rows - self.written - self.refused,
        )


class StatsdSink:
    """One line a point, over UDP in datagrams, over TCP on a connection for each flush.

    The receiver answers nothing: confirmed is what the kernel took. What was under way when an
    error came is in doubt and never sent again, since it would count twice.
    """

    write_class = WriteClass.ADDITIVE
    takes_events = False
    takes_checks = False

    class Config(Section):
        """The options of the statsd sink."""

        address: SendAddress
        """Where to send: `udp://host:port` or `tcp://host:port`; `host:port` is UDP."""
        datagram_bytes: int = Field(default=1400, ge=64, le=65_507)
        """The most bytes of a UDP datagram. A line that is longer is rejected, over TCP too."""
        timestamps: bool = False
        """Whether points with a time of their own carry it (`|T`), which few receivers read."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._to = config.address
        self._most_bytes = config.datagram_bytes
        self._with_times = config.timestamps
        self._log = context.log
        self._worker = Worker(f"veneurpy-{context.name}")
        self._reached_s = min(REACHED_S, context.interval_s / 2)

    def __repr__(self) -> str:
        return f"StatsdSink({self._to})"

    async def start(self) -> None:
        """Opens nothing: a receiver that is away should not keep the node from starting."""
        self._worker.begin()

    async def flush(self, batch: FlushBatch) -> FlushResult:
        """Sends every row, or raises a retriable SinkError if none was taken."""
        pieces = packed(batch, most_bytes=self._most_bytes, with_times=self._with_times)
        progress = _Progress(len(batch))
        try:
            if self._to.scheme == "tcp":
                await self._write(pieces, progress)
            else:
                await self._send(pieces, progress)
        except OSError as exc:
            error = f"cannot send to {self._to}: {exc.strerror or exc}"
            if not progress.written:
                raise SinkError(error, retriable=True) from exc
            self._log("warning", "statsd_broken_off", error=error, rows=progress.written)
            return progress.result(is_sure=False)
        return progress.result(is_sure=True)

    async def flush_events(
        self, events: Sequence[Event], checks: Sequence[ServiceCheck]
    ) -> FlushResult:
        """Is never called: points only are repeated."""
        return FlushResult(rejected={"unsupported": len(events) + len(checks)})

    async def stop(self) -> None:
        """Ends the thread. Idempotent."""
        self._worker.close()

    async def _send(self, pieces: Iterator[Packed], progress: _Progress) -> None:
        loop = asyncio.get_running_loop()
        looking_up = loop.getaddrinfo(self._to.host, self._to.port, type=socket.SOCK_DGRAM)
        infos = await self._in_time(looking_up)
        # IPv4 first: "localhost" is where most agents listen.
        family, _, _, _, where = min(infos, key=lambda info: info[0] != socket.AF_INET)
        cancelled = threading.Event()
        try:
            await self._worker.run(lambda: _send_all(family, where, pieces, progress, cancelled))
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def _write(self, pieces: Iterator[Packed], progress: _Progress) -> None:
        connecting = asyncio.open_connection(self._to.host, self._to.port)
        _, writer = await self._in_time(connecting)
        try:
            while (piece := await self._worker.run(lambda: next(pieces, None))) is not None:
                if writer.is_closing():  # by the receiver: uvloop takes a write for a mistake then
                    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
                writer.write(piece.text)
                progress.written += sum(piece.lines)
                progress.refused += piece.refused
                await writer.drain()
        except BaseException:
            writer.transport.abort()
            raise
        writer.close()
        await writer.wait_closed()

    async def _in_time(self, reaching: Awaitable[_T]) -> _T:
        """Raises OSError, also where it takes too long."""
        try:
            async with asyncio.timeout(self._reached_s):
                return await reaching
        except TimeoutError as exc:
            raise OSError(errno.ETIMEDOUT, f"not reached within {self._reached_s:g} s") from exc


def _send_all(
    family: int,
    where: tuple[Any, ...],
    pieces: Iterator[Packed],
    progress: _Progress,
    cancelled: threading.Event,
) -> None:
    """Sends datagram by datagram. Raises OSError, also when nobody listens on this machine."""
    with contextlib.closing(socket.socket(family, socket.SOCK_DGRAM)) as sock:
        sock.connect(where)
        for piece in pieces:
            progress.refused += piece.refused
            for datagram, lines in piece.datagrams():
                if cancelled.is_set():
                    return
                sock.send(datagram)
                is_first = not progress.written
                if is_first:
                    # What a port without a listener answers is here already: nothing was taken.
                    _raise_error_of(sock)
                progress.written += lines
        _raise_error_of(sock)


def _raise_error_of(sock: socket.socket) -> None:
    if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, os.strerror(error))
