"""Merging t-digest on plain memory: the caller owns every array, nothing here allocates.

A series' digest is an ascending array of centroids. New samples are sorted (`td_sort_*`), merged in
(`td_merge_*`), and the result is compressed into another array (`td_compress`), never in place.
No NaN, no infinity and no weight <= 0 may come in.
"""


cdef struct Centroid:
    double mean
    double weight


# The most centroids that td_compress emits for this compression.
cdef int td_capacity(double compression) noexcept nogil

# Sorts ascending, -0.0 before 0.0. `scratch` holds n values.
cdef void td_sort_doubles(double* values, Py_ssize_t n, double* scratch) noexcept nogil

# Sorts by mean, equal means by weight. `scratch` holds n centroids.
cdef void td_sort_centroids(Centroid* centroids, Py_ssize_t n, Centroid* scratch) noexcept nogil

# Merges ascending centroids with ascending values of weight 1; returns n_a + n_b, what `out` must hold.
cdef Py_ssize_t td_merge_values(
    const Centroid* a, Py_ssize_t n_a, const double* b, Py_ssize_t n_b, Centroid* out
) noexcept nogil

# The same with ascending centroids on both sides.
cdef Py_ssize_t td_merge_centroids(
    const Centroid* a, Py_ssize_t n_a, const Centroid* b, Py_ssize_t n_b, Centroid* out
) noexcept nogil

# Compresses an ascending array into at most `cap` centroids of `out`, which must not overlap it, and
# returns how many. The sum of the weights is kept. A `cap` below td_capacity only costs accuracy; it is
# at least 4.
cdef int td_compress(
    const Centroid* sorted_in, Py_ssize_t n, double compression, Centroid* out, int cap
) noexcept nogil

# Computes the quantiles `qs` (ascending, in [0, 1]) of an ascending array: within [low, high] and
# ascending; NaN if n is 0. `total` is the sum of the weights. `exact`: every centroid is a sample as it
# came, and the interpolation is Veneur's.
cdef void td_quantiles(
    const Centroid* centroids, Py_ssize_t n, double total, double low, double high, bint exact,
    const double* qs, int n_qs, double* out
) noexcept nogil
