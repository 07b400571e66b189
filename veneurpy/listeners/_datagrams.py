"""Reading a datagram socket: a thread of the native engine, or the event loop for the other one."""

from __future__ import annotations

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from veneurpy.engine import Engine, Grammar, Reader
from veneurpy.engine.reference import ReferenceEngine
from veneurpy.listeners._origin import host_of
from veneurpy.listeners._sockets import KernelDrops, queued_bytes, refuse_more

LARGEST_DATAGRAM = 1 << 16
DATAGRAMS_AT_ONCE = 64


async def read_datagrams(
    engine: Engine, opened: socket.socket, name: str, grammar: Grammar | None
) -> NativeDatagrams | LoopDatagrams:
    if not isinstance(engine, ReferenceEngine):
        return NativeDatagrams(engine.attach(opened.fileno(), name, grammar=grammar))
    drops = KernelDrops((opened,))
    fed = engine.open_reader(name, grammar=grammar, kernel_drops=drops.take)
    reader = LoopDatagrams(fed, opened, drops)
    await reader.start()
    return reader


class NativeDatagrams:
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


class LoopDatagrams(asyncio.DatagramProtocol):
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
        self._reader.feed(data, client=host_of(addr))

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
                self._reader.feed(data, client=host_of(address))
            except BlockingIOError:
                return True
        return False
