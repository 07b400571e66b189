"""The admin listener where the process may open no more files."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from aiohttp import web

from tests.descriptors import limited
from tests.waiting import until
from veneurpy.console.door import SPARES, Door
from veneurpy.telemetry.events import AcceptFailed, Event, StreamClosed

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a coroutine function on each kind of event loop: they close at other times."""

    def call(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main())

    return call


class Served:
    """A door with a page behind it, and sockets of clients made before descriptors are short."""

    def __init__(self, clients: int) -> None:
        self.events: list[Event] = []
        self.clients = [socket.socket() for _ in range(clients)]

    async def __aenter__(self) -> Served:
        async def page(_: web.BaseRequest) -> web.Response:
            return web.Response(text="ok\n")

        self._runner = web.ServerRunner(web.Server(page))
        await self._runner.setup()
        listening = socket.create_server(("127.0.0.1", 0))
        assert self._runner.server is not None
        self.door = Door(listening, self._runner.server, name="http", emit=self.events.append)
        self.door.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.door.close()
        await self._runner.cleanup()
        for client in self.clients:
            client.close()

    async def ask(self, client: socket.socket) -> bytes:
        """What the page answers to a new connection, which stays open."""
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30):
            await loop.sock_connect(client, ("127.0.0.1", self.door.port))
            await loop.sock_sendall(client, REQUEST)
            return (await self._answer(client))[:15]

    async def _answer(self, client: socket.socket) -> bytes:
        loop, answer = asyncio.get_running_loop(), b""
        while not answer.endswith(b"ok\n"):
            answer += (await loop.sock_recv(client, 1000)) or b"closed ok\n"
        return answer

    def has_ended(self, client: socket.socket) -> bool:
        """Whether a client that was answered has been closed."""
        return bool(select.select([client], [], [], 0)[0])

    async def until_ended(self, count: int) -> None:
        """Waits until so many clients have been closed."""
        await until(lambda: count == sum(map(self.has_ended, self.clients)))

    async def until_spares(self, count: int) -> None:
        """Waits until so many spares are held."""
        await until(lambda: f"spares={count}," in repr(self.door))


@pytest.mark.parametrize("share_taken", [0.9, 1], ids=["the last are kept", "none is left"])
def test_pages_are_served_without_descriptors(run: Callable[..., None], share_taken: float) -> None:
    """What has taken all descriptors shuts nobody out; nothing fails, and nothing is told."""

    async def main() -> None:
        async with Served(SPARES) as served:
            with limited(share_taken=share_taken):
                for client in served.clients:
                    assert b"HTTP/1.1 200 OK" == await served.ask(client)
            assert [] == served.events

    run(main)


@pytest.mark.parametrize("share_taken", [0.9, 1], ids=["the last are kept", "none is left"])
def test_the_newest_is_served(run: Callable[..., None], share_taken: float) -> None:
    """Connections that idle with the last descriptors end for new ones, the oldest first."""

    async def main() -> None:
        async with Served(2 * SPARES + 4) as served:
            with limited(share_taken=share_taken):
                for client in served.clients:
                    assert b"HTTP/1.1 200 OK" == await served.ask(client)
            closed = [each for each in served.events if isinstance(each, StreamClosed)]
            assert {StreamClosed("http", "no_descriptors")} == set(closed)
            await served.until_ended(len(closed))
            assert not served.has_ended(served.clients[-1])

    run(main)


def test_spares_are_held_again(run: Callable[..., None]) -> None:
    """A spare that was given up is taken back when its connection has ended."""

    async def main() -> None:
        async with Served(2) as served:
            with limited(share_taken=1):
                for client in served.clients:
                    await served.ask(client)
                    client.close()
                await served.until_spares(SPARES)

    run(main)


def test_other_descriptors_are_not_taken(run: Callable[..., None]) -> None:
    """Where there are enough, no spare is given up; a closed door holds none."""

    async def main() -> None:
        async with Served(3 * SPARES) as served:
            for client in served.clients:
                assert b"HTTP/1.1 200 OK" == await served.ask(client)
            assert f"Door('http', spares={SPARES}, served=0)" == repr(served.door)
        assert "Door('http', spares=0, served=0)" == repr(served.door)

    run(main)


def test_a_failing_accept_pauses(run: Callable[..., None]) -> None:
    """Where spares do not help, it is told once a pause, and taken up again."""

    async def main() -> None:
        async with Served(1) as served:
            while served.door._spares:
                os.close(served.door._spares.pop())
            with limited(share_taken=1):
                asking = asyncio.create_task(served.ask(served.clients[0]))
                await until(lambda: bool(served.events))
            assert b"HTTP/1.1 200 OK" == await asking
            assert {AcceptFailed("http", "Too many open files")} == set(served.events)

    run(main)
