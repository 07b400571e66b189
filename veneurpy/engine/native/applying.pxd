"""Columns applied to what a scrape shows: rows find their series, counters add up, gauges are set."""
from veneurpy.engine.native.compat cimport i64, u8, u32, u64
from veneurpy.engine.native.families cimport Families
from veneurpy.engine.native.labels cimport LabelScratch
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.text cimport Text
from veneurpy.engine.native.view cimport ColumnsView

cdef enum:
    MOST_CONFLICTS = 2000
    # What became of a row.
    SHOWN = -1
    TYPE_CONFLICT = 0
    TOO_MANY_SERIES = 1
    RESERVED_NAME = 2
    REASONS = 3
    NO_MEMORY = 3
    BAD_ROW = 4

# What a name or a tag set of the columns is to the families; by index in its table, known at first need.
cdef struct Names:
    u32* sent
    u32* shown[3]                       # names: the metric, by kind; tags: the labels, under 0
    u8* conflicts

cdef struct Work:
    Names names
    Names tags
    Text text
    LabelScratch scratch
    u64 rejected[REASONS]
    u32 conflicts[MOST_CONFLICTS]
    u32 n_conflicts

cdef struct Options:
    u64 max_series
    double last_s[3]                    # by kind
    Slice host
    Slice reserved


cdef int apply_columns(Families* f, const Options* o, Work* w, ColumnsView v, i64 start_ms, double now_s,
                       u64* collisions) noexcept nogil
cdef void work_close(Work* w) noexcept nogil
