# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Merging t-digest (see the header for the contract) and the Python class made of it."""

from collections.abc import Iterable

from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from veneurpy.engine.native.quantiles cimport td_quantiles
from veneurpy.engine.native.sort cimport (
    SORT_PADDING, td_merge_centroids, td_merge_values, td_sort_centroids, td_sort_doubles,
)


cdef int td_capacity(double compression) noexcept nogil:
    return <int>(2.0 * compression) + 2


# Half of the share of all samples that a centroid may take, by where it is: a cubic in the square of its distance from
# the median, the quantile less 1/2.
cdef struct Widths:
    double c0
    double c1
    double c2
    double c3


cdef inline Widths _widths(double scale) noexcept nogil:
    """The share is close to x = q * (1 - q), but for two things.

    That alone spends too much on the tails and, the more samples there are, ever more centroids: it is
    (x + 0.005) / (1 + 2 * x), whose denominator gives back to the middle, and whose summand bounds the number of
    centroids. Both constants are measured: p50 to p99.9 are then about as good beside other digests of that size
    (docs/accuracy.md). The cubic is within 0.6 % of it, and known sooner: no centroid ends before its width is.
    """
    cdef Widths w
    w.c0 = 0.085065 * scale
    w.c1 = -0.226695 * scale
    w.c2 = -0.18547 * scale
    w.c3 = -0.914295 * scale
    return w


cdef inline double _half_width(double from_median, const Widths* w) noexcept nogil:
    cdef double v = from_median * from_median
    v = v if v < 0.25 else 0.25
    return (w.c0 + w.c1 * v) + (v * v) * (w.c2 + w.c3 * v)


cdef inline Centroid _centroid(double first, double offset, double weight, double last) noexcept nogil:
    cdef Centroid centroid
    cdef double mean = first + offset / weight
    centroid.mean = mean if mean <= last else last  # rounding must not break the order
    centroid.weight = weight
    return centroid


# A centroid in the making: the items from `first` on whose first three quarters are before the end.
cdef struct Fold:
    double first
    double end                          # in weight before it
    double weight
    double offset                       # sum of weight * (mean - first); never negative, so nothing cancels
    Py_ssize_t items


cdef inline bint _fits(const Fold* f, const Centroid* item, double before) noexcept nogil:
    """To ask for all of an item strands single samples between full centroids, for half makes widths differ a lot."""
    return before + 0.75 * item.weight <= f.end


cdef inline void _add(Fold* f, const Centroid* item, double weight) noexcept nogil:
    f.weight += weight
    f.offset += weight * (item.mean - f.first)


cdef inline void _add_four(Fold* f, const Centroid* items, const double* before) noexcept nogil:
    """Those of the next four that fit, which nobody can foretell: all are added, the others with the weight 0."""
    cdef int64_t bits, fits
    cdef double weight
    cdef int i
    for i in range(4):
        fits = _fits(f, items + i, before[i])
        memcpy(&bits, &items[i].weight, sizeof(int64_t))
        bits &= -fits
        memcpy(&weight, &bits, sizeof(int64_t))
        _add(f, items + i, weight)
        f.items += fits


cdef int _compress(
    const Centroid* items, Py_ssize_t n, const double* before, double scale, Py_ssize_t kept, Centroid* out, int cap
) noexcept nogil:
    """Folds neighbours greedily but for the `kept` on each side; -1 when that takes more than `cap` centroids.

    A centroid is as wide as is allowed in its middle. Where that is, the width of the one before the last tells well
    enough, and is there when it is asked for.
    """
    cdef Widths widths = _widths(scale)
    cdef double inverse = 1.0 / before[n], half, older, next_
    cdef Py_ssize_t count = kept, i = kept, end = n - kept
    cdef Fold f
    memcpy(out, items, kept * sizeof(Centroid))
    half = _half_width(before[kept] * inverse - 0.5, &widths)
    older = half
    while i < end:
        if count + kept == cap:
            return -1
        f.first = items[i].mean
        f.end = before[i] + 2.0 * half * before[n]
        f.weight = items[i].weight
        f.offset = 0.0
        f.items = 1
        next_ = _half_width(before[i] * inverse - 0.5 + 3.0 * older, &widths)
        older = half
        half = next_
        if i + 4 < end:
            _add_four(&f, items + i + 1, before + i + 1)
        while i + f.items < end and _fits(&f, items + i + f.items, before[i + f.items]):
            _add(&f, items + i + f.items, items[i + f.items].weight)
            f.items += 1
        i += f.items
        out[count] = _centroid(f.first, f.offset, f.weight, items[i - 1].mean)
        count += 1
    memcpy(out + count, items + end, kept * sizeof(Centroid))
    return <int>(count + kept)


cdef void _weigh(const Centroid* c, Py_ssize_t n, double* before) noexcept nogil:
    """The weight before each item, and all of it; four items wait once for those before them."""
    cdef double done = 0.0, two
    cdef Py_ssize_t i = 0
    while i + 4 <= n:
        two = c[i].weight + c[i + 1].weight
        before[i] = done
        before[i + 1] = done + c[i].weight
        before[i + 2] = done + two
        before[i + 3] = done + (two + c[i + 2].weight)
        done += two + (c[i + 2].weight + c[i + 3].weight)
        i += 4
    while i < n:
        before[i] = done
        done += c[i].weight
        i += 1
    before[n] = done


cdef int td_compress(
    const Centroid* sorted_in, Py_ssize_t n, double compression, Centroid* out, int cap, double* scratch
) noexcept nogil:
    cdef double scale = 9.3 / compression
    cdef Py_ssize_t kept = <Py_ssize_t>(compression / 8.0)
    cdef Py_ssize_t most = ((n if n < cap else cap) - 1) // 2
    cdef int count
    if n <= 0:
        return 0
    kept = kept if kept < most else most
    _weigh(sorted_in, n, scratch)
    count = _compress(sorted_in, n, scratch, scale, kept, out, cap)
    # On ordinary data once is enough. This ends: from a scale of 1 / 0.005 on everything fits one centroid.
    while count < 0:
        scale *= 1.1
        count = _compress(sorted_in, n, scratch, scale, kept, out, cap)
    return count


cdef enum:
    TAIL = 216
    RAW = 512
    MAX_CAPACITY = 2048


cdef class TDigest:
    """A digest of a stream of numbers that answers quantiles.

    Exact for up to 512 samples; beyond that at most 2 * compression + 2 centroids and 216 samples. The
    compression / 8 smallest and largest samples stay exact.
    Merging is deterministic, and its order changes the answers within the digest's error only.
    """

    cdef readonly double compression
    cdef readonly double min
    cdef readonly double max
    cdef readonly double sum
    cdef readonly double weight
    cdef readonly double reciprocal_sum
    cdef readonly long long count
    cdef double _values[RAW + SORT_PADDING]
    cdef Centroid _pairs[RAW]
    cdef Centroid _centroids[MAX_CAPACITY]
    cdef Py_ssize_t _n_values
    cdef Py_ssize_t _n_pairs
    cdef Py_ssize_t _n_centroids

    def __cinit__(self, double compression=100.0) -> None:
        if not 10.0 <= compression <= 1000.0:
            raise ValueError(f"compression must be in [10, 1000], not {compression}")
        self.compression = compression
        self.min = INFINITY
        self.max = -INFINITY

    def __repr__(self) -> str:
        return (
            f"<TDigest count={self.count} min={self.min} max={self.max} "
            f"centroids={self._n_centroids} raw={self._n_values + self._n_pairs}>"
        )

    @property
    def is_exact(self) -> bool:
        """Whether every sample is still kept as it came."""
        return self._n_centroids == 0

    def add(self, value: float, weight: float = 1.0) -> None:
        """Adds a number that stands for `weight` samples.

        Raises ValueError when either is not finite or the weight is not positive.
        """
        self._add(value, weight)

    def extend(self, values: Iterable[float]) -> None:
        """Adds each number with weight 1."""
        cdef double value
        for value in values:
            self._add(value, 1.0)

    def merge(self, other: TDigest) -> None:
        """Adds all that another digest holds."""
        cdef Centroid theirs[MAX_CAPACITY + 2 * RAW]
        cdef Centroid mine[MAX_CAPACITY + 2 * RAW]
        cdef Centroid both[2 * (MAX_CAPACITY + 2 * RAW)]
        cdef double before[2 * (MAX_CAPACITY + 2 * RAW) + 1]
        cdef Py_ssize_t n
        cdef bint exact
        if other.weight == 0.0:
            return
        exact = (
            self._n_centroids == 0 and other._n_centroids == 0 and
            self._n_values + self._n_pairs + other._n_values + other._n_pairs <= RAW
        )
        n = td_merge_centroids(mine, self._collect(mine), theirs, other._collect(theirs), both)
        self.min = other.min if other.min < self.min else self.min
        self.max = other.max if other.max > self.max else self.max
        self.sum += other.sum
        self.weight += other.weight
        self.reciprocal_sum += other.reciprocal_sum
        self.count += other.count
        self._n_values = 0
        if exact:
            self._n_pairs = n
            memcpy(self._pairs, both, n * sizeof(Centroid))
            return
        self._n_pairs = 0
        self._n_centroids = td_compress(
            both, n, self.compression, self._centroids, td_capacity(self.compression), before
        )

    def quantile(self, q: float) -> float:
        """The number below which the share `q` of the samples lies; NaN of an empty digest."""
        return self.quantiles([q])[0]

    def quantiles(self, qs: Iterable[float]) -> list[float]:
        """Several quantiles at once; `qs` ascending, each in [0, 1]."""
        cdef Centroid all_of_it[MAX_CAPACITY + 2 * RAW]
        cdef double wanted[64]
        cdef double found[64]
        cdef Py_ssize_t n
        targets = list(qs)
        if len(targets) > 64 or targets != sorted(targets):
            raise ValueError("at most 64 quantiles, ascending")
        for i, q in enumerate(targets):
            if not 0.0 <= q <= 1.0:
                raise ValueError(f"a quantile is in [0, 1], not {q}")
            wanted[i] = q
        n = self._collect(all_of_it)
        td_quantiles(
            all_of_it, n, self.weight, self.min, self.max, self._n_centroids == 0,
            wanted, len(targets), found,
        )
        return [found[i] for i in range(len(targets))]

    def centroids(self) -> list[tuple[float, float]]:
        """(mean, weight) of all it holds, ascending; raw samples are centroids of their weight."""
        cdef Centroid all_of_it[MAX_CAPACITY + 2 * RAW]
        cdef Py_ssize_t n = self._collect(all_of_it)
        return [(all_of_it[i].mean, all_of_it[i].weight) for i in range(n)]

    cdef int _add(self, double value, double weight) except -1:
        if not isfinite(value) or not isfinite(weight) or weight <= 0.0:
            raise ValueError(f"not a sample: value {value}, weight {weight}")
        if self._n_values + self._n_pairs == (TAIL if self._n_centroids else RAW):
            self._compact()
        self.min = value if value < self.min else self.min
        self.max = value if value > self.max else self.max
        self.sum += value * weight
        self.weight += weight
        self.reciprocal_sum += weight / value if value != 0.0 else INFINITY
        self.count += 1
        if weight == 1.0:
            self._values[self._n_values] = value
            self._n_values += 1
        else:
            self._pairs[self._n_pairs].mean = value
            self._pairs[self._n_pairs].weight = weight
            self._n_pairs += 1
        return 0

    cdef Py_ssize_t _collect(self, Centroid* out) noexcept nogil:
        """Writes everything, ascending, and returns how many."""
        cdef Centroid scratch[MAX_CAPACITY + RAW]
        cdef double doubles[RAW + SORT_PADDING]
        cdef Py_ssize_t n
        td_sort_doubles(self._values, self._n_values, self._values, doubles)
        if self._n_pairs == 0:
            return td_merge_values(self._centroids, self._n_centroids, self._values, self._n_values, out)
        td_sort_centroids(self._pairs, self._n_pairs, scratch)
        n = td_merge_centroids(self._centroids, self._n_centroids, self._pairs, self._n_pairs, scratch)
        return td_merge_values(scratch, n, self._values, self._n_values, out)

    cdef void _compact(self) noexcept nogil:
        cdef Centroid merged[MAX_CAPACITY + 2 * RAW]
        cdef double before[MAX_CAPACITY + 2 * RAW + 1]
        cdef Py_ssize_t n = self._collect(merged)
        self._n_centroids = td_compress(
            merged, n, self.compression, self._centroids, td_capacity(self.compression), before
        )
        self._n_values = 0
        self._n_pairs = 0
