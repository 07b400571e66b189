"""Closed arenas to series: tags sorted, implicit tags applied, scopes and readers merged."""
from veneurpy.engine.native.arena cimport SERIES_TYPES, Arena, Entry, Walk
from veneurpy.engine.native.compat cimport i32, i64, u8, u16, u32, u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.intern cimport Interner
from veneurpy.engine.native.meter cimport Meter
from veneurpy.engine.native.rewriting cimport Rewrites
from veneurpy.engine.native.slice cimport Slice

# What the merge is for: rows of a node in a role (the numbers of engine.types.Role) or of an import store, or what a
# node forwards.
cdef enum MergeUse:
    ROWS_STANDALONE = 0
    ROWS_HOST = 1
    ROWS_OWNER = 2
    ROWS_IMPORT = 3
    WIRE_HOST = 4
    WIRE_OWNER = 5

# What one arena holds of a merged timer or set.
cdef struct Part:
    const Arena* arena
    Entry* entry
    u32 next                            # index + 1

cdef struct Series:
    u64 hash
    const u8* name
    const u8* tags
    double value                        # counter: sum · gauge: last value
    i64 gauge_ns
    Slice sender                        # of the gauge's value
    u64 samples
    i64 timestamp                       # a T, or 0
    u32 tags_len
    u32 parts                           # index + 1 of the first
    u16 name_len
    u16 sinks                           # index into sink sets; 0 is all
    u8 type
    u8 scope
    u8 carried                          # of a gauge: its last write is of an interval before
    u8 keeps                            # of a gauge: it is carried on
    bint shown                          # rows are made of it
    i32 reader                          # of a gauge: whose arena has its last write; -1: an imported one

# Text made by the merge, freed with it.
cdef struct Pool:
    u8* chunk
    u64 used
    u64 size
    void* chunks                        # list of all

cdef struct Merge:
    Meter* meter
    MergeUse use
    const Rewrites* rewrites            # or NULL,
    int rewrites_from                   # of the arenas from that one on
    bint gauges_only
    u32 touched_since                   # of import stores: series touched before that epoch are not shown
    HashKey key
    Slice* extend                       # implicit tags, sorted
    int n_extend
    u64* slots
    u32 bits
    Series* series
    u32 count
    Part* parts
    u32 n_parts
    u64 entries[SERIES_TYPES]           # of all arenas,
    u64 total                           # together
    u64 names                           # so many there are, as far as the arenas know
    Walk walk                           # what is left of a merge in pieces; its arena is NULL where there is none
    u64 merged                          # series of the pieces before this one
    Slice* split
    u32 split_capacity
    Pool pool
    Interner sink_sets
    u64 lost_sink_sets                  # sets beyond what a u16 can name: their rows go to nobody
    bint failed                         # no memory


cdef bint merge_open(Merge* m, Meter* meter, MergeUse use, const HashKey* key, Slice* extend, int n_extend
                     ) noexcept nogil
cdef void merge_close(Merge* m) noexcept nogil
cdef bint merge_arenas(Merge* m, Arena** arenas, int n) noexcept nogil
cdef bint merge_begin(Merge* m, Arena** arenas, int n) noexcept nogil
cdef bint merge_next(Merge* m) noexcept nogil
cdef bint is_global(int type_, int scope) noexcept nogil
