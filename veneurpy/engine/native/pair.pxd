"""The second half of a counter's or a gauge's pair: how many samples, and a check of both halves."""
from veneurpy.engine.native.compat cimport u64

cdef enum:
    COUNT_SHIFT = 24                    # 40 bits of count over 24 bits of check


cdef inline u64 pair_count(u64 hi) noexcept nogil:
    return hi >> COUNT_SHIFT


cdef inline u64 counted(u64 bits, u64 count) noexcept nogil:
    """The half that goes with a value's bits."""
    cdef u64 check = ((bits ^ (bits >> 29) ^ count) * <u64>0x9E3779B97F4A7C15u + 1) >> (64 - COUNT_SHIFT)
    return (count << COUNT_SHIFT) | check


cdef inline bint pair_is_sound(u64 lo, u64 hi) noexcept nogil:
    return counted(lo, pair_count(hi)) == hi
