"""The distribution of a histogram or timer: exact while small, then a `tdigest.TDigest`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tdigest import TDigest

EXACT_SAMPLES = 512
"""Up to here quantiles are those of the samples themselves."""
_BATCH = 1024
"""Samples that wait to be folded into the digest together: an insertion takes some 40 us."""
_MAX_CENTROIDS = 1000
"""The digest compresses itself beyond this many."""

Sample = tuple[float, float]
"""(value, weight)"""
Span = tuple[float, float, float]
"""(weight, lower, upper): that much lies evenly between the two"""


@dataclass(slots=True)
class Moments:
    """What is known of weighted samples without keeping them."""

    weight: float = 0.0
    sum: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")
    reciprocal_sum: float = 0.0
    """Of the samples that are not 0."""
    zeros: float = 0.0
    """The weight of those that are."""

    def add(self, value: float, weight: float) -> None:
        """Takes one sample."""
        self.weight += weight
        self.sum += value * weight
        if value:
            self.reciprocal_sum += weight / value
        else:
            self.zeros += weight
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)

    def merge(self, other: Moments) -> None:
        """Takes all samples of the other."""
        self.weight += other.weight
        self.sum += other.sum
        self.reciprocal_sum += other.reciprocal_sum
        self.zeros += other.zeros
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)


class Distribution:
    """Weighted samples of one series: exact moments and extremes, and quantiles."""

    def __init__(self, compression: float) -> None:
        self._compression = compression
        self._pending: list[Sample] = []
        self._digest: TDigest | None = None
        self._is_digested = False
        self.moments = Moments()

    @property
    def is_exact(self) -> bool:
        """Whether every sample is kept as it came, and few enough for Veneur's interpolation."""
        return (
            self._digest is None and not self._is_digested and len(self._pending) <= EXACT_SAMPLES
        )

    def add(self, value: float, weight: float) -> None:
        """Takes one sample."""
        self.moments.add(value, weight)
        self._keep([(value, weight)])

    def add_centroids(
        self, centroids: Sequence[Sample], moments: Moments, *, is_exact: bool
    ) -> None:
        """Takes another digest's samples, of which `moments` is true; centroids are samples if
        they are `exact`."""
        self.moments.merge(moments)
        self._is_digested |= not is_exact
        self._keep(centroids)

    def merge(self, other: Distribution) -> None:
        """Takes all samples of another one, which stays as it is."""
        self.moments.merge(other.moments)
        self._is_digested |= other._is_digested
        if other._digest is not None:
            self._insert([(c.mean, c.count) for c in other._digest.C.values()])
        self._keep(other._pending)

    def centroids(self) -> list[Sample]:
        """(mean, weight), ascending: of each sample while `is_exact`."""
        if self.is_exact:
            return sorted(self._pending)
        return [(c.mean, c.count) for c in self._fold().C.values()]

    def quantiles(self, quantiles: Sequence[float]) -> list[float]:
        """The values at `quantiles` (0 to 1), monotone and within the extremes."""
        moments, centroids = self.moments, self.centroids()
        spans = list(_even_spans(centroids, moments.minimum, moments.maximum))
        if not self.is_exact:
            spans = list(_narrowed(iter(spans), centroids, self._compression))
        return [self._at(quantile, spans) for quantile in quantiles]

    def _at(self, quantile: float, spans: Sequence[Span]) -> float:
        if quantile in (0, 1):
            return self.moments.maximum if quantile else self.moments.minimum
        target = quantile * sum(weight for weight, _, _ in spans)
        before = 0.0
        for weight, lower, upper in spans:
            if target <= before + weight:
                return min(lower + (target - before) / weight * (upper - lower), upper)
            before += weight
        return self.moments.maximum

    def _keep(self, samples: Sequence[Sample]) -> None:
        self._pending.extend(samples)
        if len(self._pending) > _BATCH:
            self._fold()

    def _fold(self) -> TDigest:
        pending, self._pending = self._pending, []
        return self._insert(list(_clusters(sorted(pending), self._compression)))

    def _insert(self, centroids: list[Sample]) -> TDigest:
        if self._digest is None:
            delta = 1 / self._compression
            self._digest = TDigest(delta, K=_MAX_CENTROIDS * delta)
        # In ascending order nearly every insertion would become a centroid of its own.
        random.Random(len(centroids)).shuffle(centroids)
        for mean, weight in centroids:
            self._digest.update(mean, weight)
        return self._digest


def _even_spans(samples: Sequence[Sample], minimum: float, maximum: float) -> Iterator[Span]:
    """Veneur's: a sample reaches half-way to each of its neighbours."""
    borders = [(left + right) / 2 for (left, _), (right, _) in pairwise(samples)]
    reaches = pairwise([minimum, *borders, maximum])
    for (_, weight), (lower, upper) in zip(samples, reaches, strict=True):
        yield weight, lower, upper


def _narrowed(
    spans: Iterator[Span], centroids: Sequence[Sample], compression: float
) -> Iterator[Span]:
    """A centroid that is far too heavy for its place is many samples of one value."""
    total = sum(weight for _, weight in centroids)
    before = 0.0
    for (mean, weight), span in zip(centroids, spans, strict=True):
        limit = 2 * _limit((before + weight / 2) / total, total, compression)
        yield (weight, mean, mean) if weight > limit else span
        before += weight


def _limit(quantile: float, total: float, compression: float) -> float:
    """How heavy a centroid of the package's digest may be."""
    return 4 * total / compression * quantile * (1 - quantile)


def _clusters(samples: Sequence[Sample], compression: float) -> Iterator[Sample]:
    """Folds neighbours, few at the tails, more in the middle, well below the digest's own limit."""
    if not samples:
        return
    total = sum(weight for _, weight in samples)
    before = 0.0
    mean, weight = samples[0]
    for value, more in samples[1:]:
        quantile = (before + (weight + more) / 2) / total
        if weight + more <= _limit(quantile, total, compression) / 2:
            weight += more
            mean += (value - mean) * (more / weight)
        else:
            yield mean, weight
            before += weight
            mean, weight = value, more
    yield mean, weight
