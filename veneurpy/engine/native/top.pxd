"""Which names an interval was about: samples, series, bytes, tag values, and what was folded or rejected."""
from veneurpy.engine.native.arena cimport Arena
from veneurpy.engine.native.compat cimport u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.meter cimport Meter

# A Bloom filter of the spellings of one interval: which series are new in the next.
cdef struct Seen:
    Meter* meter
    u64* words
    u64 mask                            # bits - 1


# (names, clients)
cdef object top_of(Meter* meter, Arena** arenas, int n, const HashKey* key, Seen* before, int most)
cdef void seen_close(Seen* s) noexcept nogil
