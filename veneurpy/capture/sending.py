"""Sends captured traffic again, to whoever listens."""

from __future__ import annotations

import io
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from veneurpy.capture.dogfile import CaptureError, Datagram
from veneurpy.capture.encrypted import Encrypted
from veneurpy.config.listen import TCP_SCHEMES, UDP_SCHEMES, ListenUrl

TIMEOUT_S = 10.0
LONGEST_DATAGRAM = 8192
"""What receivers take at once unless they are told otherwise, the Agent too."""
LARGEST_UDP = 65_507
LARGEST_FRAME = 1 << 16
"""What a listener of a Unix stream takes: a longer frame ends the connection."""
SCHEMES = (*UDP_SCHEMES, *TCP_SCHEMES, "unix", "unixgram", "unixpacket")


@dataclass(slots=True)
class Sent:
    """What was sent."""

    datagrams: int = 0
    """As they stand in the capture."""
    bytes: int = 0
    too_long: int = 0
    """Lines that no datagram, or no frame, has room for."""
    seconds: float = 0.0


class Sender:
    """One socket to one address. What a socket takes at once depends on its kind."""

    def __init__(self, url: ListenUrl, tls: ssl.SSLContext | None = None) -> None:
        """Connects. Raises CaptureError, which says how to mend it.

        `tls` is for `tls:`; without it the system's authorities are trusted.
        """
        self._url = url
        self._opened: socket.socket | Encrypted = _connected(url)
        if url.scheme == "tls":
            self._opened = _encrypted(url, self._opened, tls or ssl.create_default_context())
        self._is_framed = url.scheme == "unix"
        self._is_stream = url.scheme in TCP_SCHEMES

    def __repr__(self) -> str:
        return f"Sender({self._url})"

    def send(self, payload: bytes, sent: Sent) -> None:
        """Sends what was received at once, in several datagrams if it came by a stream."""
        try:
            for piece in self._pieces(payload, sent):
                self._opened.sendall(piece)
                sent.bytes += len(piece)
        except TimeoutError as exc:
            raise CaptureError(f"{self._url} takes nothing for {TIMEOUT_S:g} s") from exc
        except OSError as exc:
            raise CaptureError(f"{self._url} takes no more: {_why(exc)}") from exc
        sent.datagrams += 1

    def close(self) -> None:
        """Raises CaptureError where the other end has refused us meanwhile, as TLS may."""
        try:
            self._opened.close()
        except OSError as exc:
            raise CaptureError(f"{self._url} has ended the connection: {_why(exc)}") from exc

    def _pieces(self, payload: bytes, sent: Sent) -> Iterator[bytes]:
        if self._is_framed:
            for piece in _pieces_of(payload, sent, LARGEST_FRAME, LARGEST_FRAME):
                yield struct.pack("<I", len(piece)) + piece
        elif self._is_stream:
            yield payload if payload.endswith(b"\n") else payload + b"\n"
        else:
            yield from _pieces_of(payload, sent, LONGEST_DATAGRAM, LARGEST_UDP)


def replay(
    datagrams: Iterable[Datagram],
    send: Callable[[bytes, Sent], None],
    *,
    speed: float | None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Sent:
    """Sends them all with the gaps that they came with, `speed` times as fast; None: at once.

    What comes from before its predecessor is sent at once. Raises CaptureError.
    """
    sent, began_s, first_ns = Sent(), now(), None
    for datagram in datagrams:
        if first_ns is None:
            first_ns = datagram.time_ns
        if speed is not None:
            due_s = began_s + (datagram.time_ns - first_ns) / 1e9 / speed
            if (left_s := due_s - now()) > 0:
                sleep(left_s)
        if datagram.payload:
            send(datagram.payload, sent)
    sent.seconds = now() - began_s
    return sent


def _pieces_of(payload: bytes, sent: Sent, most_bytes: int, longest_line: int) -> Iterator[bytes]:
    """Whole lines, as many as fit; one that is longer than that is sent alone."""
    if len(payload) <= most_bytes:
        yield payload
        return
    piece = b""
    for line in io.BytesIO(payload):
        if piece and len(piece) + len(line) > most_bytes:
            yield piece
            piece = b""
        if len(line) > longest_line:
            sent.too_long += 1
        else:
            piece += line
    if piece:
        yield piece


def _connected(url: ListenUrl) -> socket.socket:
    if url.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}:" for scheme in SCHEMES)
        raise CaptureError(f"cannot send to {url}: expected one of {known}")
    if url.path:
        kinds = {"unix": socket.SOCK_STREAM, "unixgram": socket.SOCK_DGRAM}
        opened = socket.socket(socket.AF_UNIX, kinds.get(url.scheme, socket.SOCK_SEQPACKET))
        return _connect(url, opened, "\0" + url.path[1:] if url.path[0] == "@" else url.path)
    kind = socket.SOCK_DGRAM if url.scheme in UDP_SCHEMES else socket.SOCK_STREAM
    family = {"4": socket.AF_INET, "6": socket.AF_INET6}.get(url.family, socket.AF_UNSPEC)
    host = url.host or "localhost"
    try:
        found = socket.getaddrinfo(host, url.port, family=family, type=kind)[0]
    except OSError as exc:
        raise CaptureError(f"cannot send to {url}: {exc.strerror or exc}") from exc
    return _connect(url, socket.socket(found[0], kind), found[4])


def _connect(url: ListenUrl, opened: socket.socket, address: Any) -> socket.socket:
    opened.settimeout(TIMEOUT_S)
    try:
        opened.connect(address)
    except OSError as exc:
        opened.close()
        raise CaptureError(
            f"cannot send to {url}: {exc.strerror or exc}: is somebody listening there?"
        ) from exc
    return opened


def _encrypted(url: ListenUrl, opened: socket.socket, context: ssl.SSLContext) -> Encrypted:
    try:
        return Encrypted(opened, context, url.host or "localhost")
    except OSError as exc:
        raise CaptureError(
            f"cannot send to {url}: {_why(exc)}; --tls-authority names who signs its certificate"
        ) from exc


def _why(error: OSError) -> str:
    return error.strerror or str(error)
