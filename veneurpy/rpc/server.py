"""A gRPC server: methods by path, every sender within the same limits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Protocol

from veneurpy.descriptors import is_among_the_last
from veneurpy.rpc.call import Handler
from veneurpy.rpc.limits import Budget, Limits, Refused
from veneurpy.rpc.server_connection import ServerConnection
from veneurpy.rpc.tls import ServerTls

_FAREWELL_S = 1.0


class Watcher(Protocol):
    """Is told of every connection that was taken in, and of its end."""

    def opened(self) -> None:
        """Another one."""
        ...

    def closed(self, reason: str) -> None:
        """One has ended (`eof`, `reset`, `stop`), or was not let in: then it is one of REFUSALS."""
        ...


class Unwatched:
    """Nobody counts."""

    def opened(self) -> None:
        pass

    def closed(self, reason: str) -> None:
        pass


class RpcServer:
    """Serves `methods` ("/package.Service/Method" to handler) on a listening socket.

    `failed` is told of what a handler raised by mistake. Used on one event loop only.
    """

    def __init__(
        self,
        methods: Mapping[str, Handler],
        *,
        limits: Limits,
        refused: Refused,
        failed: Callable[[str, Exception], None],
        tls: ServerTls | None = None,
        allowed_names: frozenset[str] = frozenset(),
        watcher: Watcher | None = None,
    ) -> None:
        """`allowed_names`: one of them must be in a sender's certificate; none: whoever it is."""
        self.methods = methods
        self.limits = limits
        self.refused = refused
        self.failed = failed
        self.allowed_names = allowed_names
        self.watcher: Watcher = watcher or Unwatched()
        self.budget = Budget(limits.max_bytes_in_flight)
        self.connections: set[ServerConnection] = set()
        self.is_stopping = False
        """Whether new calls are answered UNAVAILABLE."""
        self._tls = tls
        self._opening: dict[asyncio.Task[None], str] = {}
        self._accepting: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    def __repr__(self) -> str:
        return f"RpcServer(connections={len(self.connections)}, opening={len(self._opening)})"

    def start(self, listening: socket.socket) -> None:
        """Begins to accept. The socket is closed by `stop`."""
        listening.setblocking(False)
        self._socket = listening
        self._accepting = asyncio.create_task(self._accept(listening))

    async def stop(self, timeout_s: float) -> None:
        """Accepts no more, lets running calls end for so long, closes the rest."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
        for opening in self._opening:
            opening.cancel()
        self.is_stopping = True
        calls = [task for connection in self.connections for task in connection.calls]
        if calls:
            await asyncio.wait(calls, timeout=timeout_s)
        for connection in list(self.connections):
            connection.leave()
        await self._until_closed()
        rest = [*calls, *self._opening]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _until_closed(self) -> None:
        """TLS says farewell; whoever does not answer is left."""
        closing = [asyncio.create_task(c.lost.wait()) for c in self.connections]
        if closing:
            _, slow = await asyncio.wait(closing, timeout=_FAREWELL_S)
            for task in slow:
                task.cancel()
        for connection in list(self.connections):
            connection.abort()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError:  # no descriptors left, or a connection that was reset meanwhile
                await asyncio.sleep(0.1)
                continue
            sender = sender_of(address)
            if is_among_the_last(accepted.fileno()) or not self._has_room(sender):
                accepted.close()
                self._turned_away("connections", sender)
                continue
            task = asyncio.create_task(self._open(accepted, sender))
            self._opening[task] = sender
            task.add_done_callback(self._opening.pop)

    def _turned_away(self, reason: str, sender: str) -> None:
        self.refused(reason, sender)
        self.watcher.closed(reason)

    def _has_room(self, address: str) -> bool:
        held = [*self._opening.values(), *(each.address for each in self.connections)]
        return (
            len(held) < self.limits.max_connections
            and held.count(address) < self.limits.max_connections_per_address
        )

    async def _open(self, accepted: socket.socket, sender: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            if accepted.family != socket.AF_UNIX:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = None
            if self._tls is not None:
                context = await asyncio.to_thread(self._tls.context)
            await loop.connect_accepted_socket(
                lambda: ServerConnection(self, sender),
                accepted,
                ssl=context,
                ssl_handshake_timeout=self.limits.handshake_timeout_s if context else None,
            )
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            accepted.close()
            self._turned_away("handshake", sender)
        except asyncio.CancelledError:
            accepted.close()
            raise


def sender_of(address: object) -> str:
    """How a sender is called by its address: without the port, which names nobody."""
    return str(address[0]) if isinstance(address, tuple) and address else "unix"
