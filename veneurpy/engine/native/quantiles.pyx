# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Quantiles as Veneur interpolates between samples, and as a monotone cubic between centroids."""
from libc.math cimport NAN
from libc.string cimport memmove

cdef struct Knot:
    double rank
    double value


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
