"""Times in buckets, eight to an octave."""

from __future__ import annotations

import pytest

from benchmarks.histograms import added, bound_ms, octaves, quantile_ms


@pytest.mark.parametrize(
    ("quantile", "expected_ns"),
    [
        pytest.param(0.5, 3, id="the median"),
        pytest.param(0.9, 3, id="the last below"),
        pytest.param(0.91, 5, id="the first above"),
        pytest.param(1.0, 5, id="the longest"),
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


def _bucket_of(ns: int) -> int:
    """As the receivers have it."""
    top = max(ns, 8).bit_length() - 1
    return 8 * (top - 3) + (ns >> (top - 3))


@pytest.mark.parametrize("ns", [0, 7, 8, 15, 16, 17, 31, 4_999_999, 2**39])
def test_bounds(ns: int) -> None:
    """A bucket's bound is above all that it counts, by an eighth at the most."""
    bucket = _bucket_of(ns)
    assert ns < bound_ms(bucket) * 1e6 <= max(ns + 1, ns * 9 / 8)
    assert bucket == 0 or bound_ms(bucket - 1) * 1e6 <= ns


def test_octaves() -> None:
    """What an octave has is one number; one without any is left out."""
    assert [(8e-6, 3), (32e-6, 4)] == octaves([1] * 3 + [0] * 13 + [1] * 4)
