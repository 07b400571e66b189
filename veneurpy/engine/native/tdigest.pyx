# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Merging t-digest (see the header for the contract) and the Python class made of it."""

from collections.abc import Iterable

from libc.math cimport INFINITY, NAN, isfinite
from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memcpy, memmove


cdef extern from *:
    """
    /* The bits of doubles are sorted where they lie: an integer type that may alias them. */
    typedef int64_t __attribute__((may_alias)) td_key;
    """
    ctypedef int64_t td_key


cdef enum:
    LEAF = 8
    FEW = 12


cdef struct Knot:
    double rank
    double value


cdef int td_capacity(double compression) noexcept nogil:
    return <int>(2.0 * compression) + 2


cdef inline td_key _flip(td_key bits) noexcept nogil:
    """Bits of a double <-> an integer of the same order; its own inverse."""
    return bits ^ ((bits >> 63) & INT64_MAX)


cdef inline void _order(td_key* k, int i, int j) noexcept nogil:
    cdef td_key low = k[i] if k[i] < k[j] else k[j]
    cdef td_key high = k[j] if k[i] < k[j] else k[i]
    k[i] = low
    k[j] = high


cdef void _sort_leaf(td_key* keys, Py_ssize_t n, td_key* out) noexcept nogil:
    """Sorts at most 8 keys with a network of 19 comparators: no branch depends on a value."""
    cdef td_key k[LEAF]
    cdef Py_ssize_t i
    for i in range(LEAF):
        k[i] = INT64_MAX
    memcpy(k, keys, n * sizeof(td_key))
    _order(k, 0, 2)
    _order(k, 1, 3)
    _order(k, 4, 6)
    _order(k, 5, 7)
    _order(k, 0, 4)
    _order(k, 1, 5)
    _order(k, 2, 6)
    _order(k, 3, 7)
    _order(k, 0, 1)
    _order(k, 2, 3)
    _order(k, 4, 5)
    _order(k, 6, 7)
    _order(k, 2, 4)
    _order(k, 3, 5)
    _order(k, 1, 4)
    _order(k, 3, 6)
    _order(k, 1, 2)
    _order(k, 3, 4)
    _order(k, 5, 6)
    memcpy(out, k, n * sizeof(td_key))


cdef void _merge_halves(const td_key* a, Py_ssize_t n, td_key* out) noexcept nogil:
    """Merges the sorted halves a[:n // 2] and a[n // 2:] from both ends at once, without branches.

    Each end takes n // 2 keys, so neither can run out of either half.
    """
    cdef Py_ssize_t half = n // 2
    cdef const td_key* left = a
    cdef const td_key* right = a + half
    cdef const td_key* left_end = a + half - 1
    cdef const td_key* right_end = a + n - 1
    cdef Py_ssize_t i, take
    for i in range(half):
        take = left[0] <= right[0]
        out[i] = left[0] if take else right[0]
        left += take
        right += 1 - take
        take = left_end[0] > right_end[0]
        out[n - 1 - i] = left_end[0] if take else right_end[0]
        left_end -= take
        right_end -= 1 - take
    if n & 1:
        out[half] = left[0] if left <= left_end else right[0]


cdef void _sort_keys(td_key* keys, Py_ssize_t n, td_key* scratch, bint to_scratch) noexcept nogil:
    """Sorts keys[:n] into scratch or in place; either way both arrays are overwritten."""
    cdef Py_ssize_t half = n // 2
    if n <= LEAF:
        _sort_leaf(keys, n, scratch if to_scratch else keys)
        return
    _sort_keys(keys, half, scratch, not to_scratch)
    _sort_keys(keys + half, n - half, scratch + half, not to_scratch)
    if to_scratch:
        _merge_halves(keys, n, scratch)
    else:
        _merge_halves(scratch, n, keys)


cdef void td_sort_doubles(double* values, Py_ssize_t n, double* scratch) noexcept nogil:
    cdef td_key* keys = <td_key*>values
    cdef Py_ssize_t i
    for i in range(n):
        keys[i] = _flip(keys[i])
    _sort_keys(keys, n, <td_key*>scratch, False)
    for i in range(n):
        keys[i] = _flip(keys[i])


cdef inline bint _before(const Centroid* a, const Centroid* b) noexcept nogil:
    cdef td_key key_a, key_b
    if a.mean != b.mean:
        return a.mean < b.mean
    memcpy(&key_a, &a.mean, sizeof(td_key))
    memcpy(&key_b, &b.mean, sizeof(td_key))
    if key_a != key_b:  # -0.0 and 0.0
        return key_a < key_b
    return a.weight < b.weight


cdef void _insertion_sort(Centroid* centroids, Py_ssize_t n) noexcept nogil:
    cdef Centroid one
    cdef Py_ssize_t i, j
    for i in range(1, n):
        one = centroids[i]
        j = i
        while j > 0 and _before(&one, &centroids[j - 1]):
            centroids[j] = centroids[j - 1]
            j -= 1
        centroids[j] = one


cdef void td_sort_centroids(Centroid* centroids, Py_ssize_t n, Centroid* scratch) noexcept nogil:
    cdef Py_ssize_t half = n // 2
    if n <= FEW:
        _insertion_sort(centroids, n)
        return
    td_sort_centroids(centroids, half, scratch)
    td_sort_centroids(centroids + half, n - half, scratch)
    if not _before(&centroids[half], &centroids[half - 1]):
        return  # what comes here is often several ascending runs
    memcpy(scratch, centroids, half * sizeof(Centroid))
    # `out` never overtakes the right half: it is ahead of the left half's start by what is left of it.
    td_merge_centroids(scratch, half, centroids + half, n - half, centroids)


cdef Py_ssize_t td_merge_values(
    const Centroid* a, Py_ssize_t n_a, const double* b, Py_ssize_t n_b, Centroid* out
) noexcept nogil:
    cdef Py_ssize_t i = 0, j = 0, k
    for k in range(n_a + n_b):
        if j == n_b or (i < n_a and a[i].mean <= b[j]):
            out[k] = a[i]
            i += 1
        else:
            out[k].mean = b[j]
            out[k].weight = 1.0
            j += 1
    return n_a + n_b


cdef Py_ssize_t td_merge_centroids(
    const Centroid* a, Py_ssize_t n_a, const Centroid* b, Py_ssize_t n_b, Centroid* out
) noexcept nogil:
    cdef Py_ssize_t i = 0, j = 0, k
    for k in range(n_a + n_b):
        if j == n_b or (i < n_a and not _before(&b[j], &a[i])):
            out[k] = a[i]
            i += 1
        else:
            out[k] = b[j]
            j += 1
    return n_a + n_b


cdef inline double _limit(int step, int steps) noexcept nogil:
    """The q up to which `step` of `steps` centroids go."""
    cdef double u = <double>step / steps
    return u * u * u * (10.0 - u * (15.0 - 6.0 * u))


cdef inline Centroid _centroid(double first, double offset, double weight, double last) noexcept nogil:
    cdef Centroid centroid
    cdef double mean = first + offset / weight
    centroid.mean = mean if mean <= last else last  # rounding must not break the order
    centroid.weight = weight
    return centroid


cdef int _compress(
    const Centroid* items, Py_ssize_t n, double total, int steps, Centroid* out, int cap
) noexcept nogil:
    """Folds neighbours greedily; -1 when that takes more than `cap` centroids.

    A centroid that begins at q ends where the scale has grown by one step, `limits` being the scale at the
    step below q and at the two above, linear between. An item is folded in when its middle is before that
    end: to ask for all of it leaves single samples stranded between full centroids.
    """
    cdef double limits[3]
    cdef double first = items[0].mean, weight = items[0].weight
    cdef double offset = 0.0  # sum of weight * (mean - first); never negative, so nothing cancels
    cdef double before = 0.0, q = 0.0, end
    cdef double inverse = 1.0 / total
    cdef int count = 0, step = 0
    cdef Py_ssize_t i
    limits[0] = 0.0
    limits[1] = _limit(1, steps)
    limits[2] = _limit(2, steps)
    end = total * limits[1]
    for i in range(1, n):
        if before + weight + 0.5 * items[i].weight <= end:
            weight += items[i].weight
            offset += items[i].weight * (items[i].mean - first)
            continue
        if count + 1 == cap:
            return -1
        out[count] = _centroid(first, offset, weight, items[i - 1].mean)
        count += 1
        before += weight
        first = items[i].mean
        weight = items[i].weight
        offset = 0.0
        q = before * inverse
        while step < steps - 1 and limits[1] <= q:
            step += 1
            limits[0] = limits[1]
            limits[1] = limits[2]
            limits[2] = _limit(step + 2, steps)
        if step >= steps - 1:
            end = INFINITY
        else:
            end = total * (
                limits[1] + (q - limits[0]) / (limits[1] - limits[0]) * (limits[2] - limits[1])
            )
    out[count] = _centroid(first, offset, weight, items[n - 1].mean)
    return count + 1


cdef int td_compress(
    const Centroid* sorted_in, Py_ssize_t n, double compression, Centroid* out, int cap
) noexcept nogil:
    cdef double total = 0.0
    cdef int steps = <int>(1.6 * compression)
    cdef int count
    cdef Py_ssize_t i
    if n <= 0:
        return 0
    for i in range(n):
        total += sorted_in[i].weight
    count = _compress(sorted_in, n, total, steps, out, cap)
    # Two neighbours always span more than one step, so at most 2 * steps + 1 centroids come out and this
    # ends. On ordinary data hardly more than `steps` do, and once is enough.
    while count < 0:
        steps -= 1 + steps // 10
        count = _compress(sorted_in, n, total, steps, out, cap)
    return count


cdef void _quantiles_exact(
    const Centroid* c, Py_ssize_t n, double total, double low, double high,
    const double* qs, int n_qs, double* out
) noexcept nogil:
    """Veneur's: a sample spans from midpoint to midpoint, the outermost to the minimum and maximum."""
    cdef double before = 0.0, lower = low
    cdef double upper = high if n == 1 else (c[1].mean + c[0].mean) / 2.0
    cdef double target, value
    cdef Py_ssize_t i = 0
    cdef int k
    for k in range(n_qs):
        target = qs[k] * total
        while i < n - 1 and target > before + c[i].weight:
            before += c[i].weight
            lower = upper
            i += 1
            upper = high if i == n - 1 else (c[i + 1].mean + c[i].mean) / 2.0
        value = lower + (target - before) / c[i].weight * (upper - lower)
        out[k] = upper if value > upper else value
        if qs[k] >= 1.0:
            out[k] = high


cdef inline double _slope(const Knot* a, const Knot* b, const Knot* c) noexcept nogil:
    """At b: the weighted harmonic mean of both sides, which keeps the curve monotone (Fritsch, Butland)."""
    cdef double left = b.rank - a.rank
    cdef double right = c.rank - b.rank
    cdef double below = (b.value - a.value) / left
    cdef double above = (c.value - b.value) / right
    if below <= 0.0 or above <= 0.0:
        return 0.0
    return 3.0 * (left + right) / ((2.0 * right + left) / below + (right + 2.0 * left) / above)


cdef inline double _between(const Knot* knots, bint first, bint last, double rank) noexcept nogil:
    """The cubic from knots[1] to knots[2]; knots[0] is missing at the `first`, knots[3] at the `last`."""
    cdef double width = knots[2].rank - knots[1].rank
    cdef double rise = (knots[2].value - knots[1].value) / width
    cdef double left = rise if first else _slope(&knots[0], &knots[1], &knots[2])
    cdef double right = rise if last else _slope(&knots[1], &knots[2], &knots[3])
    cdef double u = (rank - knots[1].rank) / width
    cdef double value = knots[1].value + width * u * (
        left + u * (3.0 * rise - 2.0 * left - right + u * (left + right - 2.0 * rise))
    )
    # Rounding, or an overflow to infinity or NaN, must not leave the interval.
    if not value >= knots[1].value:
        return knots[1].value
    return value if value <= knots[2].value else knots[2].value


cdef void _quantiles_digested(
    const Centroid* c, Py_ssize_t n, double total, double low, double high,
    const double* qs, int n_qs, double* out
) noexcept nogil:
    """A monotone cubic through the middles of the centroids, from the minimum to the maximum."""
    cdef Knot knots[4]
    cdef double done = 0.5 * c[0].weight
    cdef Py_ssize_t i = 0  # knots[2] is the middle of centroid i, or the maximum if there is none
    cdef int k
    knots[1].rank, knots[1].value = 0.0, low
    knots[2].rank, knots[2].value = done, c[0].mean
    _next_knot(c, n, total, high, 1, &done, &knots[3])
    for k in range(n_qs):
        while i < n and qs[k] * total > knots[2].rank:
            i += 1
            memmove(&knots[0], &knots[1], 3 * sizeof(Knot))
            _next_knot(c, n, total, high, i + 1, &done, &knots[3])
        out[k] = _between(knots, i == 0, i == n, qs[k] * total) if qs[k] < 1.0 else high
        if k and out[k] < out[k - 1]:
            out[k] = out[k - 1]


cdef inline void _next_knot(
    const Centroid* c, Py_ssize_t n, double total, double high, Py_ssize_t i, double* done, Knot* knot
) noexcept nogil:
    """The middle of centroid i; `done` is that of the one before, and is moved on."""
    if i < n:
        done[0] += 0.5 * (c[i - 1].weight + c[i].weight)
        knot.rank, knot.value = done[0], c[i].mean
    else:
        knot.rank, knot.value = total, high


cdef void td_quantiles(
    const Centroid* centroids, Py_ssize_t n, double total, double low, double high, bint exact,
    const double* qs, int n_qs, double* out
) noexcept nogil:
    cdef int k
    if n <= 0:
        for k in range(n_qs):
            out[k] = NAN
    elif exact:
        _quantiles_exact(centroids, n, total, low, high, qs, n_qs, out)
    else:
        _quantiles_digested(centroids, n, total, low, high, qs, n_qs, out)


cdef enum:
    TAIL = 256
    RAW = 512
    MAX_CAPACITY = 2048


cdef class TDigest:
    """A digest of a stream of numbers that answers quantiles.

    Exact for up to 512 samples; beyond that at most 2 * compression + 2 centroids and 256 samples.
    Merging is deterministic, and its order changes the answers within the digest's error only.
    """

    cdef readonly double compression
    cdef readonly double min
    cdef readonly double max
    cdef readonly double sum
    cdef readonly double weight
    cdef readonly double reciprocal_sum
    cdef readonly long long count
    cdef double _values[RAW]
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
            both, n, self.compression, self._centroids, td_capacity(self.compression)
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
        cdef double doubles[RAW]
        cdef Py_ssize_t n
        td_sort_doubles(self._values, self._n_values, doubles)
        if self._n_pairs == 0:
            return td_merge_values(self._centroids, self._n_centroids, self._values, self._n_values, out)
        td_sort_centroids(self._pairs, self._n_pairs, scratch)
        n = td_merge_centroids(self._centroids, self._n_centroids, self._pairs, self._n_pairs, scratch)
        return td_merge_values(scratch, n, self._values, self._n_values, out)

    cdef void _compact(self) noexcept nogil:
        cdef Centroid merged[MAX_CAPACITY + 2 * RAW]
        cdef Py_ssize_t n = self._collect(merged)
        self._n_centroids = td_compress(
            merged, n, self.compression, self._centroids, td_capacity(self.compression)
        )
        self._n_values = 0
        self._n_pairs = 0
