"""Lines to series: one reader's store over its open arena."""
from veneurpy.engine.native.arena cimport Arena, Entry
from veneurpy.engine.native.blocks cimport Scratch
from veneurpy.engine.native.budget cimport Budget
from veneurpy.engine.native.clients cimport Client
from veneurpy.engine.native.compat cimport i64, u8, u16, u32, u64
from veneurpy.engine.native.forms cimport Former

cdef enum:
    GROUP = 32                          # lines that are looked up together, to hide the memory's latency

# One metric line, understood. Its bytes stay where they were received until the group is applied.
cdef struct Item:
    u64 hash
    u64 name_hash
    Entry* entry                        # found by the group's look-up, or NULL
    const u8* name
    const u8* tags
    const u8* changes                   # of a gauge: a flag for each value, or NULL where none changes what was before
    double rate
    i64 timestamp
    u32 name_len
    u32 tags_len
    u32 first                           # values[first : first + n]; a set's member is there as its hash
    u32 n
    u32 bad                             # values that were not numbers
    u32 unknown                         # fields passed over
    u32 bad_name_tags                   # 0 unless names are looked at for tags
    u8 type
    u8 has_timestamp
    u8 bad_timestamp

cdef struct Group:
    Item items[GROUP]
    int n
    double* values
    u8* changes                         # beside the values; NULL where signs mean nothing
    u32 n_values

# The distinct T of one interval: an open-addressing set; 0 is an empty slot, and no T is below 1.
cdef struct Timestamps:
    i64* slots
    u32 size
    u32 count
    u32 limit

cdef struct Store:
    Arena* arena
    Scratch scratch
    Timestamps timestamps
    i64 last_gauge_ns                   # a gauge's time grows by at least 1 ns a sample: order of arrival
    u64 side_log_max
    Budget budget                       # the rules are the engine's
    Former former
    Client* client                      # whose lines are being applied, or NULL
    u64 client_series                   # how many a client may make; 0: no bound
    u16 client_weight                   # how many datagrams each of them stands for
    u64 fresh_end                       # entries before that offset are known to the group's look-up, or to
    u64 fresh                           # a filter by hash of those that came since


cdef bint store_open(Store* s, double compression, u32 max_timestamps, u64 side_log_max, const Budget* budget,
                     u64 client_series) noexcept nogil
cdef void store_close(Store* s) noexcept nogil
cdef void store_begin(Store* s, Arena* arena) noexcept nogil
cdef void store_apply(Store* s, Group* g, i64 now_ns) noexcept nogil
cdef bint store_log_side(Store* s, const u8* line, Py_ssize_t size) noexcept nogil
cdef bint timestamps_admit(Timestamps* t, i64 timestamp) noexcept nogil
