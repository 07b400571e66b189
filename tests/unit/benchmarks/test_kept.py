"""The table of instructions."""

from __future__ import annotations

from benchmarks.kept import moved


def test_what_moved() -> None:
    """More than 2 % either way is named, with both counts; what is new is not."""
    before = {"same": 100.0, "more": 100.0, "less": 100.0}
    now = {"same": 101.9, "more": 103.0, "less": 97.0, "new": 5.0}
    assert ["more (100.0 to 103.0)", "less (100.0 to 97.0)"] == moved(before, now)
