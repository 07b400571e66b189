"""A check word of plain memory: it tells damage, not malice."""
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport u8, u64


cdef inline u64 hash_check(const void* what, size_t size) noexcept nogil:
    """Of `size` bytes, a multiple of 8. Of zeros it is not 0."""
    cdef u64 check = <u64>0x9E3779B97F4A7C15u, word
    cdef size_t at
    for at in range(0, size, 8):
        memcpy(&word, <const u8*>what + at, 8)
        check = (check ^ word) * <u64>0xD6E8FEB86659FD93u
        check ^= check >> 32
    return check
