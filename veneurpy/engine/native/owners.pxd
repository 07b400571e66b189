"""Which member owns a series, as engine/owners.py says it: compiled from an OwnerTable."""
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.slice cimport Slice

cdef struct Matcher:
    Slice value
    bint prefix

# A point of Veneur's ring.
cdef struct RingPoint:
    u32 hash
    u32 member

cdef struct Owners:
    u64* hashes                         # of each member's name
    u32* ranks                          # of equal scores the lower rank wins
    u32 n
    RingPoint* points                   # ascending; NULL: rendezvous
    u32 n_points
    Matcher* ignored
    u32 n_ignored
    u32 shards                          # not 0: the "owner" is the series' hash modulo this
    u8* text                            # room for what is hashed
    u64 room


cdef class CompiledOwners:
    cdef Owners owners
    cdef list _bytes                    # what the matchers point to


cdef int owner_of(Owners* o, Slice name, int type_, Slice tags) noexcept nogil
