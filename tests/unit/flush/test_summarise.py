"""What is computed of histograms, and how it is called."""

from __future__ import annotations

import pytest

from veneurpy.engine import PointType, Statistic
from veneurpy.flush.summarise import AGGREGATES, percentile_suffix, plan_of


@pytest.mark.parametrize(
    ("quantile", "suffix"),
    [
        (0.05, ".5percentile"),
        (0.5, ".50percentile"),
        (0.1, ".10percentile"),
        (0.01, ".1percentile"),
        (0.29, ".29percentile"),
        (0.57, ".57percentile"),
        (0.75, ".75percentile"),
        (0.99, ".99percentile"),
        (0.999, ".999percentile"),
        (0.9999, ".9999percentile"),
        (0.005, ".005percentile"),
        (0.001, ".001percentile"),
        (1e-7, ".0000001percentile"),
        (1, ".100percentile"),
        (1.0, ".100percentile"),
        (0, ".0percentile"),
        (0.0, ".0percentile"),
    ],
)
def test_percentiles_are_named_by_their_decimals(quantile: float, suffix: str) -> None:
    """No two quantiles share a name."""
    assert suffix == percentile_suffix(quantile)


def test_no_two_of_a_thousand_quantiles_share_a_name() -> None:
    """Thousandths and hundredths are told apart."""
    quantiles = {number / 1000 for number in range(1001)}
    assert len(quantiles) == len({percentile_suffix(quantile) for quantile in quantiles})


def test_the_order_is_that_of_veneur() -> None:
    """Aggregates in a fixed order, whatever the configuration's, then the percentiles in its."""
    plan = plan_of(["count", "hmean", "min", "median", "sum", "avg", "max"], [0.99, 0.5])
    expected = [".max", ".min", ".sum", ".avg", ".count", ".median", ".hmean"]
    expected += [".99percentile", ".50percentile"]
    assert expected == [output.suffix for output in plan.histograms]


def test_only_the_count_is_a_counter() -> None:
    """Everything else is a gauge."""
    plan = plan_of(AGGREGATES, [0.5])
    counters = [o.statistic for o in plan.histograms if o.type is PointType.COUNTER]
    assert [Statistic.COUNT] == counters


def test_duplicates_are_computed_once() -> None:
    """A percentile given twice makes one point."""
    plan = plan_of(["max", "max"], [0.5, 0.50, 0.5])
    assert [".max", ".50percentile"] == [output.suffix for output in plan.histograms]
    assert plan.histograms[-1].quantile == 0.5
