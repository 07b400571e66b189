"""Times in buckets of powers of two."""

from __future__ import annotations

import pytest

from benchmarks.histograms import added, quantile_ms


@pytest.mark.parametrize(
    ("quantile", "expected_ns"),
    [
        pytest.param(0.5, 4, id="the median"),
        pytest.param(0.9, 4, id="the last below"),
        pytest.param(0.91, 16, id="the first above"),
        pytest.param(1.0, 16, id="the longest"),
    ],
)
def test_quantiles(quantile: float, expected_ns: int) -> None:
    """A quantile is the upper bound of the bucket that holds it."""
    assert expected_ns / 1e6 == quantile_ms([0, 0, 9, 0, 1, 0], quantile)


def test_nothing_measured() -> None:
    """No times have no quantile above 0."""
    assert quantile_ms([0, 0], 1.0) == 0


def test_added() -> None:
    """Histograms add up bucket by bucket."""
    assert [4, 6] == added([[1, 2], [3, 4]])
