"""Memory that is counted: what an engine holds beside its address space, now and at the most.

Every allocation begins with 16 bytes that hold its size, so that it is counted out as it was counted in. Any thread.
Where the meter is NULL nothing is counted: it is memory of a sink's.
"""
from libc.stdlib cimport calloc, free, malloc, realloc
from veneurpy.engine.native.compat cimport add_fetch, empty, i64, load_acquire, move_mark, u64

cdef struct Meter:
    u64 total                           # atomic: arenas and heap together
    u64 heap                            # atomic: merges, columns, filters
    u64 peak                            # atomic: the most that `total` has been

cdef enum:
    METER_HEAD = 16
    METER_LARGE = 1 << 22               # what is freed is a mapping of its own


cdef inline void meter_count(Meter* m, i64 bytes_) noexcept nogil:
    """Counts memory in, or (negative) out."""
    cdef u64 total = add_fetch(&m.total, bytes_)
    cdef u64 peak = load_acquire(&m.peak)
    while total > peak and not move_mark(&m.peak, peak, total):
        peak = load_acquire(&m.peak)


cdef inline void _count_heap(Meter* m, i64 bytes_) noexcept nogil:
    if m != NULL:
        add_fetch(&m.heap, bytes_)
        meter_count(m, bytes_)


cdef inline void* _headed(Meter* m, void* p, u64 bytes_) noexcept nogil:
    if p == NULL:
        return NULL
    (<u64*>p)[0] = bytes_
    _count_heap(m, <i64>bytes_)
    return <char*>p + METER_HEAD


cdef inline void* meter_malloc(Meter* m, u64 bytes_) noexcept nogil:
    return _headed(m, malloc(bytes_ + METER_HEAD), bytes_ + METER_HEAD)


cdef inline void* meter_calloc(Meter* m, u64 n, u64 size) noexcept nogil:
    return _headed(m, calloc(1, n * size + METER_HEAD), n * size + METER_HEAD)


cdef inline void meter_free(Meter* m, void* p) noexcept nogil:
    """NULL is nothing."""
    cdef u64 bytes_
    if p != NULL:
        p = <char*>p - METER_HEAD
        bytes_ = (<u64*>p)[0]
        _count_heap(m, -<i64>bytes_)
        if bytes_ >= METER_LARGE:
            empty(p, bytes_)
        free(p)


cdef inline void* meter_realloc(Meter* m, void* p, u64 bytes_) noexcept nogil:
    """NULL, and `p` as it was, when there is no memory. Old and new are counted together meanwhile."""
    cdef u64 old
    cdef void* grown
    if p == NULL:
        return meter_malloc(m, bytes_)
    p = <char*>p - METER_HEAD
    old = (<u64*>p)[0]
    _count_heap(m, <i64>(bytes_ + METER_HEAD))
    grown = realloc(p, bytes_ + METER_HEAD)
    _count_heap(m, -<i64>(bytes_ + METER_HEAD if grown == NULL else old))
    if grown == NULL:
        return NULL
    (<u64*>grown)[0] = bytes_ + METER_HEAD
    return <char*>grown + METER_HEAD


cdef class MemoryMeter:
    """A Meter that outlives whatever still has memory that it counts."""

    cdef Meter meter
