"""Sets as Veneur writes them: the bytes of `SetValue.hyper_log_log`, described in engine/reference_hll_wire.py.

A *key* is what Veneur's small sets keep of a member's hash: the first 25 bits and, where the last 11 of those are 0,
how many zeros follow. One hash stands for all of its key.
"""
from veneurpy.engine.native.compat cimport clz64, u8, u32, u64
from veneurpy.engine.native.slice cimport Slice

cdef enum:
    SET_BAD = 0
    SET_SPARSE = 1
    SET_DENSE = 2
    SKETCH_HEAD = 8                     # bytes before the keys or the registers
    SPARSE_TAIL = 12                    # bytes between the keys and the differences
    DENSE_BYTES = 8192

# The keys of a set that was checked.
cdef struct KeyWalk:
    const u8* plain
    u32 n_plain
    Slice deltas
    u64 key


cdef inline u32 key_of(u64 h) noexcept nogil:
    cdef u64 index = h >> 39
    cdef u64 tail = h << 25
    if index & 0x7FF:
        return <u32>(index << 1)
    return <u32>(index << 7 | <u64>(clz64(tail) + 1 if tail else 40) << 1 | 1)


cdef inline u64 hash_of_key(u64 key) noexcept nogil:
    """Its low bits are spread: tables go by them."""
    cdef u64 zeros = (key >> 1) & 63, h
    if key & 1:
        h = key >> 7 << 39
        if zeros < 40:
            h |= <u64>1 << (39 - zeros)
        return h if h else 1
    return key >> 1 << 39 | (key >> 1) * <u64>0x9E3779B97F4A7C15u >> 25


cdef inline bint is_key(u64 key) noexcept nogil:
    """Has any hash this key."""
    if key & 1:
        return (key >> 7) & 0x7FF == 0 and 1 <= (key >> 1) & 63 <= 40
    return (key >> 1) & 0x7FF != 0 and key >> 26 == 0


cdef inline u64 coarse(u64 h) noexcept nogil:
    """The hash that stands for all of its key."""
    return hash_of_key(key_of(h if h else 1))


cdef int sketch_check(Slice sketch, u32* keys) noexcept nogil
cdef void keys_of(Slice sketch, KeyWalk* walk) noexcept nogil
cdef bint next_key(KeyWalk* walk, u32* key) noexcept nogil
cdef void registers_of(Slice sketch, u8* registers) noexcept nogil
cdef Py_ssize_t write_sparse(u32* keys, u32* scratch, u32 n, u8* out) noexcept nogil
cdef Py_ssize_t write_dense(const u8* registers, u8* out, u8* base) noexcept nogil
