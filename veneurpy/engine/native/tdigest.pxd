"""Merging t-digest on plain memory: the caller owns every array, nothing here allocates.

A series' digest is an ascending array of centroids. New samples are sorted (`td_sort_*`), merged in
(`td_merge_*`), and the result is compressed into another array (`td_compress`), never in place.
No NaN, no infinity and no weight <= 0 may come in.
"""
from veneurpy.engine.native.sort cimport Centroid


# The most centroids that td_compress emits for this compression.
cdef int td_capacity(double compression) noexcept nogil

# Compresses an ascending array into at most `cap` centroids of `out`, which must not overlap it, and
# returns how many. The sum of the weights is kept. The outermost compression / 8 on each side stay as
# they are: the smallest and the largest samples of all are never folded, however often they are merged.
# A `cap` below td_capacity only costs accuracy; it is at least 4. `scratch` holds n + 1 numbers.
cdef int td_compress(
    const Centroid* sorted_in, Py_ssize_t n, double compression, Centroid* out, int cap, double* scratch
) noexcept nogil
