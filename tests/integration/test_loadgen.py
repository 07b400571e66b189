"""The load generator's word is what conservation is checked against."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.load import Load, Sent, finish, start_sending, write_lines

DATAGRAMS = 200


def received(load: Load, *, sockets: int = 1) -> tuple[Sent, list[bytes]]:
    """What the generator says and what a socket gets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # A busy machine may not let us read for a while, and nothing may be lost meanwhile.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        sender = start_sending(
            load,
            sock.getsockname()[1],
            rate=2_000,
            seconds=5,
            datagrams=DATAGRAMS,
            sockets=sockets,
        )
        datagrams = [sock.recv(65536) for _ in range(DATAGRAMS)]
        sent = finish(sender)
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(65536)
        return sent, datagrams


@pytest.mark.parametrize(
    ("load", "sockets"),
    [
        pytest.param(Load(), 1, id="mixed"),
        pytest.param(Load(lines_each=20, series=5000, seed=7), 1, id="packed"),
        pytest.param(Load(mix="counters", in_sequence=True), 1, id="counters in sequence"),
        pytest.param(Load(mix="timers"), 4, id="timers over four sockets"),
    ],
)
def test_declares_what_it_sends(load: Load, sockets: int) -> None:
    """Datagrams, lines, bytes, values by type and the counters' sum are what a socket receives."""
    sent, datagrams = received(load, sockets=sockets)
    lines = [line for datagram in datagrams for line in datagram.split(b"\n")]
    parts = [line.split(b"|") for line in lines]
    kinds = Counter(part[1].decode() for part in parts)
    counters = sum(int(part[0].rpartition(b":")[2]) for part in parts if part[1] == b"c")

    assert sent.datagrams == len(datagrams) == DATAGRAMS
    assert sent.lines == len(lines) == DATAGRAMS * load.lines_each
    assert sent.bytes == sum(map(len, datagrams))
    assert {kind: count for kind, count in sent.values.items() if count} == kinds
    assert sent.counter_sum == counters


def test_same_load_is_same_bytes(tmp_path: Path) -> None:
    """Equal seeds give equal lines, other seeds others."""

    def lines(name: str, seed: int) -> bytes:
        write_lines(Load(seed=seed), tmp_path / name, 1000)
        return (tmp_path / name).read_bytes()

    assert lines("a", 1) == lines("b", 1)
    assert lines("a", 1) != lines("c", 2)


def test_mix_has_its_shares(tmp_path: Path) -> None:
    """The mix is 50 % counters, 15 % gauges, 25 % timers, 5 % histograms and 5 % sets."""
    sent = write_lines(Load(in_sequence=True), tmp_path / "lines", 1000)
    assert sent.values == {"c": 500, "g": 150, "ms": 250, "h": 50, "s": 50}


def test_ends_in_time() -> None:
    """A sender whose time is up ends, at about the rate it was asked for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sent = finish(start_sending(Load(), sock.getsockname()[1], rate=10_000, seconds=0.3))
    assert 0 < sent.datagrams <= 10_000 * (sent.elapsed_s + 0.1)
