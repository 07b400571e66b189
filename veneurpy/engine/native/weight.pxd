"""What a new series will take when its interval is flushed, at the most: kept free for it from the first sample on.

The figures follow the allocations of merge.pyx, points.pyx, summary.pyx and top.pyx, at the worst moment of their
growth: a table that doubles has the old and the new one.
"""
from veneurpy.engine.native.arena cimport HISTOGRAM, SET, TIMER, Weights
from veneurpy.engine.native.compat cimport u64
from veneurpy.engine.native.merge cimport Part, Series

cdef enum:
    TABLE_BYTES = 32                    # slots of the merge: at a load above a quarter
    INTERNED_BYTES = 96                 # slots 16 + 32, strings 16 + 32
    OFFSET_BYTES = 12                   # 4 + 8
    USE_BYTES = 36                      # names: 12 + 24
    FIRST_NAME_BYTES = 8                # what the names' bytes start with, for each series
    ROW_BYTES = 30
    NAME_GROWTH = 3                     # the names' bytes are doubled when they are full
    SINK_SET_BYTES = 512                # a set of sinks: interned, and as Python objects
    FIXED_BYTES = 512 * 1024            # of a flush: first tables, the workspace of one series at a time
    FIXED_FOR_TAG = 16                  # and a slice for each tag that the longest line may have


cdef inline bint is_distribution(int type_) noexcept nogil:
    return type_ == HISTOGRAM or type_ == TIMER


cdef inline u64 name_weight(const Weights* w, int type_, u64 name_len) noexcept nogil:
    """The names of a series' points, made once for each metric name."""
    if is_distribution(type_):
        return w.outputs * (OFFSET_BYTES + NAME_GROWTH * name_len) + NAME_GROWTH * w.suffix_bytes
    return OFFSET_BYTES + NAME_GROWTH * name_len


cdef inline u64 series_weight(const Weights* w, int type_, u64 tags_len, bint rewritten, bint has_sinks
                              ) noexcept nogil:
    """All else. `rewritten`: its tags get another text in the merge."""
    cdef u64 text = tags_len + w.implicit_bytes + 1
    cdef u64 total = sizeof(Series) + TABLE_BYTES + INTERNED_BYTES + OFFSET_BYTES + FIRST_NAME_BYTES + text
    if is_distribution(type_):
        total += sizeof(Part) + ROW_BYTES * w.outputs
    else:
        total += ROW_BYTES + (sizeof(Part) if type_ == SET else 0)
    if rewritten:
        # A seventh: what a chunk of text leaves unused.
        total += text + text // 7 + 24
    if has_sinks:
        total += SINK_SET_BYTES + text + text // 7 + 24
    return total


cdef inline u64 new_name_weight() noexcept nogil:
    """A metric name that no series had."""
    return INTERNED_BYTES + USE_BYTES
