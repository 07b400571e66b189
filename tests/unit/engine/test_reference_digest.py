"""Distributions of the reference beyond the samples that it keeps."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable

import pytest

from veneurpy.engine.reference_digest import EXACT_SAMPLES, Distribution

QUANTILES = [0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0]
RANK_ERROR = 0.01
SHAPES: dict[str, Callable[[random.Random], float]] = {
    "uniform": lambda rng: rng.random(),
    "normal": lambda rng: rng.gauss(0, 1),
    "heavy-tailed": lambda rng: rng.paretovariate(1.1),
    "few-values": lambda rng: float(rng.randrange(5)),
    "constant": lambda rng: 3.0,
}


def filled(samples: list[float], weight: float = 1.0) -> Distribution:
    distribution = Distribution(100.0)
    for sample in samples:
        distribution.add(sample, weight)
    return distribution


def rank_error(samples: list[float], quantile: float, estimate: float) -> float:
    low = bisect_left(samples, estimate) / len(samples)
    high = bisect_right(samples, estimate) / len(samples)
    return max(low - quantile, quantile - high, 0.0)


@pytest.mark.parametrize("shape", SHAPES)
def test_error(shape: str) -> None:
    """Ranks are within a hundredth, extremes exact, and quantiles monotone."""
    rng = random.Random(7)
    samples = [SHAPES[shape](rng) for _ in range(4000)]
    estimates = filled(samples).quantiles(QUANTILES)
    samples.sort()

    assert sorted(estimates) == estimates
    assert (samples[0], samples[-1]) == (estimates[0], estimates[-1])
    for quantile, estimate in zip(QUANTILES, estimates, strict=True):
        assert rank_error(samples, quantile, estimate) <= RANK_ERROR


def test_merged_parts_are_as_good_as_the_whole() -> None:
    """A merge of digests and of exact parts keeps the error, the moments and its parts."""
    rng = random.Random(8)
    samples = [rng.expovariate(1) for _ in range(4200)]
    parts = [filled(samples[:2000]), filled(samples[2000:4000]), filled(samples[4000:])]
    merged = Distribution(100.0)
    for part in parts:
        merged.merge(part)
    samples.sort()

    assert 4200 == merged.moments.weight
    assert pytest.approx(sum(samples), rel=1e-12) == merged.moments.sum
    assert (samples[0], samples[-1]) == (merged.moments.minimum, merged.moments.maximum)
    for quantile, estimate in zip(QUANTILES, merged.quantiles(QUANTILES), strict=True):
        assert rank_error(samples, quantile, estimate) <= RANK_ERROR
    assert 2000 == parts[0].moments.weight


@pytest.mark.parametrize("n", [1, EXACT_SAMPLES])
def test_exact_while_small(n: int) -> None:
    """Up to the limit the median is the samples' own, in parts as well."""
    samples = [float(i * i) for i in range(n)]
    parts = Distribution(100.0)
    parts.merge(filled(samples[: n // 2]))
    parts.merge(filled(samples[n // 2 :]))
    whole = filled(samples).quantiles([0.5])

    assert [sum(samples[(n - 1) // 2 : n // 2 + 1]) / (1 + (n + 1) % 2)] == whole
    assert whole == parts.quantiles([0.5])


def test_weights_count() -> None:
    """A sample of weight 10 is as ten samples, beyond the exact limit too."""
    distribution = filled([float(i) for i in range(1000)])
    distribution.merge(filled([float(i) for i in range(1000, 2000)], weight=9.0))

    assert 10_000 == distribution.moments.weight
    assert pytest.approx(1444, abs=40) == distribution.quantiles([0.5])[0]


def test_enormous_values_are_no_trouble() -> None:
    """Values at the limit, heavily weighted, give quantiles between the extremes."""
    distribution = Distribution(100.0)
    for i in range(2000):
        distribution.add((-1.0) ** i * 1e272, 1e18)

    assert all(-1e272 <= value <= 1e272 for value in distribution.quantiles(QUANTILES))
