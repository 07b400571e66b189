"""What the arenas of one engine have in common, and how they share its memory."""
from veneurpy.engine.native.arena cimport Arena, ArenaName, Weights
from veneurpy.engine.native.budget cimport CompiledRules
from veneurpy.engine.native.carry cimport CarriedArena
from veneurpy.engine.native.columns cimport MergeContext
from veneurpy.engine.native.compat cimport i64, u32, u64
from veneurpy.engine.native.meter cimport MemoryMeter


cdef class Sharing:
    cdef readonly object options
    cdef readonly object dir            # ArenaDir, or None
    cdef MemoryMeter meter
    cdef MergeContext context
    cdef CompiledRules rules
    cdef readonly object uuid           # of the open interval,
    cdef ArenaName name                 # and what its arenas are named
    cdef u64 limit                      # of each arena that is about to begin
    cdef u64 digest_bytes
    cdef u64 arena_bytes                # the address space of each arena, and the length of its file
    cdef i64 gauge_ttl_ns
    cdef int bell
    cdef Weights _weights
    cdef int n_readers
    cdef Py_ssize_t _longest            # datagram, in bytes
    cdef i64 _ring_bytes                # of what all readers keep for captures

    cdef _weigh(self)
    cdef name_interval(self, object uuid, i64 start_ms)
    cdef ArenaName name_of(self, object uuid, i64 start_ms)
    cdef begin(self, Arena* a, int fd, u32 reader, str listener, bint keeps_gauges)
    cdef CarriedArena open_carried(self, const ArenaName* name)
    cdef u64 add_reader(self, Py_ssize_t max_datagram_bytes)
    cdef share_out(self, u64 closing, object carried)
    cdef i64 usable(self)
    cdef u64 weight_of_carried(self, object carried)
    cdef u64 weight_of_recovered(self, u64 bytes_)
