"""Distinct strings by number, in order of first sight. The bytes stay where they are."""
from veneurpy.engine.native.compat cimport u32, u64
from veneurpy.engine.native.meter cimport Meter
from veneurpy.engine.native.slice cimport Slice

cdef struct Interner:
    u64* slots                          # upper 32 bits of the hash over number + 1; 0 is empty
    Slice* strings
    Meter* meter
    u64 bytes
    u32 count
    u32 bits


cdef enum:
    INTERN_FAILED = 0xFFFFFFFF


cdef bint interner_open(Interner* t, Meter* meter, u64 expected) noexcept nogil
cdef bint interner_expect(Interner* t, u64 expected) noexcept nogil
cdef void interner_close(Interner* t) noexcept nogil
cdef u32 intern(Interner* t, u64 hash_, Slice s) noexcept nogil
cdef u32 interned(const Interner* t, u64 hash_, Slice s) noexcept nogil
cdef void intern_foresee(const Interner* t, const u64* hashes, int n) noexcept nogil
