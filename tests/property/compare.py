"""When two outcomes are the same, up to what the order of additions may change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tests.engines import Datagram, Outcome, Row
from veneurpy.engine import EngineOptions, MetricType, Output, Plan, PointType, Statistic
from veneurpy.engine.reference_parser import LineParser

SUM_TOLERANCE = 1e-12
QUANTILE_TOLERANCE = 1e-7
"""Of the range; targets are rounded, and one sample may weigh a millionth of another."""
QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.99, 1.0)
PLAN = Plan(
    (
        *(
            Output(f"#{word.name.lower()}", word, PointType.GAUGE)
            for word in Statistic
            if word is not Statistic.QUANTILE
        ),
        *(Output(f"#q{q}", Statistic.QUANTILE, PointType.GAUGE, q) for q in QUANTILES),
    )
)
"""Every statistic, with suffixes that cannot be mistaken for a part of the name."""

_SUMS = (MetricType.COUNTER, MetricType.GAUGE)
"""Whose value may be one: of changes, for a gauge."""
Weights = Mapping[str, float]
"""The sum of |v/r| by the name of a series."""
Series = tuple[object, ...]
Statistics = dict[str, float]
"""By their suffix; one of no name for counters, gauges and sets."""


def weights(datagrams: Iterable[Datagram], options: EngineOptions) -> Weights:
    """What sums are measured by. That the last line of a cut datagram is in it does no harm."""
    parser = LineParser(options.grammar)
    total: dict[str, float] = defaultdict(float)
    for datagram in datagrams:
        for line in datagram.data[: options.max_datagram_bytes].split(b"\n"):
            metric = parser.parse(line.removesuffix(b"\r"))
            if not isinstance(metric, str):
                total[metric.name.decode()] += sum(abs(v) / metric.rate for v in metric.values)
    return total


def differences(left: Outcome, right: Outcome, total: Weights) -> list[str]:
    """The points that differ beyond rounding."""
    mine, theirs = _by_series(left.rows), _by_series(right.rows)
    found = [f"only one has {series}" for series in mine.keys() ^ theirs.keys()]
    for series in mine.keys() & theirs.keys():
        ours, others, weight = mine[series], theirs[series], total[str(series[0])]
        found += [
            f"{series} {name}: {ours.get(name)!r} != {others.get(name)!r}"
            for name in ours.keys() | others.keys()
            if not _is_close(series, name, ours, others, weight)
        ]
    return found


def _by_series(rows: list[Row]) -> dict[Series, Statistics]:
    found: dict[Series, Statistics] = defaultdict(dict)
    for row in rows:
        name, statistic = row.name, ""
        if row.series_type in (MetricType.HISTOGRAM, MetricType.TIMER):
            name, _, statistic = row.name.rpartition("#")
        statistics = found[(name, *row[1:-1])]
        assert statistic not in statistics, f"twice: {row}"
        statistics[statistic] = row.value
    return found


def _is_close(
    series: Series, name: str, ours: Statistics, others: Statistics, weight: float
) -> bool:
    if name == "hmean" and ours["min"] <= 0 <= ours["max"]:
        # With mixed signs it is at the mercy of rounding, its existence included.
        return ours["min"] < 0 < ours["max"] or ours.get(name) == others.get(name)
    if name not in ours or name not in others:
        return False
    left, right = ours[name], others[name]
    return left == right or abs(left - right) <= _tolerance(series, name, ours, weight)


def _tolerance(series: Series, name: str, statistics: Statistics, weight: float) -> float:
    if name == "":
        return SUM_TOLERANCE * weight if series[2] in _SUMS else 0
    if name == "sum":
        return SUM_TOLERANCE * weight
    if name == "avg":
        return SUM_TOLERANCE * weight / statistics["count"]
    if name in ("count", "hmean"):
        return SUM_TOLERANCE * abs(statistics[name])
    if name == "median" or name.startswith("q"):
        return QUANTILE_TOLERANCE * (statistics["max"] - statistics["min"])
    return 0
