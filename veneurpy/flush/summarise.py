"""What is computed of histograms and timers, and how those points are called."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from veneurpy.engine import Output, Plan, PointType, Statistic

# In the order in which Veneur emits them.
AGGREGATES = {
    "max": Statistic.MAX,
    "min": Statistic.MIN,
    "sum": Statistic.SUM,
    "avg": Statistic.AVG,
    "count": Statistic.COUNT,
    "median": Statistic.MEDIAN,
    "hmean": Statistic.HMEAN,
}


def plan_of(aggregates: Iterable[str], percentiles: Iterable[float]) -> Plan:
    """The engine's plan for the configured aggregates and percentiles (0 to 1), duplicates removed.

    The count is a counter, as in Veneur; everything else is a gauge.
    """
    wanted = set(aggregates)
    outputs = [
        Output(
            f".{name}",
            statistic,
            PointType.COUNTER if statistic is Statistic.COUNT else PointType.GAUGE,
        )
        for name, statistic in AGGREGATES.items()
        if name in wanted
    ]
    by_suffix = {percentile_suffix(quantile): quantile for quantile in percentiles}
    outputs += [
        Output(suffix, Statistic.QUANTILE, PointType.GAUGE, quantile)
        for suffix, quantile in by_suffix.items()
    ]
    return Plan(tuple(outputs))


def percentile_suffix(quantile: float) -> str:
    """What follows the name: ".50percentile" for 0.5, ".5…" for 0.05, ".999…" for 0.999.

    Unlike Veneur's `int(p * 100)`, no two quantiles share a name.
    """
    if quantile == 1:
        return ".100percentile"
    decimals = format(Decimal(repr(quantile)).normalize(), "f").partition(".")[2].ljust(2, "0")
    if len(decimals) == 2:
        decimals = decimals.removeprefix("0")
    return f".{decimals}percentile"
