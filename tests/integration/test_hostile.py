"""Hostile peers, briefly."""

from __future__ import annotations

from benchmarks.hostile_peers import Force
from benchmarks.siege import Siege, run
from benchmarks.siege_claims import verdicts


def test_siege() -> None:
    """They cost nobody else a line, and everything is counted: every claim of the page holds."""
    force = Force(
        ("", 0),
        "",
        idle=300,
        slow=50,
        endless=3,
        garbage=3,
        half_frames=20,
        bad_frames=20,
        resets=20,
    )
    siege = Siege(
        seconds=5, calm_s=0.5, interval_s=1, idle_timeout_s=1.5, max_held_bytes=4 << 20, force=force
    )
    assert [] == [verdict for verdict in verdicts(siege, run(siege)) if not verdict.holds]
