"""The same traffic by every transport that a node has, each with names of its own."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import trustme

from tests.daemon import Daemon
from veneurpy.engine.reference_protobuf import bytes_field

TIMEOUT_S = 20.0
LINES = [
    "count:2.5:1|c|@0.5|#shard:1,env:test",
    "count:4|c",
    "level:7|g",
    "level:-3|g|#shard:1",
    "level:9|g",
    "took:1:2:3:40.5|ms|#shard:2|c:ci-abc",
    "took:11|h|@0.25",
    "spread:5:6|d",
    "who:anna|s|#env:test",
    "who:otto|s|#env:test",
    "who:anna|s|#env:test",
]
SAMPLES = {"count": 2.5 * 2 + 2 + 4, "level": 9 - 3, "who": 2}
"""The sums over tags of what these names are flushed with."""
TRANSPORTS = (
    *("udp", "unixgram", "unixpacket", "unix_lines", "unix_frames"),
    *("tls", "stdin", "http", "grpc"),
)


def lines_of(transport: str) -> list[bytes]:
    return [f"{transport}.{line}".encode() for line in LINES]


class Traffic:
    """What a daemon needs to take it all, and the sending of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self._ways: dict[str, Callable[[Daemon, bytes], object]] = {
            "udp": lambda daemon, text: self._inet(daemon, "udp", text),
            "tls": lambda daemon, text: self._inet(daemon, "tls", text),
            "unixgram": lambda _, text: self._unix("gram", socket.SOCK_DGRAM, text),
            "unixpacket": lambda _, text: self._unix("packet", socket.SOCK_SEQPACKET, text),
            "unix_lines": lambda _, text: self._unix("stream", socket.SOCK_STREAM, text + b"\n"),
            "unix_frames": lambda _, text: self._unix("stream", socket.SOCK_STREAM, framed(text)),
            "http": lambda daemon, text: post(daemon, text),
            "grpc": self._grpc,
        }
        self.stdin = folder / "stdin"
        """Its standard input: what comes by it comes at once."""
        self.stdin.write_bytes(b"\n".join(lines_of("stdin")))

    @property
    def settings(self) -> dict[str, Any]:
        server = self._authority.issue_cert("localhost", "127.0.0.1")
        unix = [("unixgram", "gram"), ("unixpacket", "packet"), ("unix", "stream")]
        return {
            "statsd_listen_addresses": [
                *("udp://127.0.0.1:0", "tls://127.0.0.1:0", "stdin:"),
                *(f"{scheme}://{self._folder / name}" for scheme, name in unix),
            ],
            "grpc_listen_addresses": ["tls://127.0.0.1:0"],
            "http_statsd": True,
            "tls_certificate": b"".join(each.bytes() for each in server.cert_chain_pems).decode(),
            "tls_key": server.private_key_pem.bytes().decode(),
        }

    def send(self, daemon: Daemon) -> int:
        """Sends it, half at a time; returns the lines that are under way then."""
        for transport, way in self._ways.items():
            lines = lines_of(transport)
            for some in (lines[:5], lines[5:]):
                way(daemon, b"\n".join(some))
        return len(TRANSPORTS) * len(LINES)

    def _inet(self, daemon: Daemon, scheme: str, text: bytes) -> None:
        port = port_of(daemon, scheme)
        if scheme == "udp":
            with socket.socket(type=socket.SOCK_DGRAM) as sender:
                sender.sendto(text, ("127.0.0.1", port))
            return
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        with (
            socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as peer,
        ):
            peer.sendall(text + b"\n")
            peer.unwrap()

    def _unix(self, name: str, kind: int, text: bytes) -> None:
        with socket.socket(socket.AF_UNIX, kind) as peer:
            peer.connect(str(self._folder / name))
            peer.sendall(text)

    def _grpc(self, daemon: Daemon, text: bytes) -> None:
        credentials = grpc.ssl_channel_credentials(self._authority.cert_pem.bytes())
        address = f"localhost:{port_of(daemon, 'grpc')}"
        with grpc.secure_channel(address, credentials) as channel:
            packet = bytes_field(1, text)
            channel.unary_unary("/dogstatsd.DogstatsdGRPC/SendPacket")(packet, timeout=TIMEOUT_S)


def framed(text: bytes) -> bytes:
    """Each line in a frame."""
    return b"".join(struct.pack("<I", len(line)) + line for line in text.split(b"\n"))


def post(daemon: Daemon, body: bytes) -> None:
    """Lines by HTTP, compressed."""
    url, encoding = f"{daemon.http}/api/v1/statsd", {"Content-Encoding": "gzip"}
    request = urllib.request.Request(url, gzip.compress(body), encoding)
    urllib.request.urlopen(request, timeout=TIMEOUT_S).close()


def port_of(daemon: Daemon, scheme: str) -> int:
    """Of its first listener with the scheme."""
    listeners = daemon.logged("started")[0]["listeners"].split()
    return int(next(url for url in listeners if url.startswith(scheme)).rpartition(":")[2])
