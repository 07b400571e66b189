"""Histograms of times in nanoseconds: item i counts i, and from 8 on an eighth of an octave."""

from __future__ import annotations

from collections.abc import Sequence

AN_OCTAVE = 8


def added(histograms: Sequence[Sequence[int]]) -> list[int]:
    """All of them as one."""
    return [sum(column) for column in zip(*histograms, strict=True)]


def bound_ms(bucket: int) -> float:
    """What everything in a bucket is below."""
    octave, part = divmod(bucket, AN_OCTAVE)
    if octave == 0:
        return (part + 1) / 1e6
    return (AN_OCTAVE + part + 1) * 2.0 ** (octave - 1) / 1e6


def quantile_ms(histogram: Sequence[int], quantile: float) -> float:
    """The bound of the bucket that holds the quantile; 1 is the bound of all."""
    rank = quantile * sum(histogram)
    seen = 0
    for bucket, count in enumerate(histogram):
        seen += count
        if seen and seen >= rank:
            return bound_ms(bucket)
    return 0.0


def octaves(histogram: Sequence[int]) -> list[tuple[float, int]]:
    """For each octave that has something, its bound in milliseconds and its number."""
    found = []
    for start in range(0, len(histogram), AN_OCTAVE):
        count = sum(histogram[start : start + AN_OCTAVE])
        if count:
            found.append((bound_ms(start + AN_OCTAVE - 1), count))
    return found
