"""The first statsd (Node.js): github.com/statsd/statsd."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

from benchmarks.daemon import free_port
from benchmarks.peers.peer import BUILT, Peer

PROGRAM = BUILT / "statsd" / "node_modules" / "statsd" / "stats.js"


def command(folder: Path, port: int) -> list[str] | None:
    """Without a backend: its flush computes what it would publish, and nobody takes it.

    Tags become a part of its names, `h` it counts; it asks for no larger socket buffer.
    """
    node = shutil.which("node")
    if node is None or not PROGRAM.exists():
        return None
    config = {
        "address": "127.0.0.1",
        "port": port,
        "mgmt_port": free_port(socket.SOCK_STREAM),
        "flushInterval": 10_000,
        "percentThreshold": [50, 75, 95, 99],
        "backends": [],
    }
    (folder / "statsd.js").write_text(json.dumps(config))
    return [node, str(PROGRAM), "statsd.js"]


STATSD = Peer("statsd", command)
