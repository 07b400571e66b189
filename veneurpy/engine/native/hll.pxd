"""Sets of 64-bit member hashes: exact while small, HyperLogLog registers beyond.

The caller owns the memory: an open-addressing table of u64 (0 is an empty slot, so the hash 0 counts as
1) of HLL_MIN_SLOTS to HLL_MAX_SLOTS slots, and beyond HLL_EXACT_MAX members
HLL_REGISTERS bytes. What a set is worth depends on its distinct hashes only: not on their order, nor on
how they were split and merged.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef extern from *:
    int clz64 "__builtin_clzll"(unsigned long long value) noexcept nogil


cdef enum:
    HLL_MIN_SLOTS = 8
    HLL_MAX_SLOTS = 2048
    HLL_EXACT_MAX = 1536
    HLL_PRECISION = 14
    HLL_REGISTERS = 16384


cdef inline uint64_t _load64(const uint8_t* p) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, p, 8)
    return value


cdef inline uint64_t _rotr(uint64_t value, int by) noexcept nogil:
    return (value >> by) | (value << (64 - by))


cdef inline uint64_t metrohash64(const uint8_t* p, size_t n) noexcept nogil:
    """MetroHash64 (variant 1) with seed 1337, as Veneur hashes the members of a set."""
    cdef uint64_t k0 = <uint64_t>0xD6D018F5u
    cdef uint64_t k1 = <uint64_t>0xA2AA033Bu
    cdef uint64_t k2 = <uint64_t>0x62992FC1u
    cdef uint64_t k3 = <uint64_t>0x30BC5B29u
    cdef uint64_t h = (1337 + k2) * k0
    cdef uint64_t v0, v1, v2, v3
    cdef uint32_t word
    cdef uint16_t half
    if n >= 32:
        v0 = v1 = v2 = v3 = h
        while n >= 32:
            v0 = _rotr(v0 + _load64(p) * k0, 29) + v2
            v1 = _rotr(v1 + _load64(p + 8) * k1, 29) + v3
            v2 = _rotr(v2 + _load64(p + 16) * k2, 29) + v0
            v3 = _rotr(v3 + _load64(p + 24) * k3, 29) + v1
            p += 32
            n -= 32
        v2 ^= _rotr((v0 + v3) * k0 + v1, 37) * k1
        v3 ^= _rotr((v1 + v2) * k1 + v0, 37) * k0
        v0 ^= _rotr((v0 + v2) * k0 + v3, 37) * k1
        v1 ^= _rotr((v1 + v3) * k1 + v2, 37) * k0
        h += v0 ^ v1
    if n >= 16:
        v0 = _rotr(h + _load64(p) * k2, 29) * k3
        v1 = _rotr(h + _load64(p + 8) * k2, 29) * k3
        v0 ^= _rotr(v0 * k0, 21) + v1
        v1 ^= _rotr(v1 * k3, 21) + v0
        h += v1
        p += 16
        n -= 16
    if n >= 8:
        h += _load64(p) * k3
        h ^= _rotr(h, 55) * k1
        p += 8
        n -= 8
    if n >= 4:
        memcpy(&word, p, 4)
        h += word * k3
        h ^= _rotr(h, 26) * k1
        p += 4
        n -= 4
    if n >= 2:
        memcpy(&half, p, 2)
        h += half * k3
        h ^= _rotr(h, 48) * k1
        p += 2
        n -= 2
    if n >= 1:
        h += p[0] * k3
        h ^= _rotr(h, 37) * k1
    h ^= _rotr(h, 28)
    h *= k0
    h ^= _rotr(h, 29)
    return h


# How many members a table of `n_slots` takes before it is rehashed into one of twice the size.
cdef inline uint32_t hll_exact_limit(uint32_t n_slots) noexcept nogil:
    return n_slots - n_slots // 4


# Where the search for a hash begins.
cdef inline uint32_t _home(uint32_t n_slots, uint64_t h) noexcept nogil:
    return <uint32_t>((h & 0xFFFFFFFFu) * n_slots >> 32)


# Is the hash in the table, which has a free slot.
cdef inline bint hll_exact_contains(const uint64_t* slots, uint32_t n_slots, uint64_t h) noexcept nogil:
    cdef uint32_t i
    if h == 0:
        h = 1
    i = _home(n_slots, h)
    while slots[i] != 0:
        if slots[i] == h:
            return True
        i = i + 1 if i + 1 < n_slots else 0
    return False


# Inserts a hash with one 8-byte store: 0 = known, 1 = inserted. The table must have a free slot.
cdef inline int hll_exact_insert(uint64_t* slots, uint32_t n_slots, uint64_t h) noexcept nogil:
    cdef uint32_t i
    if h == 0:
        h = 1
    i = _home(n_slots, h)
    while slots[i] != 0:
        if slots[i] == h:
            return 0
        i = i + 1 if i + 1 < n_slots else 0
    slots[i] = h
    return 1


# Register = top 14 bits, value = position of the first 1 after them (at most 51), as Veneur's.
cdef inline void hll_dense_add(uint8_t* registers, uint64_t h) noexcept nogil:
    cdef uint8_t rho
    if h == 0:
        h = 1
    rho = <uint8_t>(
        clz64((h << HLL_PRECISION) | (<uint64_t>1 << (HLL_PRECISION - 1))) + 1
    )
    if registers[h >> (64 - HLL_PRECISION)] < rho:
        registers[h >> (64 - HLL_PRECISION)] = rho


# Copies the members of one table into another, which must be zeroed and larger.
cdef void hll_exact_rehash(
    const uint64_t* old, uint32_t n_old, uint64_t* new, uint32_t n_new
) noexcept nogil

# Adds the members of a table to registers (zeroed at first).
cdef void hll_dense_from_exact(
    const uint64_t* slots, uint32_t n_slots, uint8_t* registers
) noexcept nogil

# Takes the larger of each pair of registers into `into`.
cdef void hll_dense_merge(uint8_t* into, const uint8_t* registers) noexcept nogil

# Estimates the number of distinct hashes; the caller rounds to the nearest integer.
cdef double hll_dense_estimate(const uint8_t* registers) noexcept nogil
