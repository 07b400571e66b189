from collections.abc import Iterable
from typing import Self

from typing_extensions import disjoint_base

@disjoint_base
class TDigest:
    """A digest of a stream of numbers that answers quantiles.

    Exact for up to 512 samples; beyond that at most 2 * compression + 2 centroids and 216 samples.
    The compression / 8 smallest and largest samples stay exact.
    Merging is deterministic, and its order changes the answers within the digest's error only.
    """

    def __new__(cls, compression: float = 100.0) -> Self: ...
    @property
    def compression(self) -> float: ...
    @property
    def min(self) -> float:
        """Infinity of an empty digest."""

    @property
    def max(self) -> float:
        """Minus infinity of an empty digest."""

    @property
    def sum(self) -> float:
        """The sum of value * weight."""

    @property
    def weight(self) -> float:
        """The sum of the weights."""

    @property
    def count(self) -> int:
        """How many samples were added, whatever their weights."""

    @property
    def reciprocal_sum(self) -> float:
        """The sum of weight / value; infinity once a value was 0."""

    @property
    def is_exact(self) -> bool:
        """Whether every sample is still kept as it came."""

    def add(self, value: float, weight: float = 1.0) -> None:
        """Adds a number that stands for `weight` samples.

        Raises ValueError when either is not finite or the weight is not positive.
        """

    def extend(self, values: Iterable[float]) -> None:
        """Adds each number with weight 1."""

    def merge(self, other: TDigest) -> None:
        """Adds all that another digest holds."""

    def quantile(self, q: float) -> float:
        """The number below which the share `q` of the samples lies; NaN of an empty digest."""

    def quantiles(self, qs: Iterable[float]) -> list[float]:
        """Several quantiles at once; `qs` ascending, each in [0, 1]."""

    def centroids(self) -> list[tuple[float, float]]:
        """(mean, weight) of all it holds, ascending; raw samples are centroids of their weight."""
