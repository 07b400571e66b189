"""`host:port` of gRPC listeners and servers."""

from __future__ import annotations

import socket

from veneurpy.errors import ListenError

_BACKLOG = 256


def split(address: str) -> tuple[str, int]:
    """Host ("" for every interface) and port of `host:port`, `[::1]:port` or `:port`.

    Raises ValueError.
    """
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"write an IPv6 address as [{host}]:{port}")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("expected host:port, as in 127.0.0.1:8128 or [::1]:8128")
    return host, int(port)


def listen(address: str, *, key: str) -> socket.socket:
    """A listening socket; without a host one for IPv4 and IPv6 alike.

    Raises ListenError, with the way to mend it; `key` is the setting that the address came from.
    May ask the resolver: call it off the event loop.
    """
    try:
        host, port = split(address)
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
            )
        family, _, _, _, where = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((host and where[0], port), family=family, backlog=_BACKLOG)
    except ValueError as exc:
        raise ListenError(f"{key} {address!r}: {exc}") from exc
    except OSError as exc:
        raise ListenError(
            f"{key} {address!r}: {exc.strerror or exc}: choose another address, or stop whoever "
            "listens there"
        ) from exc
