"""Name mappings in a real daemon."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.daemon import running_daemon
from tests.engines import needs_native

RULES = """\
mappings:
- {match: "web.*.hits", name: hits, labels: {site: "$1"}}
- {match: "web.*.took", name: took, labels: {site: "$1"}}
- {match: "debug.*", action: drop}
"""


@pytest.mark.parametrize("engine", ["python", pytest.param("native", marks=needs_native)])
def test_names_are_mapped_and_what_is_dropped_is_accounted_for(tmp_path: Path, engine: str) -> None:
    """A daemon publishes names and tags of a mapping file, and its ledger has what that drops."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    with running_daemon(tmp_path, engine=engine, name_mapping=str(rules), num_readers=2) as daemon:
        for i in range(60):
            lines = f"web.fra.hits:1|c\nhits:1|c|#site:fra\nweb.nyc.took:{i}|ms\ndebug.x:1|c"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(lines.encode(), ("127.0.0.1", daemon.port))
        assert daemon.stop() == 0
        rows = daemon.rows()
        (stopped,) = daemon.logged("stopped")
    sums: dict[tuple[str, str], float] = {}
    for row in rows:
        key = row["name"], ",".join(row["tags"])
        sums[key] = sums.get(key, 0) + row["value"]
    assert 240 == stopped["lines"]
    assert 120 == sums["hits", "site:fra"]
    assert 60 == sums["took.count", "site:nyc"]
    assert not any("debug" in name or "web" in name for name, _ in sums)
    assert [] == daemon.logged("ledger_violated")
