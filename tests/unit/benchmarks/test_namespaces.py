"""A process in a network namespace of its own."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator

import pytest

from benchmarks import namespaces
from benchmarks.load import Load, finish, start_sending
from benchmarks.process import udp_is_open, udp_queued_bytes

PYTHON_RECEIVER = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def port() -> int:
    """One that is free in our own namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def receiver(port: int) -> Iterator[subprocess.Popen[str]]:
    """Binds the port, in a namespace of its own where that is allowed, and never reads."""
    command = [*namespaces.making(), "python3", "-c", PYTHON_RECEIVER, str(port)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_the_load_reaches_it(port: int, receiver: subprocess.Popen[str]) -> None:
    """The load generator beside it reaches its port; in its own namespace nobody else sees it."""
    sender = start_sending(
        Load(), port, rate=10_000, seconds=5, datagrams=10, receiver_pid=receiver.pid
    )
    assert finish(sender).datagrams == 10
    assert udp_queued_bytes(port, receiver.pid) > 0
    assert namespaces.allowed() is not udp_is_open(port)


def test_our_own_needs_no_entering() -> None:
    """What runs where we run is reached as it is."""
    assert [] == namespaces.entering(os.getpid()) == namespaces.entering(None)
