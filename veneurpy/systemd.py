"""What a service and systemd tell each other: sd_notify(3), and sockets that outlive the process.

Nothing happens without `$NOTIFY_SOCKET` and `$LISTEN_FDS`.
"""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Collection, Mapping, Sequence

FIRST_FD = 3


class Notifier:
    """Speaks to the service manager that the environment names. Never raises, never blocks."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading "@" stands for the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 if is_ours else 0.0
        """How often the service must show that it lives; 0 for never."""

    def notify(self, *assignments: str, sockets: Sequence[socket.socket] = ()) -> None:
        """Sends assignments such as `READY=1`, with copies of sockets for `FDSTORE=1`."""
        if not self._address:
            return
        rights = array("i", [kept.fileno() for kept in sockets])
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            try:
                text = "\n".join(assignments).encode()
                sock.sendmsg([text], ancillary, 0, self._address)
            except OSError:
                # Nobody listens, or the queue is full: nothing that a service could do about it.
                return


class SocketStore:
    """Sockets that the manager holds while no process lives: what is queued there is not lost.

    They come from a socket unit, or from the file descriptor store, where `keep` puts them.
    """

    def __init__(self, environ: Mapping[str, str], notifier: Notifier) -> None:
        self._notifier = notifier
        self._held = _inherited(environ)

    def __repr__(self) -> str:
        return f"SocketStore({[name for name, _ in self._held]})"

    def take(
        self,
        name: str,
        addresses: Collection[tuple[str, int]] | Collection[str] = (),
        kind: int = socket.SOCK_DGRAM,
    ) -> list[socket.socket]:
        """The sockets that were kept under a name, else those bound to one of the addresses.

        `kind` is what they must be; 0 for any. A Unix socket's address is its path, or @ and name.
        """
        fitting = [held for held in self._held if kind in (0, held[1].type)]
        named = [held for held in fitting if held[0] == fd_name(name)]
        bound = [held for held in fitting if _address(held[1]) in addresses]
        taken = named or bound
        self._held = [held for held in self._held if held not in taken]
        return [held for _, held in taken]

    def keep(self, name: str, sockets: Sequence[socket.socket]) -> None:
        """Asks the manager to keep sockets under a name (`FileDescriptorStoreMax=` allows it)."""
        for kept in sockets:
            self._notifier.notify("FDSTORE=1", f"FDNAME={fd_name(name)}", sockets=[kept])

    def drop_others(self) -> list[str]:
        """Closes what nobody has taken, and has the manager close it; returns the names."""
        names = [name for name, _ in self._held]
        for name, held in self._held:
            held.close()
            self._notifier.notify("FDSTOREREMOVE=1", f"FDNAME={name}")
        self._held = []
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


def _address(held: socket.socket) -> tuple[str, int] | str | None:
    name = held.getsockname()
    if isinstance(name, tuple):
        return name[0], name[1]
    return "@" + name[1:].decode() if isinstance(name, bytes) and name else name or None
