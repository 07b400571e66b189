"""Filters in a real daemon."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.daemon import running_daemon
from tests.engines import needs_native

FILTERS = [
    {"name": {"prefix": "debug."}, "drop": True},
    {"name": {"glob": "old.*"}, "rename": "$1", "strip_tags": ["req*"]},
    {"drop_tags": ["env:d*"]},
    {"name": {"regex": "^hi"}, "strip_tags": ["host:a"], "add_tags": ["team:core"]},
]


@pytest.mark.parametrize("engine", ["python", pytest.param("native", marks=needs_native)])
def test_names_and_tags_are_filtered(tmp_path: Path, engine: str) -> None:
    """A daemon publishes what its filters make of names and tags; its ledger has what they drop."""
    with running_daemon(tmp_path, engine=engine, filters=FILTERS, num_readers=2) as daemon:
        for i in range(60):
            lines = f"old.x:1|c|#request:{i}\nx:1|c\nhits:1|c|#host:a,host:b\nhits:1|c|#env:dev"
            lines += "\ndebug.x:1|c"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(lines.encode(), ("127.0.0.1", daemon.port))
        assert daemon.stop() == 0
        rows = daemon.rows()
        (stopped,) = daemon.logged("stopped")
    sums: dict[tuple[str, str], float] = {}
    for row in rows:
        key = row["name"], ",".join(row["tags"])
        sums[key] = sums.get(key, 0) + row["value"]
    assert 300 == stopped["lines"]
    assert {("x", ""): 120, ("hits", "host:b,team:core"): 60} == sums
    assert [] == daemon.logged("ledger_violated")
