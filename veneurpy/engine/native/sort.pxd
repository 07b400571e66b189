"""Sorting and merging samples and centroids on plain memory: the caller owns every array.

No NaN may come in.
"""


cdef struct Centroid:
    double mean
    double weight


cdef extern from "vectors.h":
    enum:
        SORT_PADDING "(VNP_COLUMNS - 1)"    # whole rows are sorted

# Sorts ascending into `out`, which may be `values`; -0.0 comes out as 0.0. `out` and `scratch` hold n + SORT_PADDING
# values.
cdef void td_sort_doubles(const double* values, Py_ssize_t n, double* out, double* scratch) noexcept nogil

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
