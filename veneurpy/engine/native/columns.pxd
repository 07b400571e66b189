"""Columns of merged arenas, and what a merge needs to know."""
from veneurpy.engine.native.arena cimport Arena
from veneurpy.engine.native.compat cimport i64, u32
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.merge cimport MergeUse
from veneurpy.engine.native.meter cimport MemoryMeter
from veneurpy.engine.native.points cimport PointPlan
from veneurpy.engine.native.rewriting cimport Rewrites
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.top cimport Seen


cdef class MergeContext:
    """What every merge of an engine needs: the hash's key, the implicit tags."""

    cdef HashKey key
    cdef MemoryMeter meter
    cdef double compression
    cdef Slice* extend
    cdef int n_extend
    cdef Seen seen                      # in the interval before
    cdef list _tags
    cdef object rewriter


cdef class CompiledPlan:
    """A Plan in C, and the Python bytes that it points to."""

    cdef PointPlan plan
    cdef readonly int role
    cdef list _suffixes


# (Columns, number of series, names of several types).
cdef tuple merged_columns(MergeContext context, Arena** arenas, int n, const Rewrites* rewrites, int rewrites_from,
                          MergeUse use, u32 touched_since, CompiledPlan plan, i64 start_ms)
