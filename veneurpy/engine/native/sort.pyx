# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Sorting and merging samples and centroids (see the header for the contract)."""

from libc.math cimport INFINITY
from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport COLUMNS, order_rows


cdef extern from *:
    """
    /* The bits of doubles are sorted where they lie: an integer type that may alias them. */
    typedef int64_t __attribute__((may_alias)) td_key;
    """
    ctypedef int64_t td_key


cdef enum:
    FEW = 12


cdef inline td_key _flip(td_key bits) noexcept nogil:
    """Bits of a double <-> an integer of the same order; its own inverse."""
    return bits ^ ((bits >> 63) & INT64_MAX)


cdef void _sort_columns(double* grid, Py_ssize_t rows) noexcept nogil:
    """Each of the columns by itself: Batcher's odd-even merge sort, whose steps no value decides on."""
    cdef Py_ssize_t merged = 1, apart, start, i
    cdef int twice = 1                  # log2(2 * merged)
    while merged < rows:
        apart = merged
        while apart >= 1:
            start = apart % merged
            while start + apart < rows:
                for i in range(start, min(start + apart, rows - apart)):
                    if i >> twice == (i + apart) >> twice:
                        order_rows(grid + COLUMNS * i, grid + COLUMNS * (i + apart))
                start += 2 * apart
            apart //= 2
        merged *= 2
        twice += 1


# What is left of two sorted runs, which are taken from both ends.
cdef struct Runs:
    const td_key* left
    const td_key* left_end
    const td_key* right
    const td_key* right_end


cdef inline Runs _halves(const td_key* a, Py_ssize_t half) noexcept nogil:
    cdef Runs r
    r.left = a
    r.left_end = a + half - 1
    r.right = a + half
    r.right_end = a + 2 * half - 1
    return r


cdef inline void _take_ends(Runs* r, td_key* first, td_key* last) noexcept nogil:
    """Takes the lowest and the highest; no branch depends on a value."""
    cdef td_key a = r.left[0], b = r.right[0]
    cdef Py_ssize_t is_left = a <= b
    first[0] = a if is_left else b
    r.left += is_left
    r.right += 1 - is_left
    a = r.left_end[0]
    b = r.right_end[0]
    is_left = a > b
    last[0] = a if is_left else b
    r.left_end -= is_left
    r.right_end -= 1 - is_left


cdef void _merge_halves(const td_key* a, Py_ssize_t half, td_key* out) noexcept nogil:
    """Merges the sorted a[:half] and a[half:2 * half]: as many are taken from each end, so that no run is used up."""
    cdef Runs runs = _halves(a, half)
    cdef Py_ssize_t i
    for i in range(half):
        _take_ends(&runs, out + i, out + 2 * half - 1 - i)


cdef void _merge_quarters(const td_key* a, Py_ssize_t quarter, td_key* out) noexcept nogil:
    """Makes two sorted runs of four. Each step of a merge waits for the one before: two merges wait together."""
    cdef Runs lower = _halves(a, quarter)
    cdef Runs upper = _halves(a + 2 * quarter, quarter)
    cdef td_key* end = out + 2 * quarter - 1
    cdef Py_ssize_t i
    for i in range(quarter):
        _take_ends(&lower, out + i, end - i)
        _take_ends(&upper, out + 2 * quarter + i, end + 2 * quarter - i)


cdef void td_sort_doubles(const double* values, Py_ssize_t n, double* out, double* scratch) noexcept nogil:
    """As rows of a grid: its columns are sorted all at once, and merged."""
    cdef Py_ssize_t rows = (n + COLUMNS - 1) // COLUMNS, i, column
    cdef const td_key* grid = <const td_key*>scratch
    cdef td_key* keys = <td_key*>out
    cdef td_key* other = <td_key*>scratch
    for i in range(n):
        scratch[i] = values[i] + 0.0    # what is -0.0 is 0.0 from now on: the columns' order cannot tell them apart
    for i in range(n, rows * COLUMNS):
        scratch[i] = INFINITY
    _sort_columns(scratch, rows)
    for i in range(rows):
        for column in range(COLUMNS):
            keys[column * rows + i] = _flip(grid[COLUMNS * i + column])
    _merge_quarters(keys, rows, other)
    _merge_quarters(keys + 4 * rows, rows, other + 4 * rows)
    _merge_quarters(other, 2 * rows, keys)
    _merge_halves(keys, 4 * rows, other)
    for i in range(n):
        keys[i] = _flip(other[i])


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
