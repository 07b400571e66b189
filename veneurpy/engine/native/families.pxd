"""Series by metric and labels: what an exposition holds."""
from veneurpy.engine.native.compat cimport i64, u8, u32, u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.pool cimport Pool
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.text cimport Text

cdef enum:
    NONE = 0xFFFFFFFF
    COUNTER_KIND = 1
    GAUGE_KIND = 2

# Strings are numbers in the pool, series and families indices; NONE is no such thing.
cdef struct ShownSeries:
    double value
    double seen_s
    i64 timestamp_ms
    u32 family
    u32 labels
    u32 sent_name
    u32 sent_tags
    u32 next                            # of the same family, in order of first sight

cdef struct Family:
    u32 metric
    u32 sent_name
    u32 first
    u32 last
    u8 kind

# What a string of the pool is to families, in each of its roles.
cdef struct Role:
    u32 family                          # of that metric
    u32 shown[3]                        # of a name as it was sent: the metric, by kind; of such tags: the labels, at 0

cdef struct Families:
    Pool pool
    Role* roles                         # by number of string
    u32 roles_room
    Family* families
    u32 n_families
    u32 families_room
    u32* order                          # families by metric, as far as `n_ordered`
    u32 n_ordered
    ShownSeries* series
    u32 n_series
    u32 series_room
    u32* slots                          # series + 1 by hash of family and labels; 0 is empty
    u32 bits
    u64 strays                          # rows rejected, or of other spellings, whose strings are in the pool
    Text scratch


cdef bint families_open(Families* f, const HashKey* key) noexcept nogil
cdef void families_close(Families* f) noexcept nogil
cdef u32 families_string(Families* f, Slice s) noexcept nogil
cdef void families_expect(Families* f, u64 strings, u64 series) noexcept nogil
cdef u32 families_add(Families* f, u32 metric, u8 kind, u32 sent_name) noexcept nogil
cdef u32 families_find(const Families* f, u32 family, u32 labels) noexcept nogil
cdef u32 families_add_series(Families* f, u32 family, u32 labels) noexcept nogil
cdef void foresee_strings(const Families* f, const u64* hashes, int n) noexcept nogil
cdef void foresee_series(const Families* f, const u32* metrics, const u32* labels, int n) noexcept nogil
cdef void foresee_family(const Families* f, u32 i) noexcept nogil
cdef bint families_order(Families* f) noexcept nogil
cdef Slice stem_of(Slice metric) noexcept nogil
cdef int families_kind(Families* f, u32 metric) noexcept nogil
cdef bint is_probably_new(const Families* f, u64 hash_) noexcept nogil
cdef bint foresee_metric(Families* f, Slice metric) noexcept nogil
