"""All memory of one open interval of one reader: one mapping, addressed by offset.

    0        8192                 lo_used      hi_used                    size
    | header | entries, growing up -> |  free  | <- blocks, tables, side log |

Entries can be walked from the low end, so the table is never needed to find them again. What makes the memory
recoverable at every instruction is the order of writes: an entry is written whole, then `lo_used`, then its slot; a
block is filled, then the one 64-bit word that names it and its length; a counter's sum and count are one 16-byte
store. Memory is put behind the mapping in steps, ahead of its use, up to a limit: "full" is an answer, never a
signal.
"""
from veneurpy.engine.native.compat cimport i64, u8, u16, u32, u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.heap cimport Block, Heap
from veneurpy.engine.native.meter cimport Meter
from veneurpy.engine.native.names cimport Names
from veneurpy.engine.native.reserve cimport Reserve
from veneurpy.engine.native.table cimport Table

cdef enum:
    ARENA_MAGIC = 0x414E5056            # "VPNA"
    ARENA_VERSION = 6
    HEADER_BYTES = 8192
    MESSAGES_AT = 4096                  # what the kernel says of the datagrams that it hands over: a page
    RESERVE_STEP = 1 << 18              # a quarter megabyte: some 0.3 ms of page faults
    RESERVE_AHEAD = 1 << 20             # what the reserver keeps ready in front of the reader
    HUGE_AN_INTERVAL = 16               # so many huge pages a reader's arena gets
    DIGEST_CLASS = 9                    # those below are of 16 + (64 << k) bytes
    FIRST_SET_CLASS = 10                # 8 slots
    LAST_SET_CLASS = 42                 # 2,048 slots; registers take as much
    BLOCK_CLASSES = 43
    LINE_REASONS = 11
    VALUE_REASONS = 4
    IGNORED_KINDS = 4
    SERIES_TYPES = 5
    LISTENER_BYTES = 128

cdef enum:
    ARENA_FREE = 0x45455246             # words, so that no damage to a byte makes one of another
    ARENA_OPEN = 0x4E45504F
    ARENA_CLOSED = 0x54554853

cdef enum:
    SNAPSHOT_EVERY = 64                 # datagrams
    RECEIVES = 0x56434552

# Why a line was rejected: positions in engine.types.LINE_REASONS.
cdef enum:
    NO_COLON_OR_PIPE = 0
    BAD_NAME = 1
    BAD_TYPE = 2
    BAD_RATE = 3
    MIXED_STYLES = 4
    BAD_TAGS = 5
    BAD_VALUE = 6
    SIDE_LOG_FULL = 9
    TOO_LONG = 10

cdef enum:
    VALUE_BAD = 0
    VALUE_STORE_FULL = 1
    VALUE_OVER_BUDGET = 2
    VALUE_SIDE_LOG_FULL = 3

cdef enum:
    UNKNOWN_FIELD = 0
    BAD_TIMESTAMP = 1
    SCOPE_CONFLICT = 2
    BAD_NAME_TAG = 3

# The numbers of engine.types.MetricType.
cdef enum:
    COUNTER = 0
    GAUGE = 1
    HISTOGRAM = 2
    SET = 3
    TIMER = 4

cdef enum:
    SCOPE_MASK = 3                      # engine.types.Scope
    ENTRY_CANONICAL = 4                 # the tags as sent are sorted, distinct, not empty, without magic words
    ENTRY_TIMESTAMP = 8                 # the key ends with the 8 bytes of a T
    ENTRY_CONFLICT = 16                 # both scopes were named
    ENTRY_CHANGED = 32                  # a gauge that has changes

cdef struct Counters:
    u64 datagrams
    u64 bytes
    u64 whole
    u64 truncated
    u64 lines
    u64 accepted
    u64 pending
    u64 values
    u64 folded                          # values that went into a series of fewer tags
    u64 rejected[LINE_REASONS]
    u64 values_rejected[VALUE_REASONS]
    u64 ignored[IGNORED_KINDS]

# Redo record of the set sample being applied: it completes what a death in the middle left half done.
cdef struct SetJournal:
    u64 entry
    u64 hash
    u64 samples

cdef enum:
    NAME_KEEPS_GAUGES = 1               # what its gauges say is carried on into intervals after this one
    NAME_CARRIED = 2                    # it has no reader: its gauges are of intervals before this one

# What an arena is called: the interval's identity, the reader's place in it. An arena that outlives its process is
# known again by it.
cdef struct ArenaName:
    u8 uuid[16]
    u8 boot_id[16]
    i64 start_ms
    u32 reader
    u32 kind                            # NAME_…
    u8 listener[LISTENER_BYTES]         # padded with NUL

# What does not change while an interval is open. It stands in the header twice: damage to one is mended by the other.
cdef struct Identity:
    ArenaName name
    HashKey key
    u64 size
    u64 digest_bytes
    u64 check                           # of all before it (hash_check)

# The counters as they were after some batch, so that what a dead process's say now can be judged. Two take turns.
cdef struct Snapshot:
    Counters counters
    u64 check

cdef struct Header:
    u32 magic
    u32 version
    u64 state                           # a hint: whether an interval was encoded is known elsewhere
    Identity identity
    Identity twin
    i64 last_ns                         # when the newest batch was received
    u64 read                            # datagrams taken from the socket by all receive calls before the last
    u64 applied                         # those whose lines are all in the store
    u64 receives                        # RECEIVES: the page at MESSAGES_AT is that of the last receive call
    u64 lo_used
    u64 hi_used
    u64 entries[SERIES_TYPES]           # by type
    u64 irregular                       # entries that are not canonical, or have a T
    u64 side_log                        # offset of the newest record
    u64 side_bytes
    u64 changes                         # offset of the newest Change
    u64 change_bytes
    SetJournal journal
    Counters counters
    Snapshot snapshots[2]

# The key follows the values: name, tags as sent, and 8 bytes of T where flagged.
cdef struct Entry:
    u64 hash
    u16 name_len
    u16 tags_len
    u8 type
    u8 flags
    u16 size16                          # of the whole entry, in units of 16 bytes
    u64 lo                              # counter: sum · gauge: value · others: block reference << 32 | length
    u64 hi                              # counter, gauge: count << 24 | check · set: samples · timer: blocks.pxd

# An event or a service check; the line follows.
cdef struct SideRecord:
    u64 previous
    u64 size

# A signed value of plain StatsD (changes.pxd).
cdef struct Change:
    i64 time_ns
    double value
    u32 previous                        # offset / 16
    u32 entry                           # offset / 16
    u32 number                          # the gauge's count with it, its lower half
    u32 check                           # of all before it (hash_check)

# Accounts of who sent what (clients.pxd).
cdef struct Clients:
    u64 at                              # offset of the table, or 0
    u32 size
    u32 count
    u32 made                            # reference of the newest block of who made which series

# What the flush will make of a series, as far as the engine's options say it.
cdef struct Weights:
    u64 outputs                         # points of a histogram or timer
    u64 suffix_bytes                    # of all their names
    u64 implicit_bytes                  # of the tags given to every series
    u64 rewrite_bytes                   # what a rewrite may give a series: so many bytes of tags,
    u64 rewrite_ratio                   # and so many times its name
    u64 rewrite_slices                  # the keys, patterns and tags of one rewrite
    u64 rewrites_chosen                 # how many of them the series of a name may have between them, where tags decide
    u64 name_bytes                      # and a name at most so long,
    u64 name_ratio                      # and so many times its name
    bint rewrites
    bint judges                         # regular expressions are asked of tags
    bint carries                        # gauges are carried on

cdef struct Arena:
    u8* base
    Header* header
    int fd                              # of the file that is mapped, or -1
    Meter* meter                        # counts the memory behind the mapping; or NULL
    Weights weights
    u64 limit                           # most bytes for what is behind the mapping and for `flush_bytes`
    u64 flush_bytes                     # what the flush will take beside the arena, at the most
    u64 size
    u64 lo_ready                        # memory is behind [0, lo_ready) and [hi_ready, size); atomic: the reader
    u64 hi_ready                        # and the reserver both move them
    u64 reserving                       # atomic: the reserver, or a trim, is moving the marks
    u64 low_on_memory                   # atomic: the reserver was called and has not come yet
    u64 huge_low                        # up to here and from there on nothing is to be moved into huge pages
    u64 huge_high
    int bell                            # calls the reserver; -1 when there is none
    u64 written_high                    # from here on memory has been written; before, what is ready is zero
    u64 digest_bytes
    Heap heap                           # freed blocks and outgrown tables
    u32* salvaged                       # of a recovered arena: its sound entries (offset / 16), else NULL
    u64 n_salvaged
    bint imported                       # its entries end as imported.pxd says
    Table table
    Names names
    Clients clients
    Reserve reserve


cdef inline u64 arena_span(u64 bytes_) noexcept nogil:
    """The address space of an arena that may take so many bytes: an offset / 16 has 32 bits."""
    cdef u64 most = (<u64>1 << 36) - 4096
    return bytes_ if bytes_ < most else most


cdef inline u64 entry_bytes(int type_, u64 name_len, u64 tags_len, bint has_timestamp) noexcept nogil:
    """The size of an entry: a gauge has two times, a T is 8 bytes of the key."""
    cdef u64 size = sizeof(Entry) + name_len + tags_len
    size += (16 if type_ == GAUGE else 0) + (8 if has_timestamp else 0)
    return (size + 15) & ~<u64>15


# A walk over an arena's entries, in the order in which they were first seen.
cdef struct Walk:
    const Arena* arena
    u64 at                              # offset, or index into `salvaged`


cdef inline Walk walk_entries(const Arena* a) noexcept nogil:
    cdef Walk w
    w.arena = a
    w.at = HEADER_BYTES if a.salvaged == NULL else 0
    return w


cdef inline Entry* next_entry(Walk* w) noexcept nogil:
    """NULL after the last."""
    cdef const Arena* a = w.arena
    cdef Entry* e
    if a.salvaged != NULL:
        if w.at >= a.n_salvaged:
            return NULL
        w.at += 1
        return <Entry*>(a.base + (<u64>a.salvaged[w.at - 1] << 4))
    if w.at >= a.header.lo_used:
        return NULL
    e = <Entry*>(a.base + w.at)
    w.at += <u64>e.size16 << 4
    return e


cdef inline u64 class_bytes(const Arena* a, int size_class) noexcept nogil:
    cdef int s = size_class - FIRST_SET_CLASS
    if s >= 0:
        return 16 + (<u64>(16 * (4 + (s & 3))) << (s >> 2))
    return a.digest_bytes if size_class == DIGEST_CLASS else 16 + (<u64>64 << size_class)


cdef inline int set_class_after(int size_class) noexcept nogil:
    """The class that a set's table grows into: by small steps where most memory would be wasted by large ones."""
    cdef int s = size_class - FIRST_SET_CLASS
    if size_class >= LAST_SET_CLASS:
        return LAST_SET_CLASS
    return size_class + (4 if s < 12 else 1 if s < 20 else 2)


cdef inline Block* block_at(const Arena* a, u64 reference) noexcept nogil:
    return <Block*>(a.base + (reference << 4))


cdef inline u64 block_reference(const Arena* a, const Block* b) noexcept nogil:
    return <u64>(<const u8*>b - a.base) >> 4


cdef inline u8* entry_key(Entry* e) noexcept nogil:
    """A gauge has two times between its value and its key."""
    return <u8*>e + (48 if e.type == GAUGE else 32)


cdef inline i64* gauge_times(const Entry* e) noexcept nogil:
    """The last write's time is at the last bit of the count; 0: there was none."""
    return <i64*>(<u8*>e + 32)


cdef inline bint keeps_gauges(const Arena* a) noexcept nogil:
    return a.header.identity.name.kind & (NAME_KEEPS_GAUGES | NAME_CARRIED) != 0


cdef inline bint is_carried(const Arena* a) noexcept nogil:
    return a.header.identity.name.kind & NAME_CARRIED != 0


cdef inline Entry* entry_at(const Arena* a, u64 offset) noexcept nogil:
    return <Entry*>(a.base + offset)


cdef inline u64 arena_committed(const Arena* a) noexcept nogil:
    """Bytes with memory behind them."""
    return a.lo_ready + (a.size - a.hi_ready)


cdef inline u64 arena_weight(const Arena* a) noexcept nogil:
    """What counts against the limit."""
    return arena_committed(a) + a.flush_bytes


cdef int arena_open(Arena* a, Meter* meter, int fd, u64 size, u64 digest_bytes) noexcept nogil
cdef int arena_begin(Arena* a, u64 limit, const ArenaName* name, const HashKey* key) noexcept nogil
cdef void arena_close(Arena* a) noexcept nogil
cdef void arena_snapshot(Arena* a) noexcept nogil
cdef void arena_reserve_ahead(Arena* a) noexcept nogil
cdef bint arena_collapse(Arena* a) noexcept nogil
cdef bint arena_weigh(Arena* a, u64 flush_bytes) noexcept nogil
cdef bint arena_room_low(Arena* a, u64 bytes) noexcept nogil
cdef u64 arena_take_high(Arena* a, u64 bytes) noexcept nogil
cdef Block* block_new(Arena* a, int size_class) noexcept nogil
cdef void block_free(Arena* a, Block* b) noexcept nogil
cdef void arena_reuse(Arena* a, u64 at, u64 bytes) noexcept nogil
cdef void table_step(Arena* a) noexcept nogil
