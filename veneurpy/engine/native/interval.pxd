"""Closed intervals: arenas that nobody fills any more, until they are released."""
from veneurpy.engine.native.arena cimport Arena
from veneurpy.engine.native.carry cimport CarriedArena
from veneurpy.engine.native.columns cimport MergeContext
from veneurpy.engine.native.compat cimport i64, u32, u64
from veneurpy.engine.native.recovered cimport RecoveredFile
from veneurpy.engine.native.rewriting cimport NativeRewrites, Rewrites


cdef class NativeInterval:
    cdef readonly object uuid
    cdef readonly object copied_from    # the uuid that a copy of its arenas has elsewhere, if this is one; or None
    cdef readonly i64 start_ms
    cdef readonly i64 end_ms
    cdef readonly i64 broken            # stretches of recovered arenas that could not be read
    cdef MergeContext _context
    cdef object _on_release
    cdef list _members                  # (listener, kernel drops, owner: a reader or a RecoveredFile) of each arena
    cdef Arena** _arenas
    cdef int _n
    cdef int _room
    cdef object _accounts
    cdef object _asking                 # a lock: of _rewrites
    cdef NativeRewrites _rewrites       # None until they are asked for
    cdef i64 _series                    # -1 until they are counted
    cdef list _conflicts
    cdef object _top                    # (names, clients)
    cdef bint _released
    cdef object _marks                  # UnkeptMarks of the directory where the arenas are; None for plain memory
    cdef object _lock                   # of the two below
    cdef bint _left                     # released, and its arenas are left as they are
    cdef readonly bint is_doubtful
    cdef readonly u64 forgotten         # gauges that found no room to be carried on
    cdef object _carried                # what was carried into it: a CarriedArena, a RecoveredFile, or None
    cdef object _hand_on                # takes over its gauges at the release; None where gauges are not carried
    cdef NativeInterval _successor      # of a recovered one: the next, if that was recovered too
    cdef int _role                      # for which rows were made last

    cdef add(self, Arena* arena, str listener, u32 kernel_drops, object owner)
    cdef become_copy(self)
    cdef take_over(self, NativeInterval other)
    cdef _require_open(self)
    cdef const Rewrites* _rewritten(self) except? NULL
    cdef tuple _tops(self, int most)
    cdef i64 _recovered_bytes(self)
    cdef _give_back(self)
    cdef bring(self, RecoveredFile carried)
    cdef bint may_carry(self)
    cdef u64 gauges(self)
    cdef Arena** _all(self, int more, int* n) except NULL
    cdef u64 carry_into(self, CarriedArena out, i64 oldest_ns) except? 0


cdef class ArenaSource:
    """What has an arena that an interval can be encoded with."""

    cdef Arena* source                  # NULL: it has none any more
