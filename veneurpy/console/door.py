"""Taking connections of the admin listener, also where the process may open no more files."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable

from veneurpy.accepting import PAUSE_S, Acceptor
from veneurpy.descriptors import is_among_the_last
from veneurpy.telemetry.events import AcceptFailed, Event, StreamClosed

SPARES = 16
"""So many connections are served where no descriptor is left for them."""


class Door:
    """Hands what connects to `listening` to a protocol, and keeps descriptors back for it.

    Whoever looks after a node needs its pages most when descriptors are short. So spare ones are
    held, and given up for connections that would otherwise take one of those that are kept for
    the node itself, or get none. Where all are given up, the oldest such connection ends for the
    newest: those that idle shut nobody out. `name` is what events call the listener.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        *,
        name: str,
        emit: Callable[[Event], None],
    ) -> None:
        self._listening = listening
        self._protocol = protocol
        self._name = name
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._spares: list[int] = []
        self._served: list[socket.socket] = []
        """Connections for which a spare was given up, the oldest first."""
        self._welcomes: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None
        self._acceptor = Acceptor(listening, self._take, failed=self._failed, at_once=1)
        self._is_open = False

    def __repr__(self) -> str:
        return f"Door({self._name!r}, spares={len(self._spares)}, served={len(self._served)})"

    @property
    def port(self) -> int:
        """The port that it really has."""
        return int(self._listening.getsockname()[1])

    def open(self) -> None:
        """Takes connections from now on."""
        self._is_open = True
        self._take_back()
        self._acceptor.open()

    def close(self) -> None:
        """Takes no more; those that are served go on."""
        self._is_open = False
        self._acceptor.close()
        self._listening.close()
        if self._later is not None:
            self._later.cancel()
        for task in self._welcomes:
            task.cancel()
        while self._spares:
            os.close(self._spares.pop())

    def _take(self) -> None:
        self._take_back()
        self._welcome(self._next())

    def _failed(self, exc: OSError) -> None:
        self._emit(AcceptFailed(self._name, exc.strerror or str(exc)))

    def _next(self) -> socket.socket:
        """Raises OSError where there is none, or no descriptor yet."""
        try:
            peer = self._listening.accept()[0]
        except OSError as exc:
            if exc.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._give_up_spare()
            peer = self._listening.accept()[0]
            self._served.append(peer)
        else:
            if is_among_the_last(peer.fileno()):
                self._give_up_spare()
                self._served.append(peer)
        return peer

    def _give_up_spare(self) -> None:
        """Without one, what the oldest connection has is free once the event loop has closed it."""
        self._look_again()
        if self._spares:
            os.close(self._spares.pop())
        elif open_ones := [peer for peer in self._served if peer.fileno() >= 0]:
            with contextlib.suppress(OSError):
                open_ones[0].shutdown(socket.SHUT_RDWR)
            self._served.remove(open_ones[0])
            self._emit(StreamClosed(self._name, "no_descriptors"))

    def _take_back(self) -> None:
        """Holds a spare again for each connection that has ended."""
        self._served = [peer for peer in self._served if peer.fileno() >= 0]
        with contextlib.suppress(OSError):
            while len(self._spares) + len(self._served) < SPARES:
                self._spares.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def _look_again(self) -> None:
        if self._later is None and self._is_open:
            self._later = self._loop.call_later(PAUSE_S, self._looked)

    def _looked(self) -> None:
        """Comes again until all spares are held."""
        self._later = None
        self._take_back()
        if len(self._spares) < SPARES:
            self._look_again()

    def _welcome(self, peer: socket.socket) -> None:
        task = self._loop.create_task(self._connect(peer))
        self._welcomes.add(task)
        task.add_done_callback(self._welcomes.discard)

    async def _connect(self, peer: socket.socket) -> None:
        try:
            peer.setblocking(False)
            await self._loop.connect_accepted_socket(self._protocol, peer)
        except (OSError, asyncio.CancelledError):
            peer.close()
