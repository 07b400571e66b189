"""A keyed 64-bit hash, wyhash-like: one folded multiply per 16 bytes.

All constants are random per process: with public ones a client could send a constant itself and make a product
zero for every seed. It is not proof against an attacker who can watch timings for long, as SipHash would be.
"""
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport i64, mum, u8, u32, u64

# What a mark is of: a type is its number alone.
cdef enum:
    MARK_TIMESTAMP = 1 << 8
    MARK_SINKS = 1 << 9
    MARK_SCOPE = 1 << 10

cdef struct HashKey:
    u64 secret[4]


cdef inline u64 _read8(const u8* p) noexcept nogil:
    cdef u64 v
    memcpy(&v, p, 8)
    return v


cdef inline u64 _read4(const u8* p) noexcept nogil:
    cdef u32 v
    memcpy(&v, p, 4)
    return v


cdef inline u64 hash_bytes(const HashKey* key, const u8* p, Py_ssize_t n, u64 seed) noexcept nogil:
    """The hash of n bytes at p, chained by `seed`; reads nothing outside of them."""
    cdef u64 a, b
    cdef Py_ssize_t rest = n, step
    seed ^= key.secret[0]
    if n <= 16:
        if n >= 4:
            step = (n >> 3) << 2
            a = (_read4(p) << 32) | _read4(p + step)
            b = (_read4(p + n - 4) << 32) | _read4(p + n - 4 - step)
        elif n > 0:
            a = (<u64>p[0] << 16) | (<u64>p[n >> 1] << 8) | p[n - 1]
            b = 0
        else:
            a = 0
            b = 0
    else:
        while rest > 16:
            seed = mum(_read8(p) ^ key.secret[1], _read8(p + 8) ^ seed)
            p += 16
            rest -= 16
        a = _read8(p + rest - 16)
        b = _read8(p + rest - 8)
    return mum(key.secret[2] ^ <u64>n, mum(a ^ key.secret[1], b ^ seed))


cdef inline u64 hash_tags(const HashKey* key, u64 name_hash, const u8* tags, Py_ssize_t tags_len) noexcept nogil:
    """The hash of a name, whose own is known, and its tags."""
    return hash_bytes(key, tags, tags_len, name_hash) if tags_len else name_hash


cdef inline u64 hash_pair(const HashKey* key, const u8* name, Py_ssize_t name_len,
                          const u8* tags, Py_ssize_t tags_len) noexcept nogil:
    """The hash of a name and its tags, the same wherever the two stand."""
    return hash_tags(key, hash_bytes(key, name, name_len, 0), tags, tags_len)


cdef inline u64 hash_mark(const HashKey* key, u64 what) noexcept nogil:
    """What a type or a timestamp adds to a hash, by exclusive or, so that it can be taken off again."""
    return mum(what ^ key.secret[3], key.secret[2])


cdef inline u64 timestamp_mark(const HashKey* key, i64 timestamp) noexcept nogil:
    """That of a T of at most 48 bits."""
    return hash_mark(key, (<u64>timestamp << 16) | MARK_TIMESTAMP)
