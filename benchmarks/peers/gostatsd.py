"""Atlassian's gostatsd (Go): github.com/atlassian/gostatsd."""

from __future__ import annotations

import socket
from pathlib import Path

from benchmarks.daemon import free_port
from benchmarks.peers.peer import Peer, program


def command(_: Path, port: int) -> list[str] | None:
    """One reader, a back end that discards, our default's percentiles."""
    binary = program("gostatsd")
    if binary is None:
        return None
    return [
        binary,
        f"--metrics-addr=127.0.0.1:{port}",
        f"--web-addr=127.0.0.1:{free_port(socket.SOCK_STREAM)}",
        "--backends=null",
        "--flush-interval=10s",
        "--max-readers=1",
        "--percent-threshold=50,75,95,99",
    ]


GOSTATSD = Peer("gostatsd", command)
