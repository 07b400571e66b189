"""Where a listener's sockets come from: the kernel, or whoever kept them for it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veneurpy.config import ListenUrl
from veneurpy.config.listen import PLACELESS_SCHEMES
from veneurpy.errors import ListenError
from veneurpy.listeners._sockets import Address, bind_stream, families
from veneurpy.listeners._unix import UnixAccess, UnixPlace, lock_place, open_unix
from veneurpy.systemd import Place, SocketStore

UNIX_KINDS = {
    "unix": socket.SOCK_STREAM,
    "unixgram": socket.SOCK_DGRAM,
    "unixpacket": socket.SOCK_SEQPACKET,
}


@dataclass(frozen=True, slots=True)
class Opened:
    """The sockets of one listener, and its name."""

    name: str
    """The URL with the port it really has."""
    sockets: tuple[socket.socket, ...]
    place: UnixPlace | None = None

    def close(self, *, keeps_path: bool = False) -> None:
        """Closes them; removes a Unix socket's file unless it is to be kept."""
        if self.place is not None:
            self.place.leave(keeps_path=keeps_path)
        for opened in self.sockets:
            opened.close()


class Opener(Protocol):
    """Opens once."""

    async def open(self) -> Opened:
        """Raises ListenError, with the way to mend it."""
        ...


class InetOpener:
    """A listening TCP socket."""

    def __init__(self, url: ListenUrl, store: SocketStore | None = None) -> None:
        self._url = url
        self._store = store

    async def open(self) -> Opened:
        addresses = await resolve(self._url, socket.SOCK_STREAM)
        if kept := _kept(self._store, inet_place(self._url, socket.SOCK_STREAM, addresses)):
            port = kept[0].getsockname()[1]
            return Opened(str(ListenUrl(self._url.scheme, self._url.host, port)), tuple(kept))
        opened = bind_stream(self._url, addresses)
        if self._store is not None:
            self._store.keep(str(self._url), [opened])
        port = opened.getsockname()[1]
        return Opened(str(ListenUrl(self._url.scheme, self._url.host, port)), (opened,))


class UnixOpener:
    """A Unix socket of a kind."""

    def __init__(
        self, url: ListenUrl, kind: int, access: UnixAccess, store: SocketStore | None = None
    ) -> None:
        self._url = url
        self._kind = kind
        self._access = access
        self._store = store

    async def open(self) -> Opened:
        path = self._url.path
        if kept := _kept(self._store, unix_place(self._url, self._kind)):
            place = None if path.startswith("@") else lock_place(self._url, Path(path))
            return Opened(str(self._url), tuple(kept), place)
        opened, place = open_unix(self._url, self._kind, self._access)
        if self._store is not None:
            self._store.keep(str(self._url), [opened])
        return Opened(str(self._url), (opened,), place)


class GivenOpener:
    """Sockets that somebody else has opened."""

    def __init__(self, name: str, sockets: list[socket.socket]) -> None:
        self._opened = Opened(name, tuple(sockets))

    async def open(self) -> Opened:
        return self._opened


async def resolve(url: ListenUrl, kind: int) -> list[tuple[int, Address]]:
    """(family, address) of all that the URL may mean here. Raises ListenError."""
    loop = asyncio.get_running_loop()
    found: list[tuple[int, Address]] = []
    for family, host in families(url):
        with contextlib.suppress(socket.gaierror):
            infos = await loop.getaddrinfo(host, url.port, family=family, type=kind)
            found += [(info[0], (str(info[4][0]), int(info[4][1]))) for info in infos]
    if not found:
        raise ListenError(
            f"cannot listen on {url}: {url.host!r} has no address here; "
            "write an IP address, or the name as `getent hosts` knows it"
        )
    return found


async def place_of(url: ListenUrl) -> Place | None:
    """Where a URL's listener will look for sockets that were kept; None if it opens none.

    Raises ListenError.
    """
    if url.scheme in UNIX_KINDS:
        return unix_place(url, UNIX_KINDS[url.scheme])
    if url.scheme == "systemd" or url.scheme in PLACELESS_SCHEMES:
        return None
    kind = socket.SOCK_DGRAM if url.scheme.startswith("udp") else socket.SOCK_STREAM
    return inet_place(url, kind, await resolve(url, kind))


def inet_place(url: ListenUrl, kind: int, addresses: list[tuple[int, Address]]) -> Place:
    """Of a URL that may mean these addresses."""
    return Place(str(url), [address for _, address in addresses], kind, url.family == "6")


def unix_place(url: ListenUrl, kind: int) -> Place:
    """A socket whose file has gone is of no place: no client would find it."""
    path = url.path
    is_there = path.startswith("@") or Path(path).is_socket()
    return Place(str(url) if is_there else "", [path] if is_there else [], kind)


def _kept(store: SocketStore | None, place: Place) -> list[socket.socket]:
    return [] if store is None else store.take(place)
