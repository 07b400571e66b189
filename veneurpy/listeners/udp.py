"""StatsD over UDP: sockets that the native engine reads, or asyncio endpoints for the other one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from veneurpy.config import ListenUrl
from veneurpy.engine import Engine, Grammar
from veneurpy.listeners._datagrams import LoopDatagrams, NativeDatagrams, read_datagrams
from veneurpy.listeners._opening import inet_place, resolve
from veneurpy.listeners._sockets import (
    Bound,
    bind,
    take_over,
    tells_drops,
)
from veneurpy.systemd import SocketStore
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import (
    KernelDropsUnknown,
    Listening,
    ReceiveBufferSmall,
    SocketsTaken,
)
from veneurpy.telemetry.metrics import RECEIVE_BUFFER


class UdpListener:
    """Receives on one URL, with `num_readers` sockets.

    With the native engine each socket has a thread of its own that takes datagrams without the GIL.
    With the Python engine the event loop reads them.
    """

    def __init__(
        self,
        url: ListenUrl,
        *,
        num_readers: int,
        read_buffer_bytes: int,
        telemetry: Telemetry,
        store: SocketStore | None = None,
        grammar: Grammar | None = None,
    ) -> None:
        self._url = url
        self._num_readers = num_readers
        self._read_buffer_bytes = read_buffer_bytes
        self._telemetry = telemetry
        self._store = store
        self._grammar = grammar
        self._name = str(url)
        self._sockets: tuple[socket.socket, ...] = ()
        self._readers: Sequence[NativeDatagrams | LoopDatagrams] = ()

    def __repr__(self) -> str:
        return f"UdpListener({self._name!r}, readers={len(self._readers)})"

    @property
    def name(self) -> str:
        """The URL with the port it really has, once it is started."""
        return self._name

    async def start(self, engine: Engine) -> None:
        """Opens the sockets and begins to read. Raises ListenError, with the way to mend it.

        Those that the service manager kept are taken, however many: datagrams wait there.
        """
        bound = await self._bind()
        self._name, self._sockets = bound.name, bound.sockets
        self._readers = [
            await read_datagrams(engine, opened, self._name, self._grammar)
            for opened in bound.sockets
        ]
        self._announce(bound)

    async def stop(self, timeout_s: float) -> int:
        """Reads what the kernel had queued and closes; returns the bytes left at the time-out."""
        left = await asyncio.gather(*(reader.stop(timeout_s) for reader in self._readers))
        for opened in self._sockets:
            opened.close()
        self._readers, self._sockets = (), ()
        return sum(left)

    async def leave(self) -> None:
        """Stops reading, and leaves the sockets to whoever else holds them."""
        await asyncio.gather(*(reader.leave() for reader in self._readers))
        for opened in self._sockets:
            opened.close()
        self._readers, self._sockets = (), ()

    async def _bind(self) -> Bound:
        addresses = await resolve(self._url, socket.SOCK_DGRAM)
        store, buffer = self._store, self._read_buffer_bytes
        if store is not None:
            kept = store.take(inet_place(self._url, socket.SOCK_DGRAM, addresses))
            if kept:
                bound = take_over(self._url, kept, count=self._num_readers, buffer=buffer)
                store.keep(str(self._url), bound.sockets[len(kept) :])
                self._telemetry.emit(SocketsTaken(bound.name, len(kept)))
                return bound
        bound = bind(self._url, addresses, count=self._num_readers, buffer=buffer)
        if store is not None:
            store.keep(str(self._url), bound.sockets)
        return bound

    def _announce(self, bound: Bound) -> None:
        wanted, granted = self._read_buffer_bytes, bound.buffer_bytes
        self._telemetry.set(RECEIVE_BUFFER, granted, listener=self._name)
        self._telemetry.emit(Listening(self._name, len(bound.sockets), granted))
        if granted < wanted:
            self._telemetry.emit(ReceiveBufferSmall(self._name, wanted, granted))
        if not all(tells_drops(opened) for opened in bound.sockets):
            self._telemetry.emit(KernelDropsUnknown(self._name))
