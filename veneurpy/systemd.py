"""What a service and systemd tell each other: sd_notify(3), and sockets that outlive the process.

Nothing happens without `$NOTIFY_SOCKET` and `$LISTEN_FDS`.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

FIRST_FD = 3
BARRIER_S = 5.0


class Notifier:
    """Speaks to the service manager that the environment names. Never raises; `barrier` waits."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading "@" stands for the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 if is_ours else 0.0
        """How often the service must show that it lives; 0 for never."""

    def notify(self, *assignments: str, sockets: Sequence[socket.socket] = ()) -> None:
        """Sends assignments such as `READY=1`, with copies of sockets for `FDSTORE=1`."""
        self._send(assignments, [kept.fileno() for kept in sockets])

    def barrier(self) -> None:
        """Returns when the manager has done what it was told before, or took too long.

        It closes the pipe then: sd_notify_barrier(3). One that knows nothing of it does so as well.
        """
        if not self._address:
            return
        try:
            ours, its = os.pipe()
        except OSError:  # no descriptor is left: go on without an answer
            return
        self._send(["BARRIER=1"], [its])
        os.close(its)
        answered = select.poll()
        answered.register(ours, select.POLLIN)
        answered.poll(BARRIER_S * 1e3)
        os.close(ours)

    def _send(self, assignments: Sequence[str], fds: Sequence[int]) -> None:
        if not self._address:
            return
        rights = array("i", fds)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else []
        text = "\n".join(assignments).encode()
        # Nobody listens, the queue is full, no descriptor is left: nothing to be done about it.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock,
        ):
            sock.sendmsg([text], ancillary, 0, self._address)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listener listens, as far as sockets tell that others have opened."""

    name: str
    """Under which they are kept; empty where none are."""
    addresses: Collection[tuple[str, int]] | Collection[str] = ()
    """What it may mean here, the first choice first. A Unix socket's is its path, or @ and name."""
    kind: int = socket.SOCK_DGRAM
    """What they must be; 0 for any."""
    is_v6_only: bool = False


class SocketStore:
    """Sockets that the manager holds while no process lives: what is queued there is not lost.

    They come from a socket unit, or from the file descriptor store, where `keep` puts them.
    """

    def __init__(self, environ: Mapping[str, str], notifier: Notifier) -> None:
        self._notifier = notifier
        self._held = _inherited(environ)

    def __repr__(self) -> str:
        return f"SocketStore({[name for name, _ in self._held]})"

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left that somebody might take."""
        return not self._held

    def take(self, place: Place) -> list[socket.socket]:
        """The sockets that were kept for a place, and those that a socket unit has bound there."""
        taken = [held for held in self._held if _is_of(place, *held)]
        self._held = [held for held in self._held if held not in taken]
        return [held for _, held in taken]

    def keep(self, name: str, sockets: Sequence[socket.socket]) -> None:
        """Asks the manager to keep sockets under a name (`FileDescriptorStoreMax=` allows it)."""
        for kept in sockets:
            self._notifier.notify("FDSTORE=1", f"FDNAME={fd_name(name)}", sockets=[kept])

    def drop_others(self, places: Iterable[Place] = ()) -> list[str]:
        """Closes what is for none of the places, and has the manager close it; returns the names.

        A socket that nobody reads would keep an address from the listener that is to have it.
        """
        wanted = list(places)
        dropped = [each for each in self._held if not any(_is_of(one, *each) for one in wanted)]
        self._held = [each for each in self._held if each not in dropped]
        names = [name for name, _ in dropped]
        for name, held in dropped:
            held.close()
            self._notifier.notify("FDSTOREREMOVE=1", f"FDNAME={name}")
        for name, held in self._held:
            if name in names:  # they went with their namesakes
                self.keep(name, [held])
        if names:
            self._notifier.barrier()
        return names


def fd_name(name: str) -> str:
    """A name as systemd takes it: ASCII, no colon, at most 255 characters."""
    return name.replace(":", "_").encode("ascii", "replace").decode()[:255]


def _inherited(environ: Mapping[str, str]) -> list[tuple[str, socket.socket]]:
    """(name, socket) of each socket that was passed to this very process, once each."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[int, tuple[str, socket.socket]] = {}
    for index in range(count):
        try:
            held = socket.socket(fileno=FIRST_FD + index)
        except OSError:  # a FIFO, say, that was meant for somebody else
            continue
        held.set_inheritable(False)
        inode = os.fstat(held.fileno()).st_ino
        if inode in found:
            held.close()
            continue
        found[inode] = (names[index] if index < len(names) else "unknown", held)
    return list(found.values())


def _is_of(place: Place, name: str, held: socket.socket) -> bool:
    """Whether a place's listener goes on with a socket."""
    if place.kind not in (0, held.type):
        return False
    address = _address(held)
    if place.name and name == fd_name(place.name):
        # A name of a host may mean another address by now; port 0 is whatever it was.
        hosts = [each[0] for each in place.addresses if isinstance(each, tuple)]
        return not hosts or not isinstance(address, tuple) or address[0] in hosts
    if address not in place.addresses:
        return False
    if "_//" not in name or not isinstance(address, tuple):
        return True
    # It was kept under another URL, which may have meant less: IPv4 only, IPv6 only.
    is_first = address == next(iter(place.addresses))
    return is_first and (held.family != socket.AF_INET6 or _is_v6_only(held) == place.is_v6_only)


def _is_v6_only(held: socket.socket) -> bool:
    return bool(held.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


def _address(held: socket.socket) -> tuple[str, int] | str | None:
    name = held.getsockname()
    if isinstance(name, tuple):
        return name[0], name[1]
    return "@" + name[1:].decode() if isinstance(name, bytes) and name else name or None
