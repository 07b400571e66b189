"""Addresses to listen on and to send to, checked by their form only: nothing is resolved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address, ip_address
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from veneurpy.config.called import Called
from veneurpy.config.wrong import Wrong, shown

SEND_SCHEMES = ("udp", "tcp")
DNS_PORT = 53

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_UNIX = re.compile(r"(unix|unixgram|unixpacket):")
_HOST_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*):(?P<port>\d{1,5})")
_NAMESERVER = re.compile(r"(?:(?P<v4>[\d.]+)|\[(?P<v6>[^\]]*:[^\]]*)\])(?::(?P<port>\d{1,5}))?")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_.-]{1,253}")


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host and a port. The empty host is every address of the machine, port 0 a free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SendUrl:
    """Where to send: `udp://127.0.0.1:9125` or `tcp://[::1]:9125`."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{HostPort(self.host, self.port)}"


def parse_host_port(text: str) -> HostPort:
    """Takes `host:port`, `:port` or `[ipv6]:port` apart. Raises Wrong."""
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        if url := re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://([^/]*)(/.*)?", text):
            mended = url[1] if _HOST_PORT.fullmatch(url[1]) else ""
            raise Wrong(f'expected "host:port" and not a URL, found {shown(text)}', mended)
        if text.count(":") > 1 and "[" not in text:
            mended = "[{}]{}{}".format(*text.rpartition(":"))
            raise Wrong(f'an IPv6 address needs brackets: "{text}"', mended)
        raise Wrong(f'expected "host:port", found {shown(text)}')
    host: str = match["host"]
    port = int(match["port"])
    if port > 65535:
        raise Wrong(f"expected a port of at most 65535, found {port}")
    if host.startswith("["):
        host = host[1:-1]
        _check_ipv6(host, text)
    elif host and not _HOST_NAME.fullmatch(host):
        raise Wrong(f'expected a host name or an address before the port, found "{host}"')
    return HostPort(host, port)


def _check_ipv6(host: str, text: str) -> None:
    try:
        IPv6Address(host)
    except AddressValueError:
        raise Wrong(f'expected an IPv6 address in the brackets of "{text}"') from None


def _text_of(value: object, host: str) -> str:
    """What may be `host:port`, or empty; for a port alone, `host` is proposed. Raises Wrong."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise Wrong(f'expected "host:port", found {shown(value)}', f"{host}:{value}")
    if not isinstance(value, str):
        raise Wrong(f'expected "host:port" or "" for none, found {shown(value)}')
    return value


def parse_http_address(value: object) -> HostPort | None:
    """Reads the address of the admin HTTP listener; None for the empty text. Raises Wrong."""
    if value is None or isinstance(value, HostPort):
        return value
    text = _text_of(value, "127.0.0.1")
    if not text:
        return None
    if text.startswith(("/", "./", "fd@", "einhorn@", "unix:")):
        raise Wrong(
            'an HTTP address of this form is not supported by this version: write "host:port"'
        )
    if text.isdecimal():
        raise Wrong(f'expected "host:port", found {shown(value)}', f"127.0.0.1:{text}")
    return parse_host_port(text)


def parse_grpc_address(value: object) -> HostPort | None:
    """Reads where gRPC is received; None for the empty text. Raises Wrong."""
    if value is None or isinstance(value, HostPort):
        return value
    text = _text_of(value, "0.0.0.0")
    return parse_host_port(text) if text else None


def parse_stats_address(value: object) -> HostPort | None:
    """Reads where the node's own metrics are sent; None for the empty text. Raises Wrong.

    Without a host it is this machine, as in Veneur.
    """
    if value is None or isinstance(value, HostPort):
        return value
    text = _text_of(value, "127.0.0.1")
    if not text:
        return None
    url = _URL.fullmatch(text) or _UNIX.match(text)
    if url and url[1].lower() != "udp":
        raise Wrong(f'sending to {url[1]}:// is not supported by this version: write "host:port"')
    address = parse_host_port(url[2] if url else text)
    if not address.port:
        raise Wrong(f'expected a port from 1 to 65535, found "{text}"')
    return HostPort(address.host or "127.0.0.1", address.port)


def parse_send_url(value: object) -> SendUrl:
    """Reads where a sink sends; without a scheme it is UDP, without a host this machine.

    Raises Wrong.
    """
    if isinstance(value, SendUrl):
        return value
    if not isinstance(value, str):
        raise Wrong(f'expected a URL such as "udp://127.0.0.1:9125", found {shown(value)}')
    url = _URL.fullmatch(value)
    scheme = url[1].lower() if url else "udp"
    if scheme not in SEND_SCHEMES:
        raise Wrong(f'expected "udp://" or "tcp://" before the host, found "{scheme}://"')
    address = parse_host_port(url[2] if url else value)
    if not address.port:
        raise Wrong(f'expected a port from 1 to 65535, found "{value}"')
    return SendUrl(scheme, address.host or "127.0.0.1", address.port)


def parse_nameserver(value: object) -> HostPort:
    """Reads the address of a name server, without a port at 53. Raises Wrong."""
    if isinstance(value, HostPort):
        return value
    match = _NAMESERVER.fullmatch(value) if isinstance(value, str) else None
    host = "" if match is None else match["v4"] or match["v6"]
    if match is None or not _is_plain_address(host):
        if isinstance(value, str) and _is_plain_address(value):
            raise Wrong(f'an IPv6 address needs brackets, as in "[::1]:53", found "{value}"')
        expected = 'expected the IP address of a name server, as in "127.0.0.1:8600" or "[::1]:53"'
        raise Wrong(f"{expected}, found {shown(value)}")
    port = DNS_PORT if match["port"] is None else int(match["port"])
    if not 1 <= port <= 65535:
        raise Wrong(f'expected a port from 1 to 65535, found "{value}"')
    return HostPort(host, port)


def _is_plain_address(host: str) -> bool:
    """Whether it is an IP address without a zone."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


HttpAddress = Annotated[
    HostPort | None,
    BeforeValidator(parse_http_address),
    PlainSerializer(lambda value: str(value or ""), when_used="json"),
    Called("host:port"),
]
GrpcAddress = Annotated[
    HostPort | None,
    BeforeValidator(parse_grpc_address),
    PlainSerializer(lambda value: str(value or ""), when_used="json"),
    Called("host:port"),
]
StatsAddress = Annotated[
    HostPort | None,
    BeforeValidator(parse_stats_address),
    PlainSerializer(lambda value: str(value or ""), when_used="json"),
    Called("host:port"),
]
SendAddress = Annotated[
    SendUrl,
    BeforeValidator(parse_send_url),
    PlainSerializer(lambda value: str(value), when_used="json"),
    Called("URL"),
]
Nameserver = Annotated[
    HostPort,
    BeforeValidator(parse_nameserver),
    PlainSerializer(lambda value: str(value), when_used="json"),
    Called("host:port"),
]
