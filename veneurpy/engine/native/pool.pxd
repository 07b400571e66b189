"""Distinct strings by number, with bytes of their own."""
from veneurpy.engine.native.compat cimport u8, u32
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.intern cimport Interner
from veneurpy.engine.native.slice cimport Slice

cdef struct Chunk:
    Chunk* next
    u8 data[0]

cdef struct Pool:
    HashKey key
    Interner strings
    Chunk* chunks                       # the one that is being filled first
    Py_ssize_t used
    Py_ssize_t room                     # in that one


cdef bint pool_open(Pool* p, const HashKey* key) noexcept nogil
cdef void pool_close(Pool* p) noexcept nogil
cdef u32 pool_number(Pool* p, Slice s) noexcept nogil


cdef inline Slice pool_string(const Pool* p, u32 number) noexcept nogil:
    """`number` is one that `pool_number` has given."""
    return p.strings.strings[number]
