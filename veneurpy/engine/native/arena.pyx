# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Memory of an open interval: reserving, entries, blocks, the growing table."""
from libc.string cimport memset
from veneurpy.engine.native.check cimport hash_check
from veneurpy.engine.native.compat cimport (
    HUGE_PAGE, barrier, bell_ring, collapse, empty, i64, load_acquire, map_file, map_memory, move_mark, munmap,
    populate, release_pages, reserve_file, store_release, u8, u32, u64,
)
from veneurpy.engine.native.heap cimport heap_add, heap_extra, heap_give, heap_mark, heap_take
from veneurpy.engine.native.meter cimport Meter, meter_count
from veneurpy.engine.native.names cimport names_wanted
from veneurpy.engine.native.reserve cimport reserve_take
from veneurpy.engine.native.table cimport table_put, table_room

cdef enum:
    FIRST_TABLE_BITS = 10
    FIRST_TABLE_BYTES = 8 << FIRST_TABLE_BITS
    LAST_TABLE_BITS = 31
    ZERO_AT_ONCE = 4096                 # slots a step: 32 KiB
    SWEEP_AT_ONCE = 1024
    TRIM_AT_ONCE = 1 << 20

# An end of so many bytes is worth a huge page, in an arena that may take some of them.
cdef enum:
    ROUND_FROM = 1 << 16
    ROUND_FROM_LIMIT = 1 << 26

# When a table grows, in sixteenths of what it may hold.
cdef enum:
    RESERVE_AT = 11                     # the next one's memory is put behind the arena
    PREPARE_AT = 12                     # it is taken and zeroed, if that memory is there
    MOVE_AT = 14                        # the slots begin to move, once it is zeroed
    HURRY_AT = 15                       # it is taken in any case


cdef inline u64 _pages(u64 bytes_) noexcept nogil:
    return (bytes_ + 4095) & ~<u64>4095


cdef bint _commit(Arena* a, u64 offset, u64 bytes_) noexcept nogil:
    """Puts memory behind a range, within the limit."""
    if bytes_ == 0:
        return True
    if arena_weight(a) + bytes_ > a.limit or (a.fd >= 0 and reserve_file(a.fd, offset, bytes_) != 0):
        return False
    if populate(a.base + offset, bytes_) != 0:
        return False
    _count(a, <i64>bytes_)
    return True


cdef inline void _count(Arena* a, i64 bytes_) noexcept nogil:
    if a.meter != NULL:
        meter_count(a.meter, bytes_)


cdef bint _raise_low(Arena* a, u64 to) noexcept nogil:
    """Reserves up to an offset, a multiple of the page's size. True also where somebody else did it."""
    cdef u64 seen = load_acquire(&a.lo_ready)
    if to <= seen:
        return True
    if to > load_acquire(&a.hi_ready) or not _commit(a, seen, to - seen):
        return False
    if move_mark(&a.lo_ready, seen, to):
        return True
    _count(a, -<i64>(to - seen))
    return load_acquire(&a.lo_ready) >= to


cdef bint _lower_high(Arena* a, u64 to) noexcept nogil:
    """The same for the high end, down to an offset."""
    cdef u64 seen = load_acquire(&a.hi_ready)
    if to >= seen:
        return True
    if to < load_acquire(&a.lo_ready) or not _commit(a, to, seen - to):
        return False
    if move_mark(&a.hi_ready, seen, to):
        return True
    _count(a, -<i64>(seen - to))
    return load_acquire(&a.hi_ready) <= to


cdef bint _trim(Arena* a) noexcept nogil:
    """Gives back some memory that the interval before needed and this one does not, so far; False: there is none."""
    cdef u64 at = _pages(a.header.lo_used + RESERVE_STEP), end = a.lo_ready
    if not move_mark(&a.reserving, 0, 1):
        return False
    if end > at:
        at = end - TRIM_AT_ONCE if end - at > TRIM_AT_ONCE else at
        a.lo_ready = at
    else:
        at = a.hi_ready
        end = (a.header.hi_used - RESERVE_STEP) & ~<u64>4095
        if end > at:
            end = at + TRIM_AT_ONCE if end - at > TRIM_AT_ONCE else end
            a.hi_ready = end
    if end > at:
        release_pages(a.base, a.fd, at, end - at)
        _count(a, -<i64>(end - at))
    store_release(&a.reserving, 0)
    return end > at


cdef bint arena_weigh(Arena* a, u64 flush_bytes) noexcept nogil:
    """Keeps so much free for the flush; False when the limit is reached."""
    while arena_weight(a) + flush_bytes > a.limit:
        if not _trim(a):
            return False
    a.flush_bytes += flush_bytes
    return True


cdef bint arena_room_low(Arena* a, u64 bytes_) noexcept nogil:
    """Is there memory for so many bytes at lo_used; reserves a step ahead when there is not."""
    cdef u64 need = a.header.lo_used + bytes_
    if need <= a.lo_ready:
        return True
    need = _pages(need)
    return _raise_low(a, need + RESERVE_STEP) or _raise_low(a, need)


cdef u64 arena_take_high(Arena* a, u64 bytes_) noexcept nogil:
    """The offset of new memory at the high end, a multiple of 16; 0 when full. It is not zeroed."""
    cdef u64 need, start
    bytes_ = (bytes_ + 15) & ~<u64>15
    if bytes_ > a.header.hi_used - HEADER_BYTES:
        return 0
    need = a.header.hi_used - bytes_
    if need < a.hi_ready:
        start = need & ~<u64>4095
        if not (start >= RESERVE_STEP and _lower_high(a, start - RESERVE_STEP)) and not _lower_high(a, start):
            return 0
    a.header.hi_used = need
    if need < a.written_high:
        a.written_high = need
    return need


cdef inline u64 _wanted_high(const Arena* a) noexcept nogil:
    """What the high end should have ready: the next tables too, when they will be needed soon."""
    cdef u64 bytes_ = RESERVE_AHEAD
    if a.table.next == NULL and a.table.count >= table_room(a.table.bits) // 16 * RESERVE_AT:
        bytes_ += <u64>16 << a.table.bits
    return bytes_ + names_wanted(&a.names)


cdef inline bint _is_low_on_memory(const Arena* a) noexcept nogil:
    return (a.lo_ready - a.header.lo_used < RESERVE_AHEAD // 2
            or a.header.hi_used - a.hi_ready < _wanted_high(a) - RESERVE_AHEAD // 2)


cdef bint _reserve_low(Arena* a) noexcept nogil:
    """Puts a step of what the low end should have ready behind it; False: it has it, or there is none."""
    cdef u64 ready = a.lo_ready, wanted = _pages(a.header.lo_used + RESERVE_AHEAD)
    if ready >= wanted or arena_weight(a) + 3 * RESERVE_STEP > a.limit:
        return False
    return _raise_low(a, wanted if wanted - ready < RESERVE_STEP else ready + RESERVE_STEP)


cdef bint _reserve_high(Arena* a) noexcept nogil:
    """The same for the high end."""
    cdef u64 ready = a.hi_ready, used = a.header.hi_used, high = _wanted_high(a), wanted
    if used <= high:
        return False
    wanted = (used - high) & ~<u64>4095
    if ready <= wanted or arena_weight(a) + 3 * RESERVE_STEP > a.limit:
        return False
    return _lower_high(a, wanted if ready - wanted < RESERVE_STEP else ready - RESERVE_STEP)


cdef void arena_reserve_ahead(Arena* a) noexcept nogil:
    """Done by a thread beside the reader's, so that it meets no page faults. Leaves the last of the limit to it.

    Step by step: who puts memory behind an end holds up whoever does it to the other, and the low end, of which a
    reader takes all the time, does not wait for a table.
    """
    cdef bint more = True
    while more and move_mark(&a.reserving, 0, 1):
        more = _reserve_low(a) or _reserve_high(a)
        store_release(&a.reserving, 0)
    # Where the reader is giving memory back, it will ring again.
    store_release(&a.low_on_memory, 0)


cdef void _forget_huge(Arena* a) noexcept nogil:
    cdef u64 first = <u64><size_t>a.base
    a.huge_low = -first & (HUGE_PAGE - 1)
    a.huge_high = ((first + a.size) & ~<u64>(HUGE_PAGE - 1)) - first


cdef void _fill_first(Arena* a) noexcept nogil:
    """Rounds what either end has up to a huge page. Half of one is ready in front of the reader anyway."""
    if a.limit < ROUND_FROM_LIMIT:
        return
    if a.header.lo_used >= ROUND_FROM and a.huge_low < HUGE_PAGE:
        _raise_low(a, a.huge_low + HUGE_PAGE)
    if a.size - a.header.hi_used >= ROUND_FROM and a.size - a.huge_high < HUGE_PAGE:
        _lower_high(a, a.huge_high - HUGE_PAGE)


cdef bint arena_collapse(Arena* a) noexcept nogil:
    """Moves a page's worth of an arena that nobody uses into a huge page, so that it is addressed faster.

    False: there is none. Only what has memory is moved, so that what is counted remains what there is. Asked of memory
    before it is used, huge pages would make the reader wait: to fill one takes milliseconds on some machines.
    """
    cdef u64 first = <u64><size_t>a.base, low, high
    _fill_first(a)
    # Addresses are aligned, offsets are not.
    low = ((first + a.lo_ready) & ~<u64>(HUGE_PAGE - 1)) - first
    if a.lo_ready >= HUGE_PAGE and low > a.huge_low:
        collapse(a.base + a.huge_low, HUGE_PAGE)
        a.huge_low += HUGE_PAGE
        return True
    high = ((first + a.hi_ready + HUGE_PAGE - 1) & ~<u64>(HUGE_PAGE - 1)) - first
    if a.size - a.hi_ready >= HUGE_PAGE and high < a.huge_high:
        a.huge_high -= HUGE_PAGE
        collapse(a.base + a.huge_high, HUGE_PAGE)
        return True
    return False


cdef int arena_open(Arena* a, Meter* meter, int fd, u64 size, u64 digest_bytes) noexcept nogil:
    """Maps address space for so many bytes, with memory behind the header and a first table only; 0, or -1.

    `fd` is a file of that size (a multiple of the page's), which the caller keeps open, or -1 for plain memory.
    """
    memset(a, 0, sizeof(Arena))
    size = _pages(size)
    if size < HEADER_BYTES + FIRST_TABLE_BYTES:
        return -1
    a.meter = meter
    a.fd = fd
    a.bell = -1
    a.base = <u8*>(map_memory(size) if fd < 0 else map_file(fd, size, True))
    if a.base == NULL:
        return -1
    a.size = size
    a.digest_bytes = (digest_bytes + 15) & ~<u64>15
    a.header = <Header*>a.base
    a.lo_ready = 0
    a.hi_ready = size
    a.written_high = size
    _forget_huge(a)
    a.limit = HEADER_BYTES + FIRST_TABLE_BYTES
    if not _raise_low(a, HEADER_BYTES) or not _lower_high(a, size - FIRST_TABLE_BYTES):
        arena_close(a)
        return -1
    return 0


cdef void arena_close(Arena* a) noexcept nogil:
    """Gives everything back. Idempotent."""
    if a.base != NULL:
        empty(a.base, a.lo_ready)
        empty(a.base + a.hi_ready, a.size - a.hi_ready)
        munmap(a.base, a.size)
        _count(a, -<i64>arena_committed(a))
        a.base = NULL


cdef void _keep_within(Arena* a, u64 limit) noexcept nogil:
    """A limit that has shrunk: gives back all memory but what an interval cannot begin without."""
    cdef u64 kept = a.size - FIRST_TABLE_BYTES
    a.limit = limit
    if arena_committed(a) > limit:
        release_pages(a.base, a.fd, HEADER_BYTES, kept - HEADER_BYTES)
        _count(a, -<i64>(arena_committed(a) - HEADER_BYTES - FIRST_TABLE_BYTES))
        a.lo_ready = HEADER_BYTES
        a.hi_ready = kept
        a.written_high = kept
        _forget_huge(a)


cdef u32 _table_bits(u64 entries, u64 limit) noexcept nogil:
    """A table for as many entries as the interval before had, in a quarter of the memory at the most."""
    cdef u32 bits = FIRST_TABLE_BITS
    while (bits < LAST_TABLE_BITS and table_room(bits) // 16 * RESERVE_AT <= entries
            and (<u64>16 << bits) <= limit // 4):
        bits += 1
    return bits


cdef int arena_begin(Arena* a, u64 limit, const ArenaName* name, const HashKey* key) noexcept nogil:
    """Empties the arena for a new interval, its pages kept; the table starts at the size the last one needed.

    Where others have taken that memory meanwhile (of the file system, say), it starts with the first table, whose
    memory is never given back. 0, or -1 when the limit is below that.
    """
    cdef u32 bits = _table_bits(a.table.count, limit)
    cdef Header* h = a.header
    cdef u64 at
    # Free until it has its new name: a death in between leaves nothing to recover.
    h.state = ARENA_FREE
    barrier()
    _keep_within(a, limit)
    memset(<u8*>&h.identity, 0, HEADER_BYTES - (<u8*>&h.identity - <u8*>h))
    h.magic = ARENA_MAGIC
    h.version = ARENA_VERSION
    h.identity.name = name[0]
    h.identity.key = key[0]
    h.identity.digest_bytes = a.digest_bytes
    h.identity.size = a.size
    h.identity.check = hash_check(&h.identity, sizeof(Identity) - 8)
    h.twin = h.identity
    h.snapshots[0].check = hash_check(&h.snapshots[0].counters, sizeof(Counters))
    h.lo_used = HEADER_BYTES
    h.hi_used = a.size
    a.flush_bytes = 0
    memset(&a.heap, 0, sizeof(Heap))
    memset(&a.clients, 0, sizeof(a.clients))
    memset(&a.table, 0, sizeof(Table))
    if limit < HEADER_BYTES + FIRST_TABLE_BYTES:
        return -1
    at = arena_take_high(a, <u64>8 << bits)
    if at == 0:
        bits = FIRST_TABLE_BITS
        at = arena_take_high(a, FIRST_TABLE_BYTES)
    a.table.slots = <u64*>(a.base + at)
    a.table.bits = bits
    memset(a.table.slots, 0, <size_t>8 << bits)
    barrier()
    h.state = ARENA_OPEN
    return 0


cdef void arena_snapshot(Arena* a) noexcept nogil:
    """Keeps the counters as they are between two batches, over the older of the two that are kept."""
    cdef Header* h = a.header
    cdef Snapshot* older = &h.snapshots[0]
    if h.snapshots[1].counters.datagrams < older.counters.datagrams or not h.snapshots[1].check:
        older = &h.snapshots[1]
    older.check = 0
    barrier()
    older.counters = h.counters
    barrier()
    older.check = hash_check(&older.counters, sizeof(Counters))


cdef u64 _take_fresh(Arena* a, u64 bytes_) noexcept nogil:
    """The offset of a block in new memory; 0 when full."""
    cdef u64 extra = heap_extra(&a.heap, a.header.hi_used)
    cdef u64 at = arena_take_high(a, bytes_ + extra)
    if at:
        a.heap.lowest = at
    else:
        extra = 16
        at = reserve_take(&a.reserve, bytes_ + extra)
        if at == 0:
            return 0
    heap_mark(a.base, at, bytes_)
    if extra:
        heap_mark(a.base, at + bytes_, extra)
    return at


cdef Block* block_new(Arena* a, int size_class) noexcept nogil:
    """A block of the class, its payload not zeroed; NULL when full."""
    cdef u64 bytes_ = class_bytes(a, size_class)
    cdef u64 at = heap_take(&a.heap, a.base, bytes_)
    cdef Block* b
    if at == 0:
        at = _take_fresh(a, bytes_)
    if at == 0:
        return NULL
    b = <Block*>(a.base + at)
    b.size_class = <u8>size_class
    b.used = 0
    return b


cdef void block_free(Arena* a, Block* b) noexcept nogil:
    """Gives a block back. Nothing refers to it any more."""
    b.kind = 0
    heap_give(&a.heap, a.base, b)


cdef void arena_reuse(Arena* a, u64 at, u64 bytes_) noexcept nogil:
    """Lets memory of the high end that is no longer needed, a multiple of 16 bytes, serve as blocks."""
    heap_add(&a.heap, a.base, at, bytes_)


cdef void _prepare_next(Arena* a) noexcept nogil:
    cdef Table* t = &a.table
    cdef u64 at = 0
    # Nothing was there yet: the system has zeroed it.
    cdef bint is_new = a.header.hi_used <= a.written_high
    if t.bits < LAST_TABLE_BITS:
        at = arena_take_high(a, <u64>16 << t.bits)
    if at == 0:
        t.stuck = True
        return
    t.next = <u64*>(a.base + at)
    t.next_bits = t.bits + 1
    t.zeroed = <u64>1 << t.next_bits if is_new else 0


cdef void _zero_some(Table* t) noexcept nogil:
    cdef u64 n = (<u64>1 << t.next_bits) - t.zeroed
    if n > ZERO_AT_ONCE:
        n = ZERO_AT_ONCE
    memset(t.next + t.zeroed, 0, <size_t>(8 * n))
    t.zeroed += n


cdef void _sweep_some(Arena* a) noexcept nogil:
    cdef Table* t = &a.table
    cdef u64 size = <u64>1 << t.old_bits, end = t.swept + SWEEP_AT_ONCE, i
    if end > size:
        end = size
    for i in range(t.swept, end):
        if t.old[i] != 0:
            table_put(t.slots, t.bits, t.old[i])
    t.swept = end
    if end == size:
        arena_reuse(a, <u64>(<u8*>t.old - a.base), 8 * size)
        t.old = NULL


cdef void table_step(Arena* a) noexcept nogil:
    """A bounded piece of the growing that the table needs; called once a batch, before its inserts."""
    cdef Table* t = &a.table
    cdef u64 room = table_room(t.bits)
    if a.bell >= 0 and _is_low_on_memory(a) and not a.low_on_memory and arena_weight(a) < a.limit // 8 * 7:
        store_release(&a.low_on_memory, 1)
        bell_ring(a.bell)
    if t.old != NULL:
        _sweep_some(a)
    elif t.next != NULL:
        if t.zeroed < (<u64>1 << t.next_bits):
            _zero_some(t)
        elif t.count >= room // 16 * MOVE_AT:
            t.old = t.slots
            t.old_bits = t.bits
            t.swept = 0
            t.slots = t.next
            t.bits = t.next_bits
            t.next = NULL
    elif not t.stuck and t.count >= room // 16 * PREPARE_AT and (
            t.count >= room // 16 * HURRY_AT or a.header.hi_used - a.hi_ready >= <u64>16 << t.bits):
        _prepare_next(a)
