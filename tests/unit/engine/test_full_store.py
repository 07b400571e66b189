"""The native engine at its memory's end, and under an attack on cardinality."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.engines import START_MS, Outcome, broken_equations, close_interval, needs_native
from veneurpy.engine import (
    FOLDED_TAG,
    Budget,
    EngineOptions,
    MetricType,
    Output,
    Plan,
    PointType,
    Statistic,
    open_engine,
)

pytestmark = needs_native

PLAN = Plan(
    (
        Output(".sum", Statistic.SUM, PointType.GAUGE),
        Output(".count", Statistic.COUNT, PointType.COUNTER),
        Output(".min", Statistic.MIN, PointType.GAUGE),
        Output(".max", Statistic.MAX, PointType.GAUGE),
    )
)
UNBOUNDED = (Budget(max_series=0),)


def test_full_store_folds() -> None:
    """When memory is at its end known series stay exact and a name's total is what was sent."""
    outcome, committed = _fill(b"c", series=30_000, rounds=2)
    sums = _sums(outcome)

    assert 60_000 == sums["a"]
    assert committed <= 1 << 22
    assert outcome.total.folded > 0
    assert 0 == outcome.total.values_rejected["store_full"]
    known = [row.value for row in outcome.rows if FOLDED_TAG not in row.tags]
    assert {2.0} == set(known)
    assert len(known) > 1000


@pytest.mark.parametrize("values", [1, 3, 40])
def test_full_store_keeps_timers_exact_in_sum(values: int) -> None:
    """Timers that cannot grow are compacted or folded: sum and count of the name stay right."""
    outcome, committed = _fill(b"ms", series=8_000, rounds=values)
    sums = _sums(outcome)

    assert committed <= 1 << 22
    assert [] == [b for _, a in outcome.accounts for b in broken_equations(a)]
    assert 8_000 * values == sums["a.count"] + outcome.total.values_rejected["store_full"]
    assert 0 == outcome.total.values_rejected["store_full"]
    assert 8_000 * values == sums["a.sum"]


def test_full_store_keeps_growing_timers() -> None:
    """One timer that is known goes on counting when series without number fill the store."""
    options = EngineOptions(store_max_bytes=1 << 22, budgets=UNBOUNDED)
    engine = open_engine("native", options, start_ms=START_MS)
    reader = engine.open_reader("x")
    for i in range(3_000):
        lines = [b"a:1|c|#i:%d.%d" % (i, j) for j in range(10)]
        reader.feed(b"\n".join([b"known:%d|ms" % (i % 100), *lines]))
    outcome = close_interval(engine, PLAN)
    engine.close()
    rows = {row.name: row.value for row in outcome.rows if not row.tags}

    assert 3_000 == rows["known.count"]
    assert sum(i % 100 for i in range(3_000)) == rows["known.sum"]
    assert (0.0, 99.0) == (rows["known.min"], rows["known.max"])


def test_sets_in_a_full_store() -> None:
    """No member of a set is lost without being counted."""
    outcome, committed = _fill(b"s", series=3_000, rounds=30)

    assert committed <= 1 << 22
    assert [] == [b for _, a in outcome.accounts for b in broken_equations(a)]
    assert outcome.total.folded > 0


def test_attack() -> None:
    """A random tag value in every sample: memory stays within its bound, other names are exact."""
    options = EngineOptions(store_max_bytes=16 << 20, budgets=(Budget(max_series=1000),))
    engine = open_engine("native", options, start_ms=START_MS)
    reader = engine.open_reader("x")
    for i in range(2_000):
        lines = [b"attack:1|c|#path:/,id:%d" % (100 * i + j) for j in range(100)]
        reader.feed(b"\n".join([*lines, b"other:1|c|#path:/", b"timer:%d|ms" % i]))
    committed = engine.committed_bytes  # type: ignore[attr-defined]
    outcome = close_interval(engine, PLAN)
    engine.close()
    values = {(row.name, row.tags): row.value for row in outcome.rows}

    assert committed <= 16 << 20
    assert 2_000 == values["other", ("path:/",)] == values["timer.count", ()]
    assert 200_000 - 1000 == values["attack", (FOLDED_TAG,)] == outcome.total.folded
    assert 1000 + 1 + 1 + 1 == outcome.series


def test_budgets_leave_the_reserve_alone() -> None:
    """What is folded for a budget takes nothing of what is kept for when the store is full."""
    budgets = (Budget("early", max_series=1), *UNBOUNDED)
    engine = open_engine(
        "native", EngineOptions(store_max_bytes=1 << 24, budgets=budgets), start_ms=START_MS
    )
    reader = engine.open_reader("x")
    for i in range(4_000):
        reader.feed(b"early%d:1|c|#i:1\nearly%d:1|c|#i:2" % (i, i))
    for i in range(1_000):
        reader.feed(b"late%d:1|c" % i)
    for i in range(800):
        reader.feed(b"\n".join(b"fill:1|c|#i:%d.%d" % (i, j) for j in range(100)))
    for i in range(1_000):
        reader.feed(b"late%d:1|c|#new" % i)
    outcome = close_interval(engine, PLAN)
    engine.close()

    assert outcome.total.folded > 4_000 + 1_000
    assert 0 == outcome.total.values_rejected["store_full"]
    assert 2_000 == sum(row.value for row in outcome.rows if row.name.startswith("late"))


def _fill(type_: bytes, series: int, rounds: int) -> tuple[Outcome, int]:
    """So many series of the name `a`, each with one value a round, in an arena of two megabytes."""
    options = EngineOptions(store_max_bytes=1 << 22, budgets=UNBOUNDED)
    engine = open_engine("native", options, start_ms=START_MS)
    reader = engine.open_reader("x")
    for i in range(rounds):
        for start in range(0, series, 100):
            value = b"%d" % i if type_ == b"s" else b"1"
            lines = (b"a:%s|%s|#id:%d" % (value, type_, j) for j in range(start, start + 100))
            reader.feed(b"\n".join(lines))
    committed = engine.committed_bytes  # type: ignore[attr-defined]
    outcome = close_interval(engine, PLAN)
    engine.close()
    return outcome, committed


def _sums(outcome: Outcome) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for row in outcome.rows:
        if row.series_type is not MetricType.GAUGE:
            sums[row.name] += row.value
    return sums
