"""Captured traffic, sent again."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from veneurpy.capture.dogfile import CaptureError, Datagram
from veneurpy.capture.sending import LARGEST_FRAME, LONGEST_DATAGRAM, Sender, Sent, replay
from veneurpy.config.listen import ListenUrl, parse_listen_url

SECOND = 1_000_000_000


class Watch:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.sent: list[tuple[float, bytes]] = []

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def send(self, payload: bytes, sent: Sent) -> None:
        self.sent.append((self.now_s - 100.0, payload))
        sent.datagrams += 1


@pytest.mark.parametrize(
    ("speed", "expected"),
    [(1.0, [0, 2, 2, 6]), (2.0, [0, 1, 1, 3]), (0.5, [0, 4, 4, 12]), (None, [0, 0, 0, 0])],
)
def test_the_gaps(speed: float | None, expected: list[float]) -> None:
    """Gaps are those of the capture, divided by the speed; a step back in time is no gap."""
    watch = Watch()
    times = (50, 52, 51, 56)
    found = [Datagram(time * SECOND, b"%d" % time) for time in times]
    sent = replay(found, watch.send, speed=speed, now=watch.now, sleep=watch.sleep)

    assert [(at, b"%d" % time) for at, time in zip(expected, times, strict=True)] == watch.sent
    assert (4, expected[-1]) == (sent.datagrams, sent.seconds)


def test_nothing_is_sent_of_nothing() -> None:
    """An empty capture, and an empty datagram, end at once."""
    watch = Watch()

    assert 0 == replay([], watch.send, speed=1.0).datagrams
    assert 0 == replay([Datagram(5, b"")], watch.send, speed=1.0).datagrams


KINDS = {
    "unixgram": socket.SOCK_DGRAM,
    "unix": socket.SOCK_STREAM,
    "unixpacket": socket.SOCK_SEQPACKET,
}


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("unixgram", b"a:1|c"),
        ("unixpacket", b"a:1|c"),
        ("unix", b"\x05\0\0\0a:1|c"),
    ],
)
def test_unix(tmp_path: Path, scheme: str, expected: bytes) -> None:
    """A Unix stream gets frames with a length, the others datagrams as they were."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, KINDS[scheme]) as listening:
        listening.bind(str(path))
        if scheme != "unixgram":
            listening.listen()
        sender, sent = Sender(parse_listen_url(f"{scheme}://{path}")), Sent()
        peer = listening if scheme == "unixgram" else listening.accept()[0]
        sender.send(b"a:1|c", sent)
        received = peer.recv(100)
        sender.close()
        peer.close()

    assert expected == received
    assert (1, len(expected)) == (sent.datagrams, sent.bytes)


def test_a_long_piece_by_frames(tmp_path: Path) -> None:
    """No frame is longer than a listener takes: whole lines, as many as fit."""
    lines = [b"a:%d|c|#" % i + b"x" * 30_000 + b"\n" for i in range(5)]
    lines[2] = b"y" * LARGEST_FRAME + b"\n"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        sender, sent = Sender(parse_listen_url(f"unix://{tmp_path / 'socket'}")), Sent()
        with listening.accept()[0] as peer, peer.makefile("rb") as received:
            sending = threading.Thread(target=lambda: sender.send(b"".join(lines), sent))
            sending.start()
            sizes = (int.from_bytes(received.read(4), "little") for _ in range(2))
            frames = [received.read(size) for size in sizes]
            sending.join()
        sender.close()

    assert [b"".join(lines[:2]), b"".join(lines[3:])] == frames
    assert (1, 1) == (sent.datagrams, sent.too_long)


def test_tcp() -> None:
    """A TCP stream gets lines, each with its end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sender, sent = (
            Sender(parse_listen_url(f"tcp://127.0.0.1:{listening.getsockname()[1]}")),
            Sent(),
        )
        for payload in (b"a:1|c", b"b:1|c\n"):
            sender.send(payload, sent)
        sender.close()
        with listening.accept()[0] as peer:
            assert b"a:1|c\nb:1|c\n" == b"".join(iter(lambda: peer.recv(100), b""))


def test_a_piece_of_a_stream_by_datagrams() -> None:
    """What is longer than receivers take at once is sent line by line, as many as fit."""
    lines = [b"%d:1|c|#" % i + b"x" * (i % 900) + b"\n" for i in range(200)]
    lines[50] = b"y" * 70_000 + b"\n"
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sender, sent = (
            Sender(parse_listen_url(f"udp://127.0.0.1:{receiver.getsockname()[1]}")),
            Sent(),
        )
        sender.send(b"".join(lines), sent)
        sender.close()
        receiver.settimeout(5.0)
        received: list[bytes] = []
        while sum(map(len, received)) < sent.bytes:
            received.append(receiver.recv(70_000))

    assert b"".join(lines[:50] + lines[51:]) == b"".join(received)
    assert max(map(len, received)) <= LONGEST_DATAGRAM
    assert (1, 1) == (sent.datagrams, sent.too_long)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("stdin:", "cannot send to stdin:: expected one of udp:"),
        ("systemd://x", "cannot send to systemd://x: expected one of"),
        ("unixgram:///nowhere/at.all", "No such file or directory: is somebody listening"),
    ],
)
def test_where_nothing_can_be_sent(url: str, message: str) -> None:
    """An address that takes nothing is told, with the reason."""
    with pytest.raises(CaptureError, match=message):
        Sender(parse_listen_url(url))


@dataclass
class Encrypted:
    """A server that reads all that one client says, or refuses it."""

    authority: trustme.CA
    listening: socket.socket
    context: ssl.SSLContext
    received: bytes = b""

    @property
    def url(self) -> ListenUrl:
        return parse_listen_url(f"tls://127.0.0.1:{self.listening.getsockname()[1]}")

    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def serve(self) -> None:
        opened, _ = self.listening.accept()
        with suppress(OSError), self.context.wrap_socket(opened, server_side=True) as peer:
            while piece := peer.recv(100):
                self.received += piece
            peer.unwrap()
        opened.close()


@pytest.fixture
def encrypted() -> Iterator[Encrypted]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Encrypted(authority, listening, context)
        serving = threading.Thread(target=made.serve)
        serving.start()
        yield made
        serving.join()


def test_tls(encrypted: Encrypted) -> None:
    """Lines, all of which have arrived when the sender has closed."""
    sender, sent = Sender(encrypted.url, encrypted.trusting()), Sent()
    for number in range(1000):
        sender.send(b"a:%d|c" % number, sent)
    sender.close()
    assert b"".join(b"a:%d|c\n" % number for number in range(1000)) == encrypted.received


def test_tls_of_an_unknown_authority(encrypted: Encrypted) -> None:
    """It says what to do."""
    with pytest.raises(CaptureError, match=r"certificate verify failed.*--tls-authority"):
        Sender(encrypted.url)


def test_tls_that_wants_a_certificate(encrypted: Encrypted) -> None:
    """A client without one is told, however late the server says so."""
    encrypted.authority.configure_trust(encrypted.context)
    encrypted.context.verify_mode = ssl.CERT_REQUIRED
    sender = Sender(encrypted.url, encrypted.trusting())
    with pytest.raises(CaptureError, match=r"has ended the connection|takes no more"):
        sender.close()
