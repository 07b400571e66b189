"""Datagram sockets: where they listen, what the kernel grants, what it drops."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from veneurpy.config import ListenUrl
from veneurpy.errors import ListenError
from veneurpy.listeners._sockets import (
    Bound,
    KernelDrops,
    bind,
    families,
    queued_bytes,
    refuse_more,
)

V4, V6 = socket.AF_INET, socket.AF_INET6
BUFFER = 65_536


@contextmanager
def bound(url: ListenUrl, count: int = 1, buffer: int = BUFFER) -> Iterator[Bound]:
    """Sockets on a numeric address, closed at the end."""
    addresses = [(family, (host, url.port)) for family, host in families(url)]
    opened = bind(url, addresses, count=count, buffer=buffer)
    try:
        yield opened
    finally:
        for each in opened.sockets:
            each.close()


def send(data: bytes, family: int, host: str, port: int) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(data, (host, port))


def drain(receiver: socket.socket) -> list[bytes]:
    """Everything that is queued."""
    receiver.setblocking(False)
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(receiver.recv(1000))
    return found


LOCAL = ListenUrl("udp", "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (ListenUrl("udp", "127.0.0.1", 1), [(V4, "127.0.0.1"), (V6, "127.0.0.1")]),
        (ListenUrl("udp", "localhost", 1), [(V4, "localhost"), (V6, "localhost")]),
        (ListenUrl("udp", "::1", 1), [(V6, "::1")]),
        (ListenUrl("udp", "::", 1), [(V6, "::")]),
        (ListenUrl("udp", "", 1), [(V6, "::"), (V4, "0.0.0.0")]),
        (ListenUrl("udp4", "", 1), [(V4, "0.0.0.0")]),
        (ListenUrl("udp6", "", 1), [(V6, "::")]),
        (ListenUrl("udp6", "localhost", 1), [(V6, "localhost")]),
    ],
    ids=str,
)
def test_the_scheme_and_the_host_choose_the_family(
    url: ListenUrl, expected: list[tuple[int, str]]
) -> None:
    """Every address means both families where the machine has them."""
    assert expected == families(url)


def test_the_name_shows_the_real_port() -> None:
    """Port 0 becomes the one that the kernel chose."""
    with bound(LOCAL) as opened:
        port = opened.sockets[0].getsockname()[1]
        assert opened.name == f"udp://127.0.0.1:{port}"
        assert port > 0


@pytest.mark.parametrize(
    ("scheme", "host", "reachable"),
    [
        pytest.param("udp", "", [(V4, "127.0.0.1"), (V6, "::1")], id="dual stack"),
        pytest.param("udp", "::", [(V4, "127.0.0.1"), (V6, "::1")], id="dual stack, written"),
        pytest.param("udp4", "", [(V4, "127.0.0.1")], id="IPv4 only"),
        pytest.param("udp6", "", [(V6, "::1")], id="IPv6 only"),
        pytest.param("udp", "::1", [(V6, "::1")], id="IPv6 loopback"),
    ],
)
def test_datagrams_arrive_by_each_family(
    scheme: str, host: str, reachable: list[tuple[int, str]]
) -> None:
    """One socket serves IPv4 and IPv6 where both are meant, and only what is meant."""
    with bound(ListenUrl(scheme, host, 0)) as opened:
        (receiver,) = opened.sockets
        port = receiver.getsockname()[1]
        for family, target in [(V4, "127.0.0.1"), (V6, "::1")]:
            send(target.encode(), family, target, port)
        got = drain(receiver)
    assert [target.encode() for _, target in reachable] == got


def test_readers_share_a_port() -> None:
    """Each reader has a socket of its own on the same address."""
    with bound(LOCAL, count=3) as opened:
        assert len({each.getsockname() for each in opened.sockets}) == 1
        assert len(opened.sockets) == 3


@pytest.mark.parametrize("first", [1, 2], ids=["one reader", "two readers"])
@pytest.mark.parametrize("second", [1, 2], ids=["one reader", "two readers"])
def test_a_second_daemon_is_refused(first: int, second: int) -> None:
    """It would otherwise take part of the traffic without a word."""
    with bound(LOCAL, count=first) as opened:
        taken = ListenUrl("udp", "127.0.0.1", opened.sockets[0].getsockname()[1])
        with (
            pytest.raises(ListenError, match=r"in use.*ss -ulpn 'sport = :\d+'"),
            bound(taken, count=second),
        ):
            pass


def test_a_foreign_address_is_refused() -> None:
    """The error names the address and how to see one's own."""
    with (
        pytest.raises(ListenError, match=r"udp4://192\.0\.2\.1:0: .*`ip addr`"),
        bound(ListenUrl("udp4", "192.0.2.1", 0)),
    ):
        pass


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.EACCES, "CAP_NET_BIND_SERVICE"),
        (errno.EAFNOSUPPORT, "udp4://"),
        (errno.EMFILE, "LimitNOFILE"),
        (errno.ENOBUFS, "No buffer space"),
    ],
)
def test_errors_say_how_to_mend_them(code: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel refuses is explained."""

    class Refused(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(socket, "socket", Refused)
    with pytest.raises(ListenError, match=text), bound(ListenUrl("udp4", "127.0.0.1", 80)):
        pass


def test_without_ipv6_every_address_means_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without IPv6 is no reason not to start."""

    class NoIpv6(socket.socket):
        def __init__(self, family: int = -1, *args: int) -> None:
            if family == V6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *args)

    monkeypatch.setattr(socket, "socket", NoIpv6)
    with bound(ListenUrl("udp", "", 0)) as opened:
        assert opened.sockets[0].family == V4


def test_the_granted_buffer_is_told() -> None:
    """It is what was asked for, not the double that the kernel reports."""
    with bound(LOCAL, buffer=BUFFER) as opened:
        assert opened.buffer_bytes == BUFFER


def test_drops_are_exact_and_counted_once() -> None:
    """What does not fit into the buffer is dropped by the kernel, which tells how much."""
    with bound(LOCAL, buffer=4096) as opened:
        (receiver,) = opened.sockets
        drops = KernelDrops(opened.sockets)
        port = receiver.getsockname()[1]
        for _ in range(200):
            send(b"x" * 100, V4, "127.0.0.1", port)
        assert queued_bytes(receiver) > 0
        read = len(drain(receiver))
        assert 200 - read == drops.take() > 0
        assert drops.take() == 0


def test_a_closed_queue_takes_no_more() -> None:
    """What was queued can be read; what comes later is dropped and counted."""
    with bound(LOCAL) as opened:
        (receiver,) = opened.sockets
        drops = KernelDrops(opened.sockets)
        port = receiver.getsockname()[1]
        send(b"before", V4, "127.0.0.1", port)
        refuse_more(receiver)
        for _ in range(3):
            send(b"after", V4, "127.0.0.1", port)
        assert [b"before"] == drain(receiver)
        drops.close()
    assert drops.take() == 3
    assert drops.take() == 0
