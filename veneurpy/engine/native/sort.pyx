# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Sorting and merging samples and centroids (see the header for the contract)."""

from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memcpy


cdef extern from *:
    """
    /* The bits of doubles are sorted where they lie: an integer type that may alias them. */
    typedef int64_t __attribute__((may_alias)) td_key;
    """
    ctypedef int64_t td_key


cdef enum:
    LEAF = 8
    FEW = 12


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


cdef void td_sort_doubles(const double* values, Py_ssize_t n, double* out, double* scratch) noexcept nogil:
    cdef const td_key* bits = <const td_key*>values
    cdef td_key* keys = <td_key*>out
    cdef Py_ssize_t i
    for i in range(n):
        keys[i] = _flip(bits[i])
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


# A merge under way: what is left of both sides, and where the next goes.
cdef struct Merge:
    const Centroid* a
    const Centroid* a_end
    const double* b
    const double* b_end
    Centroid* out


cdef inline Merge _merge_of(const Centroid* a, Py_ssize_t a_from, Py_ssize_t a_to, const double* b, Py_ssize_t b_from,
                            Py_ssize_t b_to, Centroid* out) noexcept nogil:
    cdef Merge m
    m.a = a + a_from
    m.a_end = a + a_to
    m.b = b + b_from
    m.b_end = b + b_to
    m.out = out
    return m


cdef inline bint _has_both(const Merge* m) noexcept nogil:
    return m.a < m.a_end and m.b < m.b_end


cdef inline void _take_lower(Merge* m) noexcept nogil:
    """Takes one from either side, of equal ones the centroid; no branch depends on a value."""
    cdef double mean = m.a.mean, value = m.b[0], one = 1.0
    cdef Py_ssize_t is_centroid = mean <= value
    cdef td_key weight, unit
    memcpy(&weight, &m.a.weight, sizeof(td_key))
    memcpy(&unit, &one, sizeof(td_key))
    weight = weight if is_centroid else unit
    m.out.mean = value if value < mean else mean
    memcpy(&m.out.weight, &weight, sizeof(td_key))
    m.a += is_centroid
    m.b += 1 - is_centroid
    m.out += 1


cdef inline void _take_rest(Merge* m) noexcept nogil:
    while _has_both(m):
        _take_lower(m)
    while m.a < m.a_end:
        m.out[0] = m.a[0]
        m.a += 1
        m.out += 1
    while m.b < m.b_end:
        m.out.mean = m.b[0]
        m.out.weight = 1.0
        m.b += 1
        m.out += 1


cdef Py_ssize_t _centroids_among(const Centroid* a, Py_ssize_t n_a, const double* b, Py_ssize_t n_b, Py_ssize_t first
                                 ) noexcept nogil:
    """How many of the `first` that a merge takes are centroids."""
    cdef Py_ssize_t low = first - n_b if first > n_b else 0
    cdef Py_ssize_t high = first if first < n_a else n_a
    cdef Py_ssize_t middle
    while low < high:
        middle = (low + high) // 2
        if a[middle].mean <= b[first - middle - 1]:
            low = middle + 1
        else:
            high = middle
    return low


cdef Py_ssize_t td_merge_values(
    const Centroid* a, Py_ssize_t n_a, const double* b, Py_ssize_t n_b, Centroid* out
) noexcept nogil:
    """Both halves of the result at once: each step waits for the one before it in its half only."""
    cdef Py_ssize_t half = (n_a + n_b) // 2
    cdef Py_ssize_t a_half = _centroids_among(a, n_a, b, n_b, half)
    cdef Merge lower = _merge_of(a, 0, a_half, b, 0, half - a_half, out)
    cdef Merge upper = _merge_of(a, a_half, n_a, b, half - a_half, n_b, out + half)
    while _has_both(&lower) and _has_both(&upper):
        _take_lower(&lower)
        _take_lower(&upper)
    _take_rest(&lower)
    _take_rest(&upper)
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
