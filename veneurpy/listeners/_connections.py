"""A listener of connections: takes them in, ends those that idle, reads to the end at the stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial
from typing import Protocol

from veneurpy.accepting import Acceptor, LastDescriptor, accept
from veneurpy.config import ListenUrl
from veneurpy.engine import Engine, Grammar
from veneurpy.listeners._cutting import most_at_once
from veneurpy.listeners._hub import Connection, Hub, StreamLimits
from veneurpy.listeners._opening import Opened, Opener
from veneurpy.ports import Clock
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import AcceptFailed, Listening

SWEEP_S = 1.0
BACKLOG = 1024
WELCOME_S = 1.0
"""How long the stop waits for peers that are still shaking hands."""


class Connector(Protocol):
    """Makes a connection of what was accepted."""

    async def connect(self, peer: socket.socket, hub: Hub) -> None:
        """Returns once the hub knows it. Raises OSError where it came to nothing."""
        ...

    def refresh(self, listener: str) -> None:
        """Called every second: looks after what the next connection needs."""
        ...


class ConnectionListener:
    """Takes connections on one URL and feeds what they say to one reader."""

    def __init__(
        self,
        url: ListenUrl,
        opener: Opener,
        connector: Connector,
        *,
        limits: StreamLimits,
        clock: Clock,
        telemetry: Telemetry,
        grammar: Grammar | None = None,
    ) -> None:
        self._url = url
        self._opener = opener
        self._connector = connector
        self._limits = limits
        self._clock = clock
        self._telemetry = telemetry
        self._grammar = grammar
        self._opened: Opened | None = None
        self._hub: Hub | None = None
        self._acceptors: list[Acceptor] = []
        self._sweeping: asyncio.Task[None] | None = None
        self._welcomes: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"ConnectionListener({self.name!r}, {self._hub!r})"

    @property
    def name(self) -> str:
        """The URL with the port it really has, once it is started."""
        return self._opened.name if self._opened else str(self._url)

    async def start(self, engine: Engine) -> None:
        """Opens the socket and begins to take connections. Raises ListenError."""
        self._opened = await self._opener.open()
        most_bytes = most_at_once(self._limits.max_line_bytes)
        reader = engine.open_reader(self.name, max_datagram_bytes=most_bytes, grammar=self._grammar)
        self._hub = Hub(
            self.name,
            reader,
            limits=self._limits,
            clock=self._clock,
            telemetry=self._telemetry,
        )
        for listening in self._opened.sockets:
            listening.listen(BACKLOG)
            take = partial(self._take, listening, self._hub)
            acceptor = Acceptor(listening, take, failed=partial(self._failed, self._hub))
            acceptor.open()
            self._acceptors.append(acceptor)
        self._sweeping = asyncio.create_task(self._sweep(self._hub))
        self._telemetry.emit(Listening(self.name, 1, 0))

    async def stop(self, timeout_s: float) -> int:
        """Takes what was sent until now, closes; returns the bytes left at the time-out."""
        await self._close_door(stays_open=False)
        return await self._end_connections(timeout_s)

    async def leave(self) -> None:
        """The same, but the listening socket stays with whoever else holds it."""
        await self._close_door(stays_open=True)
        await self._end_connections(0.0)

    async def _close_door(self, *, stays_open: bool) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors = []
        if self._opened is not None:
            if not stays_open and self._hub is not None:
                for listening in self._opened.sockets:
                    self._accept_rest(listening, self._hub)
            self._opened.close(keeps_path=stays_open)
            self._opened = Opened(self.name, ())
        if self._welcomes:
            await asyncio.wait(set(self._welcomes), timeout=WELCOME_S)
        for task in self._welcomes:
            task.cancel()

    def _accept_rest(self, listening: socket.socket, hub: Hub) -> None:
        """Connections that the kernel has ready: their first lines may be there."""
        with contextlib.suppress(OSError):
            for _ in range(BACKLOG):
                self._welcome(listening.accept()[0], hub)

    async def _end_connections(self, timeout_s: float) -> int:
        """Reads what was queued at the call."""
        if self._hub is None:
            return 0
        peers = list(self._hub)
        wanted = {each: each.received_bytes + each.queued_bytes for each in peers}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._hub.until(lambda: not any(map(_is_behind, peers, wanted.values())))
        left = sum(each.queued_bytes for each in peers if _is_behind(each, wanted[each]))
        for connection in self._hub:
            connection.close("stop")
        await self._hub.until(lambda: not self._hub)
        return left

    def _take(self, listening: socket.socket, hub: Hub) -> None:
        self._welcome(accept(listening)[0], hub)

    def _failed(self, hub: Hub, exc: OSError) -> None:
        if isinstance(exc, LastDescriptor):
            hub.refuse("no_descriptors")
        self._telemetry.emit(AcceptFailed(self.name, exc.strerror or str(exc)))

    def _welcome(self, peer: socket.socket, hub: Hub) -> None:
        if len(hub) + len(self._welcomes) >= self._limits.max_connections:
            peer.close()
            hub.refuse("too_many_connections")
            return
        task = asyncio.create_task(self._connect(peer, hub))
        self._welcomes.add(task)
        task.add_done_callback(self._welcomes.discard)

    async def _connect(self, peer: socket.socket, hub: Hub) -> None:
        try:
            peer.setblocking(False)
            await self._connector.connect(peer, hub)
        except OSError:
            hub.refuse("handshake")
            peer.close()
        except asyncio.CancelledError:
            hub.refuse("stop")
            peer.close()

    async def _sweep(self, hub: Hub) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            await hub.sweep()
            self._connector.refresh(self.name)


def _is_behind(connection: Connection, wanted_bytes: int) -> bool:
    """Whether the kernel still has something that was there before."""
    return connection.received_bytes < wanted_bytes and connection.queued_bytes > 0
