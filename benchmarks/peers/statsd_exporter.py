"""Prometheus's statsd_exporter (Go): github.com/prometheus/statsd_exporter."""

from __future__ import annotations

import socket
from pathlib import Path

from benchmarks.daemon import free_port
from benchmarks.peers.peer import Peer, program
from benchmarks.receivers import RCVBUF_BYTES


def command(_: Path, port: int) -> list[str] | None:
    """As it comes: it has no flush, and nobody asks it for its metrics."""
    binary = program("statsd_exporter")
    if binary is None:
        return None
    return [
        binary,
        f"--statsd.listen-udp=127.0.0.1:{port}",
        "--statsd.listen-tcp=",
        f"--web.listen-address=127.0.0.1:{free_port(socket.SOCK_STREAM)}",
        f"--statsd.read-buffer={RCVBUF_BYTES}",
    ]


STATSD_EXPORTER = Peer("statsd_exporter", command)
