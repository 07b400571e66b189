"""Where the admin listener listens: `127.0.0.1:8127`, `[::1]:8127`, `localhost:8127` or `:8127`."""

from __future__ import annotations

import socket

from veneurpy.errors import ListenError

_BACKLOG = 128


def split_address(address: str) -> tuple[str, int]:
    """Host ("" for every interface) and port. Raises ListenError when it is neither form."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ListenError(f"http_address {address!r}: write an IPv6 address as [{host}]:{port}")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ListenError(
            f"http_address {address!r}: expected host:port, as in 127.0.0.1:8127 or [::1]:8127"
        )
    return host, int(port)


def open_socket(address: str) -> socket.socket:
    """A listening socket; without a host one for IPv4 and IPv6 alike.

    Raises ListenError, with the way to mend it. May ask the resolver: call it off the event loop.
    """
    host, port = split_address(address)
    try:
        if not host:
            return _open_everywhere(port)
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(where[:2], family=family, backlog=_BACKLOG)
    except OSError as exc:
        raise ListenError(
            f"http_address {address!r}: {exc.strerror or exc}: choose another address, or stop "
            "whoever listens there (a second veneurpy?)"
        ) from exc


def _open_everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
        )
    return socket.create_server(("", port), backlog=_BACKLOG)
