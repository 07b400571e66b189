"""The last datagrams of a reader, as they came: written by its thread, read by any other one without a lock.

A block holds what was received at once:

    i64 time (ns) | u32 bytes of the block | u32 datagrams | { u32 length | bytes } … | up to 7 bytes of nothing

Positions only grow; a byte lies at its position modulo the size. What lies from `tail` to `head` is whole blocks. The
writer moves `tail` before it overwrites, so a copy is good from where `tail` is after it was made.
"""
from veneurpy.engine.native.compat cimport Batch, i64, prefetch, u8, u64
from veneurpy.engine.native.meter cimport Meter

cdef struct Ring:
    u8* base                            # NULL: there is none
    u64 size
    u64 tail                            # atomic: where the oldest block begins
    u64 head                            # atomic: where the newest one ends
    u64 lap                             # the writer's: the multiple of the size that `head` has reached


cdef inline void ring_fetch(const Ring* r, u64 ahead) noexcept nogil:
    """Has the line come that will be written so many bytes from here: the ring is larger than the caches."""
    if r.base != NULL:
        prefetch(r.base + (r.head - r.lap) + ahead)


cdef bint ring_open(Ring* r, Meter* meter, u64 size) noexcept nogil
cdef void ring_close(Ring* r, Meter* meter) noexcept nogil
cdef void ring_take(Ring* r, const u8* data, u64 size, bint is_cut, i64 now_ns) noexcept nogil
cdef void ring_take_batch(Ring* r, const Batch* batch, int n, i64 now_ns) noexcept nogil
cdef tuple ring_read(Ring* r, i64 mark)
