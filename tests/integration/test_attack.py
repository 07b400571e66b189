"""The cardinality attack, briefly."""

from __future__ import annotations

from benchmarks.attacking import Attack, run, verdicts


def test_attack() -> None:
    """Series without number cost nobody else anything: every claim of the attack's page holds."""
    attack = Attack(
        seconds=2.5,
        rate=40_000,
        known_rate=1_000,
        interval_s=0.5,
        store_max_bytes=24 << 20,
        max_series_per_name=8_000,
    )
    damage = run(attack)

    assert [] == [verdict for verdict in verdicts(attack, damage) if not verdict.holds]
    assert damage.folded > 0
