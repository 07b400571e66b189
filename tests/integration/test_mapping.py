"""Name mappings in a real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon import running_daemon, send_lines, sums_of
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
            send_lines(daemon.port, lines)
        assert daemon.stop() == 0
        sums = sums_of(daemon.rows())
        (stopped,) = daemon.logged("stopped")
    assert 240 == stopped["lines"]
    assert 120 == sums["hits", "site:fra"]
    assert 60 == sums["took.count", "site:nyc"]
    assert not any("debug" in name or "web" in name for name, _ in sums)
    assert [] == daemon.logged("ledger_violated")
