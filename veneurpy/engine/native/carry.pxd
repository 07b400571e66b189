"""Gauges that are flushed again: an arena of their own for each interval, written when the one before is released.

It has the interval's name, no reader, and an entry for each gauge: its value and the time of what was last sent. It
becomes one that a successor reads when it is whole, before the arenas that it was made from are given back.
"""
from veneurpy.engine.native.arena cimport Arena, ArenaName, Weights
from veneurpy.engine.native.compat cimport i64, u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.merge cimport Merge
from veneurpy.engine.native.meter cimport MemoryMeter

cdef enum:
    CARRIED_SHARE = 8                   # of the store, for where gauges are carried to; from there they are carried on
    LEAST_CARRIED = 1 << 21


cdef class CarriedArena:
    """Owns the arena, and its file where there is one; `discard` gives both back."""

    cdef Arena arena
    cdef MemoryMeter _meter
    cdef int _fd
    cdef object _path

    cdef u64 begin(self, const ArenaName* name, const HashKey* key, const Weights* weights, u64 limit) except? 0
    cdef u64 weight(self)
    cdef forget_file(self, bint leave)
    cdef discard(self)


cdef u64 carry_gauges(Arena* out, const Merge* m, i64 oldest_ns) noexcept nogil
cdef u64 carried_limit(u64 store_max_bytes) noexcept nogil
