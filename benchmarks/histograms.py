"""Histograms of times: item i counts what took less than 2^i nanoseconds, and not 2^(i-1)."""

from __future__ import annotations

from collections.abc import Sequence


def added(histograms: Sequence[Sequence[int]]) -> list[int]:
    """All of them as one."""
    return [sum(column) for column in zip(*histograms, strict=True)]


def bound_ms(bucket: int) -> float:
    """What everything in a bucket is below."""
    return float(2**bucket) / 1e6


def quantile_ms(histogram: Sequence[int], quantile: float) -> float:
    """The bound of the bucket that holds the quantile; 1 is the bound of all."""
    rank = quantile * sum(histogram)
    seen = 0
    for bucket, count in enumerate(histogram):
        seen += count
        if seen and seen >= rank:
            return bound_ms(bucket)
    return 0.0
