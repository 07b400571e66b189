"""Taking the connections of a listening socket, also where descriptors are short."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from veneurpy.descriptors import is_among_the_last

PAUSE_S = 0.1
"""After the kernel could not hand out a connection, or what it handed out was one too many."""


class LastDescriptor(OSError):
    """A connection was closed at once: it had one of the descriptors that the node keeps."""

    def __init__(self, address: Any) -> None:
        super().__init__(errno.EMFILE, os.strerror(errno.EMFILE))
        self.address = address


def accept(listening: socket.socket) -> tuple[socket.socket, Any]:
    """The next connection and its address. Raises LastDescriptor; another OSError if none is."""
    peer, address = listening.accept()
    if is_among_the_last(peer.fileno()):
        peer.close()
        raise LastDescriptor(address)
    return peer, address


class Acceptor:
    """Has connections taken when there are any, on the running event loop.

    `take` takes one, and raises OSError where it cannot, BlockingIOError where there is none.
    Descriptors may be short then, and the connection still waits: who asked again at once would
    ask without end. So `failed` is told, and nothing is taken for PAUSE_S.
    """

    def __init__(
        self,
        listening: socket.socket,
        take: Callable[[], None],
        *,
        failed: Callable[[OSError], None],
        at_once: int = 16,
    ) -> None:
        """`at_once`: so many are taken before others have their turn.

        It is to be 1 where the last descriptor may be given away: the kernel says that there are
        none before it says that there are no connections.
        """
        self._listening = listening
        self._take = take
        self._failed = failed
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"Acceptor({self._listening!r}, pausing={self._later is not None})"

    def open(self) -> None:
        """Takes connections from now on."""
        self._later = None
        self._listening.setblocking(False)
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Takes no more; the socket stays open. Idempotent."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening)

    def _accept(self) -> None:
        try:
            for _ in range(self._at_once):
                self._take()
        except BlockingIOError:
            return
        except OSError as exc:
            self._loop.remove_reader(self._listening)
            self._later = self._loop.call_later(PAUSE_S, self.open)
            self._failed(exc)
