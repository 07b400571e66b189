"""Who a peer is, as the accounts of clients call it."""

from __future__ import annotations

import socket
import struct

_CREDENTIALS = struct.Struct("3i")


def host_of(address: object) -> str | None:
    """The host of an address, an IPv4 one as such; None of a Unix socket's."""
    host = address[0] if isinstance(address, tuple) and address else address
    if not isinstance(host, str) or host in ("", "unix"):
        return None
    return host.removeprefix("::ffff:")


def client_of(peer: socket.socket) -> str | None:
    """Who is at the other end of a connection: its host, or the process that has connected."""
    try:
        if peer.family == socket.AF_UNIX:
            size = _CREDENTIALS.size
            pid, uid, _ = _CREDENTIALS.unpack(
                peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            )
            return process(pid, uid)
        return host_of(peer.getpeername())
    except OSError:  # it is gone already
        return None


def process(pid: int, uid: int) -> str:
    """How a local client is called; one whose number is not ours to know by its user alone."""
    return f"uid:{uid} pid:{pid}" if pid else f"uid:{uid}"
