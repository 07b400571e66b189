"""Filters in a real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon import running_daemon, send_lines, sums_of
from tests.engines import needs_native

FILTERS = [
    {"name": {"prefix": "debug."}, "drop": True},
    {"name": {"glob": "old.*"}, "rename": "$1", "strip_tags": ["req*"]},
    {"drop_tags": ["env:d*"]},
    {"name": {"regex": "^hi"}, "strip_tags": ["host:a"], "add_tags": ["team:core"]},
    {"name": {"prefix": "y"}, "tags": [{"regex": r"^v:\d+$"}, "env"], "rename": "z$1"},
]


@pytest.mark.parametrize("engine", ["python", pytest.param("native", marks=needs_native)])
def test_names_and_tags_are_filtered(tmp_path: Path, engine: str) -> None:
    """A daemon publishes what its filters make of names and tags; its ledger has what they drop."""
    with running_daemon(tmp_path, engine=engine, filters=FILTERS, num_readers=2) as daemon:
        for i in range(60):
            lines = f"old.x:1|c|#request:{i}\nx:1|c\nhits:1|c|#host:a,host:b\nhits:1|c|#env:dev"
            lines += f"\ndebug.x:1|c\ny:1|c|#env:a,v:{i % 2}\ny:1|c|#env:a,v:x"
            send_lines(daemon.port, lines)
        assert daemon.stop() == 0
        sums = sums_of(daemon.rows())
        (stopped,) = daemon.logged("stopped")
    assert 420 == stopped["lines"]
    renamed = {("z", f"env:a,v:{version}"): 30 for version in (0, 1)}
    kept = {("x", ""): 120, ("hits", "host:b,team:core"): 60, ("y", "env:a,v:x"): 60}
    assert kept | renamed == sums
    assert [] == daemon.logged("ledger_violated")
