"""Stripe's Veneur (Go): github.com/stripe/veneur."""

from __future__ import annotations

import socket
from pathlib import Path

import yaml

from benchmarks.daemon import free_port
from benchmarks.peers.peer import Peer, program
from benchmarks.receivers import RCVBUF_BYTES


def command(folder: Path, port: int) -> list[str] | None:
    """With a sink that discards, and the aggregates and percentiles of our default."""
    binary = program("veneur")
    if binary is None:
        return None
    config = {
        "statsd_listen_addresses": [f"udp://127.0.0.1:{port}"],
        "http_address": f"127.0.0.1:{free_port(socket.SOCK_STREAM)}",
        "stats_address": "127.0.0.1:9",  # it does not start without; nobody reads there
        "interval": "10s",
        "num_readers": 1,
        "num_workers": 1,
        "read_buffer_size_bytes": RCVBUF_BYTES,
        "metric_max_length": 8192,
        "percentiles": [0.5, 0.75, 0.95, 0.99],
        "aggregates": ["min", "max", "count"],
        "metric_sinks": [{"kind": "blackhole", "name": "blackhole"}],
    }
    (folder / "veneur.yaml").write_text(yaml.safe_dump(config))
    return [binary, "-f", "veneur.yaml"]


VENEUR = Peer("Veneur", command)
