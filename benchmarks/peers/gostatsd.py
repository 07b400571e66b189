"""Atlassian's gostatsd (Go): github.com/atlassian/gostatsd."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.peer import Peer, program


def command(folder: Path, port: int) -> list[str] | None:
    """With the backend that discards and one receiver."""
    binary = program("gostatsd")
    if binary is None:
        return None
    settings = {
        "metrics-addr": f"127.0.0.1:{port}",
        "backends": "null",
        "flush-interval": "10s",
        "max-readers": "1",
    }
    return [binary, *(f"--{key}={value}" for key, value in settings.items())]


GOSTATSD = Peer("gostatsd", command)
