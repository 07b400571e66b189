"""Where StatsD is received, checked by its form only: nothing is resolved or opened."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from veneurpy.config.address import HostPort, parse_host_port
from veneurpy.config.called import Called
from veneurpy.config.listen_options import ListenOptions, parse_listen_options
from veneurpy.config.wrong import Wrong, shown

UDP_SCHEMES = ("udp", "udp4", "udp6")
TCP_SCHEMES = ("tcp", "tcp4", "tcp6", "tls")
UNIX_SCHEMES = ("unix", "unixgram", "unixpacket")
PLACELESS_SCHEMES = ("stdin", "http")
SCHEMES = (*UDP_SCHEMES, *TCP_SCHEMES, *UNIX_SCHEMES, "systemd", *PLACELESS_SCHEMES)
LONGEST_UNIX_PATH = 107
"""Bytes that `sun_path` has room for, with its NUL."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_OPAQUE = re.compile(r"(unix|unixgram|unixpacket|stdin|http):(.*)", re.DOTALL)
_FD_NAME = re.compile(r"[!-9;-~]{1,255}")


@dataclass(frozen=True, slots=True)
class ListenUrl:
    """Where to receive: `udp://127.0.0.1:8125`, `unixgram:///run/dsd.socket`, `systemd://NAME`.

    `udp4`, `udp6`, `tcp4` and `tcp6` bind one family; `udp`, `tcp` and `tls` bind what the host is,
    and both families for no host. `stdin:`, and `http:` (on `http_address`), are no more than that.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    """Of a Unix socket: its path, or `@` and an abstract name. Of `systemd`: the socket's name."""
    options: ListenOptions = field(default=ListenOptions(), compare=False)
    """How the lines are read that come there. Not a part of where that is."""

    @property
    def family(self) -> str:
        """`4`, `6`, or empty for either."""
        return self.scheme[-1] if self.scheme[-1] in "46" else ""

    @property
    def written(self) -> str:
        """With the options, as in a configuration."""
        return f"{self}{self.options}"

    def __str__(self) -> str:
        if self.scheme in PLACELESS_SCHEMES:
            return f"{self.scheme}:"
        if self.path.startswith("@"):
            return f"{self.scheme}:{self.path}"
        if self.path:
            return f"{self.scheme}://{self.path}"
        return f"{self.scheme}://{HostPort(self.host, self.port)}"


def parse_listen_url(value: object) -> ListenUrl:
    """Reads the URL of a StatsD listener. Raises Wrong."""
    if isinstance(value, ListenUrl):
        return value
    if not isinstance(value, str):
        raise Wrong(f'expected a URL such as "udp://127.0.0.1:8125", found {shown(value)}')
    url = _URL.fullmatch(value) or _OPAQUE.fullmatch(value)
    if url is None:
        raise _without_scheme(value)
    place, _, query = url[2].partition("?")
    return replace(_place(url[1].lower(), place), options=parse_listen_options(query))


def _place(scheme: str, rest: str) -> ListenUrl:
    if scheme in UNIX_SCHEMES:
        return ListenUrl(scheme, path=_unix_path(scheme, rest))
    if scheme == "systemd":
        return ListenUrl(scheme, path=_socket_name(rest))
    if scheme in PLACELESS_SCHEMES:
        return _placeless(scheme, rest)
    if scheme not in SCHEMES:
        raise _other_scheme(scheme, rest)
    return _inet(scheme, rest)


def _inet(scheme: str, rest: str) -> ListenUrl:
    try:
        address = parse_host_port(rest)
    except Wrong as wrong:
        suggestion = f"{scheme}://{wrong.suggestion}" if wrong.suggestion else ""
        raise Wrong(f"{wrong} (in a URL such as {scheme}://127.0.0.1:8125)", suggestion) from None
    _check_family(scheme, address)
    return ListenUrl(scheme, address.host, address.port)


def _unix_path(scheme: str, path: str) -> str:
    if path.startswith("@") and len(path) > 1:
        name = path[1:]
    elif path.startswith("/") and not path.endswith("/"):
        name = path
    else:
        suggestion = f"{scheme}:///{path.lstrip('/')}" if path.strip("/@") else ""
        raise Wrong(
            f"expected an absolute path or @ and an abstract name after {scheme}:, "
            f"found {shown(path)}",
            suggestion.rstrip("/"),
        )
    if len(name.encode()) > LONGEST_UNIX_PATH:
        raise Wrong(f"the path of a Unix socket has at most {LONGEST_UNIX_PATH} bytes")
    if "\0" in name:
        raise Wrong("the path of a Unix socket cannot contain NUL")
    return path


def _socket_name(name: str) -> str:
    if not _FD_NAME.fullmatch(name):
        raise Wrong(
            "expected the name of a socket after systemd://, as `FileDescriptorName=` in the "
            f"socket unit says it, found {shown(name)}"
        )
    return name


def _placeless(scheme: str, rest: str) -> ListenUrl:
    if rest.strip("/"):
        where = " (lines by HTTP are taken at http_address)" if scheme == "http" else ""
        raise Wrong(f"nothing follows {scheme}:, found {shown(rest)}{where}", f"{scheme}:")
    return ListenUrl(scheme)


def _without_scheme(text: str) -> Wrong:
    expected = f'expected a URL such as "udp://127.0.0.1:8125", found {shown(text)}'
    if text in PLACELESS_SCHEMES:
        return Wrong(expected, f"{text}:")
    if text.startswith("/"):
        return Wrong(expected, f"unixgram://{text}")
    try:
        return Wrong(expected, f"udp://{parse_host_port(text)}")
    except Wrong as wrong:
        return Wrong(expected, f"udp://{wrong.suggestion}" if wrong.suggestion else "")


def _other_scheme(scheme: str, rest: str) -> Wrong:
    known = ", ".join(SCHEMES)
    close = get_close_matches(scheme, SCHEMES, n=1)
    suggestion = f"{close[0]}://{rest}" if close else ""
    if scheme == "https":
        known += "; lines by HTTP are taken at /api/v1/statsd of http_address"
        suggestion = "http:"
    return Wrong(f'unknown scheme "{scheme}": expected one of {known}', suggestion)


def _check_family(scheme: str, address: HostPort) -> None:
    other, family = {"4": (IPv6Address, "IPv4"), "6": (IPv4Address, "IPv6")}.get(
        scheme[-1], (None, "")
    )
    if other is None or not address.host:
        return
    try:
        other(address.host)
    except AddressValueError:
        return
    found = f'{scheme}:// needs an {family} address, found "{address.host}"'
    raise Wrong(found, f"{scheme[:-1]}://{address}")


def _parse_grpc_url(value: object) -> ListenUrl:
    url = parse_listen_url(value)
    if url.scheme not in TCP_SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in TCP_SCHEMES)
        raise Wrong(f"gRPC listens on one of {known}, found {shown(value)}")
    return url


GrpcListenAddress = Annotated[
    ListenUrl,
    BeforeValidator(_parse_grpc_url),
    PlainSerializer(lambda url: url.written, when_used="json"),
    Called("URL"),
]
ListenAddress = Annotated[
    ListenUrl,
    BeforeValidator(parse_listen_url),
    PlainSerializer(lambda url: url.written, when_used="json"),
    Called("URL"),
]
