# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Checking, reading and writing them."""
from libc.string cimport memcpy, memset
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.hll cimport HLL_PRECISION, HLL_REGISTERS
from veneurpy.engine.native.protobuf cimport put_varint
from veneurpy.engine.native.slice cimport Slice, cut

cdef enum:
    HIGHEST = 64 - HLL_PRECISION + 1    # the largest value of a register
    LARGEST = 15                        # what 4 bits can hold
    DIGITS = 4                          # bytes of a key
    FEW = 32                            # keys that are sorted by insertion


cdef inline u32 _big_endian(const u8* p) noexcept nogil:
    return <u32>p[0] << 24 | <u32>p[1] << 16 | <u32>p[2] << 8 | p[3]


cdef inline u8* _put_big_endian(u8* at, u64 value) noexcept nogil:
    at[0] = <u8>(value >> 24)
    at[1] = <u8>(value >> 16)
    at[2] = <u8>(value >> 8)
    at[3] = <u8>value
    return at + 4


cdef bint _next_delta(Slice* deltas, u64* key) noexcept nogil:
    """Adds the next difference to the key; False where there is none that leaves it within 32 bits."""
    cdef u64 value = 0
    cdef Py_ssize_t i
    for i in range(5 if deltas.size > 5 else deltas.size):
        value |= <u64>(deltas.data[i] & 0x7F) << (7 * i)
        if deltas.data[i] < 0x80:
            deltas.data += i + 1
            deltas.size -= i + 1
            key[0] += value
            return key[0] >> 32 == 0
    return False


cdef int _check_sparse(Slice sketch, u32* keys) noexcept nogil:
    cdef u64 n = _big_endian(sketch.data + 4), i, key = 0
    cdef Slice deltas
    if sketch.size < SKETCH_HEAD + SPARSE_TAIL or n > <u64>(sketch.size - SKETCH_HEAD - SPARSE_TAIL) // 4:
        return SET_BAD
    for i in range(n):
        if not is_key(_big_endian(sketch.data + SKETCH_HEAD + 4 * i)):
            return SET_BAD
    deltas = cut(sketch.data, sketch.size, SKETCH_HEAD + 4 * <Py_ssize_t>n + SPARSE_TAIL, sketch.size)
    if <u64>_big_endian(sketch.data + SKETCH_HEAD + 4 * n + 8) != <u64>deltas.size:
        return SET_BAD
    while deltas.size:
        if not _next_delta(&deltas, &key) or not is_key(key):
            return SET_BAD
        n += 1
    keys[0] = <u32>n
    return SET_SPARSE


cdef int _check_dense(Slice sketch) noexcept nogil:
    cdef u8 base = sketch.data[2]
    cdef Py_ssize_t i
    if sketch.size != SKETCH_HEAD + DENSE_BYTES or _big_endian(sketch.data + 4) != DENSE_BYTES or base > HIGHEST:
        return SET_BAD
    if base + LARGEST > HIGHEST:
        for i in range(SKETCH_HEAD, sketch.size):
            if base + (sketch.data[i] >> 4) > HIGHEST or base + (sketch.data[i] & 15) > HIGHEST:
                return SET_BAD
    return SET_DENSE


cdef int sketch_check(Slice sketch, u32* keys) noexcept nogil:
    """SET_SPARSE with the number of keys, SET_DENSE, or SET_BAD: of another precision, cut short, not to be had."""
    keys[0] = 0
    if sketch.size < SKETCH_HEAD or sketch.data[1] != HLL_PRECISION or sketch.data[3] > 1:
        return SET_BAD
    return _check_sparse(sketch, keys) if sketch.data[3] else _check_dense(sketch)


cdef void keys_of(Slice sketch, KeyWalk* walk) noexcept nogil:
    """Begins a walk over a sparse set's keys."""
    walk.plain = sketch.data + SKETCH_HEAD
    walk.n_plain = _big_endian(sketch.data + 4)
    walk.deltas = cut(
        sketch.data, sketch.size, SKETCH_HEAD + 4 * <Py_ssize_t>walk.n_plain + SPARSE_TAIL, sketch.size
    )
    walk.key = 0


cdef bint next_key(KeyWalk* walk, u32* key) noexcept nogil:
    """False after the last."""
    if walk.n_plain:
        key[0] = _big_endian(walk.plain)
        walk.plain += 4
        walk.n_plain -= 1
        return True
    if not walk.deltas.size or not _next_delta(&walk.deltas, &walk.key):
        return False
    key[0] = <u32>walk.key
    return True


cdef void registers_of(Slice sketch, u8* registers) noexcept nogil:
    """A dense set's registers, one byte each."""
    cdef const u8* pairs = sketch.data + SKETCH_HEAD
    cdef u8 base = sketch.data[2]
    cdef Py_ssize_t i
    for i in range(DENSE_BYTES):
        registers[2 * i] = base + (pairs[i] >> 4)
        registers[2 * i + 1] = base + (pairs[i] & 15)


cdef void _sort_few(u32* keys, u32 n) noexcept nogil:
    cdef u32 i, j, key
    for i in range(1, n):
        key = keys[i]
        j = i
        while j > 0 and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key


cdef void _sort_keys(u32* keys, u32* scratch, u32 n) noexcept nogil:
    """Ascending, byte by byte; `scratch` holds n as well."""
    cdef u32 counts[256]
    cdef u32 i, total, count
    cdef int digit
    cdef u32* source = keys
    cdef u32* target = scratch
    if n <= FEW:
        _sort_few(keys, n)
        return
    for digit in range(DIGITS):
        memset(counts, 0, sizeof(counts))
        for i in range(n):
            counts[(source[i] >> (8 * digit)) & 0xFF] += 1
        total = 0
        for i in range(256):
            count = counts[i]
            counts[i] = total
            total += count
        for i in range(n):
            count = (source[i] >> (8 * digit)) & 0xFF
            target[counts[count]] = source[i]
            counts[count] += 1
        source, target = target, source


cdef Py_ssize_t write_sparse(u32* keys, u32* scratch, u32 n, u8* out) noexcept nogil:
    """The bytes of a small set, how many; at most 20 + 5 n. The keys are sorted on the way."""
    cdef u8* at = out + SKETCH_HEAD + SPARSE_TAIL
    cdef u32 i, before = 0, distinct = 0
    _sort_keys(keys, scratch, n)
    for i in range(n):
        if i and keys[i] == before:
            continue
        at = put_varint(at, keys[i] - before)
        before = keys[i]
        distinct += 1
    memcpy(out, b"\x01\x0e\x00\x01\x00\x00\x00\x00", SKETCH_HEAD)
    _put_big_endian(_put_big_endian(_put_big_endian(out + SKETCH_HEAD, distinct), before),
                    <u64>(at - out - SKETCH_HEAD - SPARSE_TAIL))
    return at - out


cdef Py_ssize_t write_dense(const u8* registers, u8* out, u8* base) noexcept nogil:
    """The bytes of a large set: SKETCH_HEAD + DENSE_BYTES. What is more than base + 15 is cut to that."""
    cdef u8 low = 255, high = 0, first, second
    cdef Py_ssize_t i
    for i in range(HLL_REGISTERS):
        low = registers[i] if registers[i] < low else low
        high = registers[i] if registers[i] > high else high
    base[0] = low if high > LARGEST else 0
    memcpy(out, b"\x01\x0e\x00\x00", 4)
    out[2] = base[0]
    _put_big_endian(out + 4, DENSE_BYTES)
    for i in range(DENSE_BYTES):
        first = registers[2 * i] - base[0]
        second = registers[2 * i + 1] - base[0]
        out[SKETCH_HEAD + i] = <u8>((first if first < LARGEST else LARGEST) << 4
                                    | (second if second < LARGEST else LARGEST))
    return SKETCH_HEAD + DENSE_BYTES
