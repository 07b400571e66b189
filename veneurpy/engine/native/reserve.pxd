"""What an arena keeps back, so that a full one loses no total.

Series that are known go on growing into the last part of the limit, where no new series may come; a timer that finds
no larger block is compacted into a kept one of its own size. The series that stand for what has no room have memory
of their own.
"""
from veneurpy.engine.native.compat cimport u32, u64

cdef enum:
    KEPT_CLASSES = 10                   # arena.BLOCK_CLASSES

cdef struct Reserve:
    u64 entries                         # bytes at the low end that only folded series may take
    u64 flush                           # of the arena's flush_bytes, what only folded series may take
    u64 growth                          # bytes of the limit that only known series may take
    u64 pool                            # [pool, pool_end): blocks of folded series
    u64 pool_end
    u32 kept[KEPT_CLASSES]              # a free block of each class to compact into, or 0
    bint folding                        # what is being applied goes to a folded series


cdef inline u64 reserve_take(Reserve* r, u64 bytes_) noexcept nogil:
    """The offset of memory for a block of a folded series; 0 when there is none, or the series is another."""
    if not r.folding or r.pool + bytes_ > r.pool_end:
        return 0
    r.pool += bytes_
    return r.pool - bytes_
