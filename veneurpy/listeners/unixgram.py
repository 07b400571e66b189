"""StatsD over Unix datagram sockets: the readers are those of UDP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from veneurpy.config import ListenUrl
from veneurpy.engine import Engine, Grammar
from veneurpy.listeners._datagrams import LoopDatagrams, NativeDatagrams, read_datagrams
from veneurpy.listeners._opening import Opened, Opener
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import Listening


class UnixDatagramListener:
    """Receives on one socket, with one reader.

    A full socket makes its senders wait or fail: the kernel drops nothing.
    """

    def __init__(
        self,
        url: ListenUrl,
        opener: Opener,
        *,
        telemetry: Telemetry,
        grammar: Grammar | None = None,
    ) -> None:
        self._url = url
        self._opener = opener
        self._telemetry = telemetry
        self._grammar = grammar
        self._opened: Opened | None = None
        self._readers: Sequence[NativeDatagrams | LoopDatagrams] = ()

    def __repr__(self) -> str:
        return f"UnixDatagramListener({self.name!r})"

    @property
    def name(self) -> str:
        """The URL."""
        return self._opened.name if self._opened else str(self._url)

    async def start(self, engine: Engine) -> None:
        """Opens the socket and begins to read. Raises ListenError, with the way to mend it."""
        self._opened = opened = await self._opener.open()
        for each in opened.sockets:
            each.setblocking(True)
        self._readers = [
            await read_datagrams(engine, each, self.name, self._grammar) for each in opened.sockets
        ]
        self._telemetry.emit(Listening(self.name, len(opened.sockets), 0))

    async def stop(self, timeout_s: float) -> int:
        """Reads what the kernel had queued and closes; returns the bytes left at the time-out."""
        left = await asyncio.gather(*(reader.stop(timeout_s) for reader in self._readers))
        self._close(keeps_path=False)
        return sum(left)

    async def leave(self) -> None:
        """Stops reading, and leaves the socket to whoever else holds it."""
        await asyncio.gather(*(reader.leave() for reader in self._readers))
        self._close(keeps_path=True)

    def _close(self, *, keeps_path: bool) -> None:
        self._readers = ()
        if self._opened is not None:
            self._opened.close(keeps_path=keeps_path)
