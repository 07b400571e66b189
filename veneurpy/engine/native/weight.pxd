"""What a new series will take when its interval is flushed, at the most: kept free for it from the first sample on.

The figures follow the allocations of merge.pyx, points.pyx, summary.pyx and top.pyx, at the worst moment of their
growth: a table that doubles has the old and the new one.
"""
from veneurpy.engine.native.arena cimport GAUGE, HISTOGRAM, SET, TIMER, Weights, entry_bytes
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


cdef inline u64 carried_flush(const Weights* w, u64 name_len, u64 tags_len, bint has_sinks) noexcept nogil:
    """What a gauge takes at the flush of an interval that it was carried into."""
    return (series_weight(w, GAUGE, tags_len, True, has_sinks) + name_weight(w, GAUGE, name_len) + new_name_weight())


cdef inline u64 carried_weight(const Weights* w, u64 name_len, u64 tags_len, bint has_sinks) noexcept nogil:
    """What it will take to carry a gauge: where it is carried from and to, and the flush there."""
    tags_len += w.implicit_bytes
    return 2 * entry_bytes(GAUGE, name_len, tags_len, False) + carried_flush(w, name_len, tags_len, has_sinks)
