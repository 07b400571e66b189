"""StatsD over UDP: sockets that the native engine reads, or asyncio endpoints for the other one."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from veneurpy.config import ListenUrl
from veneurpy.engine import Engine, Reader
from veneurpy.engine.reference import ReferenceEngine
from veneurpy.errors import ListenError
from veneurpy.listeners._sockets import (
    Bound,
    KernelDrops,
    bind,
    families,
    queued_bytes,
    refuse_more,
    take_over,
)
from veneurpy.systemd import SocketStore
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import Listening, ReceiveBufferSmall, SocketsTaken
from veneurpy.telemetry.metrics import RECEIVE_BUFFER

LARGEST_DATAGRAM = 1 << 16
DATAGRAMS_AT_ONCE = 64


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
    ) -> None:
        self._url = url
        self._num_readers = num_readers
        self._read_buffer_bytes = read_buffer_bytes
        self._telemetry = telemetry
        self._store = store
        self._name = str(url)
        self._sockets: tuple[socket.socket, ...] = ()
        self._readers: Sequence[_NativeReader | _LoopReader] = ()

    def __repr__(self) -> str:
        return f"UdpListener({self._name!r}, readers={len(self._readers)})"

    @property
    def name(self) -> str:
        """The URL with the port it really has, once it is started."""
        return self._name

    async def start(self, engine: Engine) -> None:
        """Opens the sockets and begins to read. Raises ListenError, with the way to mend it.

        Those that the service manager kept are taken instead, however many: datagrams wait there.
        """
        bound = await self._bind()
        self._name, self._sockets = bound.name, bound.sockets
        self._readers = [await _read(engine, opened, self._name) for opened in bound.sockets]
        self._announce(bound)

    async def stop(self, timeout_s: float) -> int:
        """Reads what the kernel had queued and closes; returns the bytes left at the time-out."""
        left = await asyncio.gather(*(reader.stop(timeout_s) for reader in self._readers))
        for opened in self._sockets:
            opened.close()
        self._readers, self._sockets = (), ()
        return sum(left)

    async def leave(self) -> None:
        """Stops to read, and leaves the sockets to whoever else holds them."""
        await asyncio.gather(*(reader.leave() for reader in self._readers))
        for opened in self._sockets:
            opened.close()
        self._readers, self._sockets = (), ()

    async def _bind(self) -> Bound:
        addresses = await self._resolve()
        store, buffer = self._store, self._read_buffer_bytes
        if store is not None:
            kept = store.take(str(self._url), [address for _, address in addresses])
            if kept:
                bound = take_over(self._url, kept, buffer=buffer)
                self._telemetry.emit(SocketsTaken(bound.name, len(kept)))
                return bound
        bound = bind(self._url, addresses, count=self._num_readers, buffer=buffer)
        if store is not None:
            store.keep(str(self._url), bound.sockets)
        return bound

    async def _resolve(self) -> list[tuple[int, tuple[str, int]]]:
        loop = asyncio.get_running_loop()
        found: list[tuple[int, tuple[str, int]]] = []
        for family, host in families(self._url):
            try:
                infos = await loop.getaddrinfo(
                    host, self._url.port, family=family, type=socket.SOCK_DGRAM
                )
            except socket.gaierror:
                continue
            found += [(info[0], (str(info[4][0]), int(info[4][1]))) for info in infos]
        if not found:
            raise ListenError(
                f"cannot listen on {self._url}: {self._url.host!r} has no address here; "
                "write an IP address, or the name as `getent hosts` knows it"
            )
        return found

    def _announce(self, bound: Bound) -> None:
        wanted, granted = self._read_buffer_bytes, bound.buffer_bytes
        self._telemetry.set(RECEIVE_BUFFER, granted, listener=self._name)
        self._telemetry.emit(Listening(self._name, len(bound.sockets), granted))
        if granted < wanted:
            self._telemetry.emit(ReceiveBufferSmall(self._name, wanted, granted))


async def _read(engine: Engine, opened: socket.socket, name: str) -> _NativeReader | _LoopReader:
    if not isinstance(engine, ReferenceEngine):
        return _NativeReader(engine.attach(opened.fileno(), name))
    drops = KernelDrops((opened,))
    reader = _LoopReader(engine.open_reader(name, kernel_drops=drops.take), opened, drops)
    await reader.start()
    return reader


class _NativeReader:
    """A thread of the engine, which reads until it is told to stop."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def stop(self, timeout_s: float) -> int:
        # A pool of its own: the default one may be full of sinks that hang.
        with ThreadPoolExecutor(1, thread_name_prefix="stop") as pool:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, self._reader.stop, timeout_s)

    async def leave(self) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="stop") as pool:
            await asyncio.get_running_loop().run_in_executor(pool, self._reader.leave)


class _LoopReader(asyncio.DatagramProtocol):
    """A datagram endpoint on the event loop that feeds a reader of the Python engine."""

    def __init__(self, reader: Reader, opened: socket.socket, drops: KernelDrops) -> None:
        self._reader = reader
        self._socket = opened
        self._drops = drops
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()

    async def start(self) -> None:
        """Begins to read."""
        self._socket.setblocking(False)
        # The endpoint closes the socket it is given; ours is read to its end afterwards.
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, sock=self._socket.dup()
        )

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._reader.feed(data, client=_client(addr))

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    async def stop(self, timeout_s: float) -> int:
        """Reads what was queued at the call; returns the bytes left at the time-out."""
        deadline = time.monotonic() + timeout_s
        refuse_more(self._socket)
        assert self._transport is not None
        self._transport.close()
        await self._closed.wait()
        is_empty = False
        while not is_empty and time.monotonic() < deadline:
            is_empty = self._drain(DATAGRAMS_AT_ONCE)
            await asyncio.sleep(0)
        left = 0 if is_empty else queued_bytes(self._socket)
        self._drops.close()
        return left

    async def leave(self) -> None:
        """Reads no more."""
        assert self._transport is not None
        self._transport.close()
        await self._closed.wait()
        self._drops.close()

    def _drain(self, most: int) -> bool:
        """Feeds at most so many datagrams; whether there were no more."""
        for _ in range(most):
            try:
                data, address = self._socket.recvfrom(LARGEST_DATAGRAM)
                self._reader.feed(data, client=_client(address))
            except BlockingIOError:
                return True
        return False


def _client(address: Any) -> str | None:
    """The host of a sender's address; an IPv4 one at an IPv6 socket as such."""
    return str(address[0]).removeprefix("::ffff:") if address else None
