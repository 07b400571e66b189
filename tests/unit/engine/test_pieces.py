"""Columns of an interval so large that the native engine makes them in pieces."""

from __future__ import annotations

import pytest

from tests.engines import Datagram, needs_native, run
from veneurpy.engine import EngineOptions, Output, Plan, PointType, Statistic

pytestmark = needs_native

PLAN = Plan(
    (
        Output(".max", Statistic.MAX, PointType.GAUGE),
        Output(".count", Statistic.COUNT, PointType.COUNTER),
        Output(".50percentile", Statistic.QUANTILE, PointType.GAUGE, 0.5),
    )
)
SERIES = 5000
"""Several pieces, the last of them not full."""
TYPES = (b"c", b"g", b"s", b"ms")


def _lines(*, same_names: bool) -> list[bytes]:
    """Of all types; names come again in other pieces, with the same type or with others."""
    names = 700 if same_names else 699
    return [
        b"shop.%d:%d|%s|#id:%d,of:%d" % (i % names, i % 90, TYPES[i % len(TYPES)], i, i % 3)
        for i in range(SERIES)
    ]


@pytest.mark.parametrize("same_names", [True, False], ids=["one type", "several types"])
@pytest.mark.parametrize("last", [b"", b"shop.again:1|c|#b,a"], ids=["in pieces", "as a whole"])
def test_columns_are_those_of_the_reference(same_names: bool, last: bytes) -> None:
    """Rows, accounts and conflicts are the same, however the merge goes about them."""
    datagrams = [Datagram(line) for line in [*_lines(same_names=same_names), last] if line]
    options = EngineOptions(store_max_bytes=64 << 20)
    expected = run("python", datagrams, PLAN, options)

    assert SERIES + bool(last) == expected.series
    assert same_names is not bool(expected.type_conflicts)
    assert expected == run("native", datagrams, PLAN, options)
