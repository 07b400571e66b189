"""Payloads for owners: entries of a `MetricList` in a row, cut at a size."""
from veneurpy.engine.native.compat cimport u8, u32, u64

cdef enum:
    ENTRY_HEAD = 11                     # room before a message: a key of one byte and at most ten of length

cdef struct Payload:
    u8* data
    u64 size
    u64 room
    u64 max_bytes                       # what goes beyond it begins another one
    u64 series
    u64 samples
    u32 owner

cdef struct Payloads:
    u32 n_owners
    Payload* open                       # by owner
    Payload* done
    u64 n_done
    u64 done_room


cdef bint payloads_open(Payloads* all_, u32 n_owners, u64 max_bytes) noexcept nogil
cdef void payloads_close(Payloads* all_) noexcept nogil
cdef bint payload_reserve(Payload* p, u64 bytes) noexcept nogil
cdef bint payload_place(Payloads* all_, Payload* p, u8* start, u8* end, u64 samples) noexcept nogil
cdef bint payloads_finish(Payloads* all_) noexcept nogil
