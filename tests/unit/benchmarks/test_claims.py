"""How a run with claims ends."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from benchmarks.claims import conclude, in_mib
from benchmarks.conservation import Verdict

GOOD, BAD = Verdict("all came", True, "5 = 5"), Verdict("none failed", False, "2")
TEXT = "{machine}: {sent}\n{rows}\n"


def test_a_good_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Claims that hold are told, and are on the page with the figures."""
    page = tmp_path / "page.md"
    conclude([GOOD], TEXT, page, machine="a machine", sent=5)
    assert "ok    all came: 5 = 5\n" == capsys.readouterr().out
    assert "a machine: 5\n| all came | holds | 5 = 5 |\n" == page.read_text()


def test_a_bad_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A claim that fails is an exit code, and on the page all the same."""
    page = tmp_path / "page.md"
    with pytest.raises(click.exceptions.Exit) as ended:
        conclude([GOOD, BAD], TEXT, page, machine="a machine", sent=5)
    assert 1 == ended.value.exit_code
    assert "FAIL  none failed: 2\n" in capsys.readouterr().out
    assert "| none failed | **fails** | 2 |" in page.read_text()


def test_a_short_run(tmp_path: Path) -> None:
    """Without a page nothing is written."""
    conclude([GOOD], TEXT, None, machine="a machine", sent=5)
    assert [] == list(tmp_path.iterdir())


def test_sizes() -> None:
    """Bytes become MiB."""
    assert "1.0, 2.5" == in_mib([1 << 20, 2.5 * (1 << 20)])
