"""Quantiles of samples and of digests, on plain memory."""
from veneurpy.engine.native.sort cimport Centroid


# Computes the quantiles `qs` (ascending, in [0, 1]) of an ascending array: within [low, high] and
# ascending; NaN if n is 0. `total` is the sum of the weights. `exact`: every centroid is a sample as it
# came, and the interpolation is Veneur's.
cdef void td_quantiles(
    const Centroid* centroids, Py_ssize_t n, double total, double low, double high, bint exact,
    const double* qs, int n_qs, double* out
) noexcept nogil
