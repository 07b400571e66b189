"""Who a peer is, as the accounts of clients call it."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from veneurpy.engine import Process

CREDENTIALS = struct.Struct("3i")
"""pid, uid and gid, as the kernel hands them out (`struct ucred`)."""


class Sender(NamedTuple):
    """Whose bytes come, as `Reader.feed` takes it."""

    client: str | None = None
    process: Process | None = None


NOBODY = Sender()


def host_of(address: object) -> str | None:
    """The host of an address, an IPv4 one as such; None of a Unix socket's."""
    host = address[0] if isinstance(address, tuple) and address else address
    if not isinstance(host, str) or host in ("", "unix"):
        return None
    return host.removeprefix("::ffff:")


def sender_of(peer: socket.socket) -> Sender:
    """Who is at the other end of a connection: its host, or the process that has connected."""
    try:
        if peer.family == socket.AF_UNIX:
            size = CREDENTIALS.size
            return Sender(
                process=process_of(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
            )
        return Sender(host_of(peer.getpeername()))
    except OSError:  # it is gone already
        return Sender()


def process_of(credentials: bytes) -> Process:
    """A process by its credentials."""
    pid, uid, _ = CREDENTIALS.unpack(credentials)
    return Process(pid, uid % (1 << 32))
