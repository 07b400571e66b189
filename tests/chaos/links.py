"""Connections that fail on demand: a TCP relay between every node and every owner."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeVar

PIECE_BYTES = 1 << 16
DIAL_S = 5.0
CALL_S = 10.0

_T = TypeVar("_T")


class Weather(StrEnum):
    """What a link does to the bytes on it."""

    FAIR = "fair"
    SLOW = "slow"
    """Each piece comes late."""
    STALLED = "stalled"
    """Connections are taken and stay open; nothing passes until the weather changes."""
    MUTE = "mute"
    """Requests pass and answers do not: whoever sent must send again what was taken."""
    DOWN = "down"
    """Connections are cut and refused."""


class Link:
    """A port that leads to another. Its methods are called on the network's loop only."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.target_port = 0
        """Where it leads; 0 while nobody is there."""
        self.weather = Weather.FAIR
        self._changed = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def __repr__(self) -> str:
        return f"Link({self.name!r}, {self.weather}, {self.port} to {self.target_port})"

    async def start(self) -> None:
        """Listens on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def turn(self, weather: Weather) -> None:
        """Changes the weather; what was open while it was mute or down is reset."""
        if weather is Weather.DOWN or self.weather is Weather.MUTE:
            self.cut()
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()

    def cut(self) -> None:
        """Resets every connection; new ones are taken."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        """Ends it."""
        assert self._server
        self._server.close()
        self.turn(Weather.DOWN)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.weather is Weather.DOWN or not self.target_port:
            writer.transport.abort()
            return
        try:
            dial = asyncio.open_connection("127.0.0.1", self.target_port)
            there_reader, there_writer = await asyncio.wait_for(dial, DIAL_S)
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        both = {writer, there_writer}
        self._open |= both
        try:
            await asyncio.gather(
                self._pass(reader, there_writer, is_answer=False),
                self._pass(there_reader, writer, is_answer=True),
            )
        except OSError:
            pass
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        while piece := await reader.read(PIECE_BYTES):
            while self.weather is Weather.STALLED:
                await self._changed.wait()
            if self.weather is Weather.SLOW:
                await asyncio.sleep(0.05)
            if is_answer and self.weather is Weather.MUTE:
                continue
            writer.write(piece)
            await writer.drain()
        raise ConnectionResetError  # the other direction ends with this one


class Network:
    """All links, on an event loop in a thread of their own. Methods may be called anywhere."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links")
        self._thread.start()
        self.links: dict[str, Link] = {}

    def add(self, name: str) -> Link:
        """Opens a link that leads nowhere yet."""

        async def make() -> Link:
            link = Link(name)
            await link.start()
            return link

        link = self.links[name] = self._do(make())
        return link

    def lead(self, link: Link, port: int) -> None:
        """Says where a link leads from now on."""
        link.target_port = port

    def turn(self, link: Link, weather: Weather) -> None:
        """Changes a link's weather."""

        async def work() -> None:
            link.turn(weather)

        self._do(work())

    def cut(self, link: Link) -> None:
        """Resets what is open on a link."""

        async def work() -> None:
            link.cut()

        self._do(work())

    def close(self) -> None:
        """Ends all links and the thread."""

        async def work() -> None:
            for link in self.links.values():
                await link.close()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*rest, return_exceptions=True)

        self._do(work())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_S)


@contextmanager
def network() -> Iterator[Network]:
    """A network that ends with the block."""
    made = Network()
    try:
        yield made
    finally:
        made.close()
