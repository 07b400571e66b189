"""A gRPC server: methods by path, every sender within the same limits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from veneurpy.accepting import Acceptor, LastDescriptor, accept
from veneurpy.rpc.call import Handler
from veneurpy.rpc.limits import Budget, Limits, Refusal, Refused
from veneurpy.rpc.server_connection import ServerConnection
from veneurpy.rpc.tls import ServerTls

_FAREWELL_S = 1.0


class Watcher(Protocol):
    """Is told of every connection that was taken in, and of its end."""

    def opened(self) -> None:
        """Another one."""
        ...

    def closed(self, reason: str) -> None:
        """One has ended (`eof`, `reset`, `stop`), or was not let in: then it is a Refusal."""
        ...


class Unwatched:
    """Nobody counts."""

    def opened(self) -> None:
        pass

    def closed(self, reason: str) -> None:
        pass


class RpcServer:
    """Serves `methods` ("/package.Service/Method" to handler) on a listening socket.

    `failed` is told of what a handler raised by mistake, `not_accepted` of why the kernel handed
    out no connection. Used on one event loop only.
    """

    def __init__(
        self,
        methods: Mapping[str, Handler],
        *,
        limits: Limits,
        refused: Refused,
        failed: Callable[[str, Exception], None],
        not_accepted: Callable[[str], None],
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
        self._not_accepted = not_accepted
        self._tls = tls
        self._opening: dict[asyncio.Task[None], str] = {}
        self._acceptor: Acceptor | None = None
        self._socket: socket.socket | None = None

    def __repr__(self) -> str:
        return f"RpcServer(connections={len(self.connections)}, opening={len(self._opening)})"

    def start(self, listening: socket.socket) -> None:
        """Begins to accept. The socket is closed by `stop`."""
        self._socket = listening
        self._acceptor = Acceptor(listening, partial(self._take, listening), failed=self._missed)
        self._acceptor.open()

    async def stop(self, timeout_s: float) -> None:
        """Accepts no more, lets running calls end for so long, closes the rest."""
        if self._acceptor is not None:
            self._acceptor.close()
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

    def _take(self, listening: socket.socket) -> None:
        accepted, address = accept(listening)
        sender = sender_of(address)
        if not self._has_room(sender):
            accepted.close()
            self._turned_away("connections", sender)
            return
        task = asyncio.create_task(self._open(accepted, sender))
        self._opening[task] = sender
        task.add_done_callback(self._opening.pop)

    def _missed(self, exc: OSError) -> None:
        if isinstance(exc, LastDescriptor):
            self._turned_away("no_descriptors", sender_of(exc.address))
        self._not_accepted(exc.strerror or str(exc))

    def _turned_away(self, reason: Refusal, sender: str) -> None:
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
            accepted.setblocking(False)
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
