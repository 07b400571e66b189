"""How connections are taken, and what happens where they cannot be."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator

import pytest

from tests.descriptors import limited
from tests.waiting import until
from veneurpy.accepting import Acceptor, LastDescriptor, accept


class Taking:
    """An acceptor on a port of its own: what it takes, and what it is told."""

    def __init__(self, *, at_once: int) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.taken: list[socket.socket] = []
        self.failures: list[OSError] = []
        self.error: OSError | None = None
        self.calls = 0
        self.acceptor = Acceptor(
            self.listening, self._take, failed=self.failures.append, at_once=at_once
        )

    def _take(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.taken.append(accept(self.listening)[0])

    def connect(self) -> socket.socket:
        """Another client, which waits in the kernel's queue."""
        return socket.create_connection(self.listening.getsockname())

    async def until_taken(self, count: int) -> None:
        """Lets the event loop run until so many have been taken."""
        await until(lambda: len(self.taken) >= count)

    async def until_failed(self) -> None:
        """Lets the event loop run until a failure has been told."""
        await until(lambda: bool(self.failures))

    def close(self) -> None:
        """Ends it all."""
        self.acceptor.close()
        self.acceptor.close()
        for each in (self.listening, *self.taken):
            each.close()
        self.acceptor.close()


@pytest.fixture(params=[1, 16])
async def taking(request: pytest.FixtureRequest) -> AsyncIterator[Taking]:
    """One that takes so many at once."""
    made = Taking(at_once=request.param)
    yield made
    made.close()


async def test_all_that_wait_are_taken(taking: Taking) -> None:
    """However many are taken before others have their turn."""
    clients = [taking.connect() for _ in range(20)]
    taking.acceptor.open()
    await taking.until_taken(20)
    assert [] == taking.failures
    for client in clients:
        client.close()


async def test_a_failure_is_told_once_a_pause(taking: Taking) -> None:
    """The event loop does not ask again for as long; then what has waited is taken."""
    taking.error = OSError(errno.ENFILE, "full")
    taking.acceptor.open()
    with taking.connect():
        await taking.until_failed()
        for _ in range(50):
            await asyncio.sleep(0)
        assert ([taking.error], 1) == (taking.failures, taking.calls)
        taking.error = None
        await taking.until_taken(1)


async def test_a_closed_one_does_not_come_back(taking: Taking) -> None:
    """Not after a pause either."""
    taking.error = OSError(errno.ENFILE, "full")
    taking.acceptor.open()
    with taking.connect():
        await taking.until_failed()
        taking.acceptor.close()
        assert "pausing=False" in repr(taking.acceptor)


def test_the_last_descriptors_are_kept() -> None:
    """A connection that would have one is closed, and its address told."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        client.connect(listening.getsockname())
        with limited(share_taken=0.75), pytest.raises(LastDescriptor) as refused:
            accept(listening)
        assert (errno.EMFILE, client.getsockname()) == (refused.value.errno, refused.value.address)
        assert b"" == client.recv(1)
