"""Reading a datagram socket: a thread of the native engine, or the event loop for the other one."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from veneurpy.engine import Engine, Grammar, Process, Reader
from veneurpy.engine.reference import ReferenceEngine
from veneurpy.listeners._origin import CREDENTIALS, host_of, process_of
from veneurpy.listeners._sockets import KernelDrops, queued_bytes, refuse_more

_T = TypeVar("_T")

LARGEST_DATAGRAM = 1 << 16
DATAGRAMS_AT_ONCE = 64
CREDENTIALS_ROOM = socket.CMSG_SPACE(CREDENTIALS.size)
"""And for nothing else: descriptors that a stranger passes along are closed by the kernel."""


async def read_datagrams(
    engine: Engine, opened: socket.socket, name: str, grammar: Grammar | None
) -> NativeDatagrams | LoopDatagrams:
    if not isinstance(engine, ReferenceEngine):
        return NativeDatagrams(engine.attach(opened.fileno(), name, grammar=grammar))
    drops = KernelDrops((opened,))
    fed = engine.open_reader(name, grammar=grammar, kernel_drops=drops.take)
    reader = LoopDatagrams(fed, opened, drops)
    reader.start()
    return reader


class NativeDatagrams:
    """A thread of the engine, which reads until it is told to stop."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def stop(self, timeout_s: float) -> int:
        return await _beside(lambda: self._reader.stop(timeout_s))

    async def leave(self) -> None:
        await _beside(self._reader.leave)


class LoopDatagrams:
    """Feeds a reader of the Python engine from the event loop."""

    def __init__(self, reader: Reader, opened: socket.socket, drops: KernelDrops) -> None:
        self._reader = reader
        self._socket = opened
        self._drops = drops
        self._is_reading = False

    def start(self) -> None:
        """Begins to read."""
        self._socket.setblocking(False)
        if self._socket.family == socket.AF_UNIX:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        asyncio.get_running_loop().add_reader(self._socket, self._drain, DATAGRAMS_AT_ONCE)
        self._is_reading = True

    async def stop(self, timeout_s: float) -> int:
        """Reads what was queued at the call; returns the bytes left at the time-out."""
        deadline = time.monotonic() + timeout_s
        refuse_more(self._socket)
        self._pause()
        is_empty = False
        while not is_empty and time.monotonic() < deadline:
            is_empty = self._drain(DATAGRAMS_AT_ONCE)
            await asyncio.sleep(0)
        left = 0 if is_empty else queued_bytes(self._socket)
        self._drops.close()
        return left

    async def leave(self) -> None:
        """Reads no more."""
        self._pause()
        self._drops.close()

    def _pause(self) -> None:
        if self._is_reading:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._is_reading = False

    def _drain(self, most: int) -> bool:
        """Feeds at most so many datagrams; whether there were no more."""
        for _ in range(most):
            try:
                data, said, flags, address = self._socket.recvmsg(
                    LARGEST_DATAGRAM, CREDENTIALS_ROOM
                )
            except BlockingIOError:
                return True
            except OSError:  # what a peer of a connected socket has done, or too little memory
                continue
            self._reader.feed(
                data,
                truncated=bool(flags & socket.MSG_TRUNC),
                client=host_of(address),
                process=_process_in(said),
            )
        return False


async def _beside(work: Callable[[], _T]) -> _T:
    """Does it on a thread of its own: those of the loop may be full of sinks that hang."""
    with ThreadPoolExecutor(1, thread_name_prefix="stop") as pool:
        try:
            future = pool.submit(work)
        except RuntimeError:  # the kernel has no thread left: the loop waits
            return work()
        return await asyncio.wrap_future(future)


def _process_in(said: list[tuple[int, int, bytes]]) -> Process | None:
    """The sender's credentials, where the kernel has told them."""
    for level, kind, data in said:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return process_of(data)
    return None
