"""veneurpy, and the yardstick, as peers among the others."""

from __future__ import annotations

import socket
from pathlib import Path

from benchmarks.build import build
from benchmarks.daemon import command_of, free_port
from benchmarks.peers.peer import Peer
from benchmarks.receivers import RCVBUF_BYTES


def veneurpy(folder: Path, port: int) -> list[str]:
    """With a sink that discards, one reader, and its defaults."""
    config = {
        "statsd_listen_addresses": [f"udp://127.0.0.1:{port}"],
        "http_address": f"127.0.0.1:{free_port(socket.SOCK_STREAM)}",
        "read_buffer_size_bytes": RCVBUF_BYTES,
        "metric_sinks": [{"kind": "blackhole", "name": "blackhole"}],
    }
    return command_of(folder, config)


def bare(_: Path, port: int) -> list[str]:
    """The recvmmsg loop that only counts."""
    return [str(build("bare")), str(port), str(RCVBUF_BYTES), "0"]


VENEURPY = Peer("veneurpy", veneurpy)
BARE = Peer("bare", bare)
