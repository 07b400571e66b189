# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Finding and inserting series, and applying the values of a group of lines to them."""
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport (
    BAD_NAME, BAD_TAGS, BAD_TIMESTAMP, COUNTER, ENTRY_CANONICAL, ENTRY_CONFLICT, ENTRY_TIMESTAMP, GAUGE, HISTOGRAM,
    SCOPE_CONFLICT, SET, TIMER, UNKNOWN_FIELD, VALUE_BAD, VALUE_STORE_FULL, Arena, Counters, Entry, Header,
    SideRecord, arena_room_low, arena_take_high, entry_at, entry_bytes, entry_key, table_step,
)
from veneurpy.engine.native.blocks cimport (
    PAIRS_FLAG, samples_at, scratch_close, scratch_open, set_add, timer_add, word_length,
)
from veneurpy.engine.native.compat cimport barrier, i64, likely, prefetch, store_pair, u8, u16, u32, u64, unlikely
from veneurpy.engine.native.pair cimport counted, pair_count
from veneurpy.engine.native.slice cimport Slice, same_bytes
from veneurpy.engine.native.table cimport slot_of, slot_offset, table_home, table_limit, table_put
from veneurpy.engine.native.tags cimport TagFacts, tag_facts
from veneurpy.engine.native.utf8 cimport is_text


cdef bint store_open(Store* s, double compression, u32 max_timestamps, u64 side_log_max) noexcept nogil:
    """False when there is no memory."""
    memset(s, 0, sizeof(Store))
    s.side_log_max = side_log_max
    s.timestamps.limit = max_timestamps
    s.timestamps.size = 16
    while s.timestamps.size < 2 * max_timestamps:
        s.timestamps.size *= 2
    s.timestamps.slots = <i64*>calloc(s.timestamps.size, sizeof(i64))
    return scratch_open(&s.scratch, compression) and s.timestamps.slots != NULL


cdef void store_close(Store* s) noexcept nogil:
    scratch_close(&s.scratch)
    free(s.timestamps.slots)
    s.timestamps.slots = NULL


cdef void store_begin(Store* s, Arena* arena) noexcept nogil:
    """From now on the store fills this arena, which is empty."""
    s.arena = arena
    if s.timestamps.count:
        memset(s.timestamps.slots, 0, s.timestamps.size * sizeof(i64))
        s.timestamps.count = 0


cdef bint timestamps_admit(Timestamps* t, i64 timestamp) noexcept nogil:
    """Is this T among those of the interval, or may it become one."""
    cdef u32 mask = t.size - 1
    cdef u32 i = <u32>(<u64>timestamp * <u64>0x9E3779B97F4A7C15u >> 40) & mask
    while t.slots[i] != 0:
        if t.slots[i] == timestamp:
            return True
        i = (i + 1) & mask
    if t.count >= t.limit:
        return False
    t.slots[i] = timestamp
    t.count += 1
    return True


cdef bint store_log_side(Store* s, const u8* line, Py_ssize_t size) noexcept nogil:
    """Keeps an event or a service check as it came; False when the side log is full."""
    cdef Header* h = s.arena.header
    cdef u64 bytes_ = sizeof(SideRecord) + <u64>size
    cdef u64 at
    cdef SideRecord* record
    if h.side_bytes + bytes_ > s.side_log_max:
        return False
    at = arena_take_high(s.arena, bytes_)
    if at == 0:
        return False
    record = <SideRecord*>(s.arena.base + at)
    record.previous = h.side_log
    record.size = <u64>size
    memcpy(<u8*>record + sizeof(SideRecord), line, <size_t>size)
    barrier()
    h.side_log = at
    barrier()
    h.side_bytes += bytes_
    return True


cdef inline bint _is_same(Entry* e, const Item* it) noexcept nogil:
    cdef u8* key
    if e.name_len != it.name_len or e.tags_len != it.tags_len or e.type != it.type:
        return False
    if ((e.flags & ENTRY_TIMESTAMP) != 0) != (it.has_timestamp != 0):
        return False
    key = entry_key(e)
    if not same_bytes(key, it.name, it.name_len):
        return False
    key += it.name_len
    if it.tags_len and not same_bytes(key, it.tags, it.tags_len):
        return False
    return not it.has_timestamp or same_bytes(key + it.tags_len, <const u8*>&it.timestamp, 8)


cdef inline Entry* _find_in(const Arena* a, const u64* slots, u32 bits, const Item* it) noexcept nogil:
    cdef u64 mask = (<u64>1 << bits) - 1
    cdef u64 i = table_home(it.hash, bits)
    cdef u64 slot = slots[i]
    cdef Entry* e
    while slot != 0:
        if slot >> 32 == it.hash >> 32:
            e = entry_at(a, slot_offset(slot))
            if likely(e.hash == it.hash and _is_same(e, it)):
                return e
        i = (i + 1) & mask
        slot = slots[i]
    return NULL


cdef inline Entry* _find(const Arena* a, const Item* it) noexcept nogil:
    cdef Entry* e = _find_in(a, a.table.slots, a.table.bits, it)
    if unlikely(e == NULL and a.table.old != NULL):
        e = _find_in(a, a.table.old, a.table.old_bits, it)
    return e


cdef inline void _prefetch_entry(const Arena* a, const Item* it) noexcept nogil:
    cdef u64 slot = a.table.slots[table_home(it.hash, a.table.bits)]
    if slot >> 32 == it.hash >> 32:
        prefetch(a.base + slot_offset(slot))
        prefetch(a.base + slot_offset(slot) + 64)


cdef Entry* _write_entry(Arena* a, const Item* it, u8 flags) noexcept nogil:
    """A new entry with no values, published to the walk and to the table; NULL when full."""
    cdef Header* h = a.header
    cdef u64 at = h.lo_used
    cdef Entry* e = entry_at(a, at)
    cdef u64 size = entry_bytes(it.type, it.name_len, it.tags_len, it.has_timestamp != 0)
    cdef u8* key
    while a.table.count >= table_limit(&a.table):
        if a.table.stuck and a.table.next == NULL and a.table.old == NULL:
            return NULL
        table_step(a)
    if not arena_room_low(a, size):
        return NULL
    memset(e, 0, 48 if it.type == GAUGE else 32)
    e.hash = it.hash
    e.name_len = <u16>it.name_len
    e.tags_len = <u16>it.tags_len
    e.type = it.type
    e.flags = flags
    e.size16 = <u16>(size >> 4)
    if it.type == COUNTER or it.type == GAUGE:
        store_pair(&e.lo, 0, counted(0, 0))
    key = entry_key(e)
    memcpy(key, it.name, it.name_len)
    if it.tags_len:
        memcpy(key + it.name_len, it.tags, it.tags_len)
    if it.has_timestamp:
        memcpy(key + it.name_len + it.tags_len, &it.timestamp, 8)
    barrier()
    h.lo_used = at + size
    barrier()
    table_put(a.table.slots, a.table.bits, slot_of(it.hash, at))
    a.table.count += 1
    h.entries[it.type] += 1
    if not flags & ENTRY_CANONICAL or it.has_timestamp:
        h.irregular += 1
    return e


cdef Entry* _insert(Store* s, const Item* it, bint* rejected) noexcept nogil:
    """A spelling that is not in the store: the one place where its name and tags are looked at byte by byte."""
    cdef Counters* c = &s.arena.header.counters
    cdef TagFacts facts
    cdef Slice tags
    cdef u8 flags
    rejected[0] = True
    if it.name_len == 0 or not is_text(it.name, it.name_len):
        c.rejected[BAD_NAME] += 1
        return NULL
    if not is_text(it.tags, it.tags_len):
        c.rejected[BAD_TAGS] += 1
        return NULL
    rejected[0] = False
    tags.data = it.tags
    tags.size = it.tags_len
    facts = tag_facts(tags)
    flags = 1 if facts.local else (2 if facts.global_ else 0)
    if facts.canonical:
        flags |= ENTRY_CANONICAL
    if facts.local and facts.global_:
        flags |= ENTRY_CONFLICT
    if it.has_timestamp:
        flags |= ENTRY_TIMESTAMP
    return _write_entry(s.arena, it, flags)


cdef inline void _add_to_counter(Entry* e, const Item* it, const double* values) noexcept nogil:
    cdef double total
    cdef u32 i
    memcpy(&total, &e.lo, 8)
    if it.rate == 1.0:
        for i in range(it.n):
            total += values[i]
    else:
        for i in range(it.n):
            total += values[i] / it.rate
    cdef u64 bits
    memcpy(&bits, &total, 8)
    store_pair(&e.lo, bits, counted(bits, pair_count(e.hi) + it.n))


cdef inline void _set_gauge(Store* s, Entry* e, const Item* it, const double* values, i64 now_ns) noexcept nogil:
    """The time goes to the place that the new count's last bit names, so the pair publishes both."""
    cdef u64 n = pair_count(e.hi) + it.n
    cdef u64 bits
    s.last_gauge_ns = (now_ns if now_ns > s.last_gauge_ns else s.last_gauge_ns + 1) + it.n - 1
    (<i64*>(<u8*>e + 32))[n & 1] = s.last_gauge_ns
    memcpy(&bits, &values[it.n - 1], 8)
    barrier()
    store_pair(&e.lo, bits, counted(bits, n))


cdef inline void _apply_values(Store* s, Entry* e, const Item* it, const double* values, i64 now_ns) noexcept nogil:
    cdef Counters* c = &s.arena.header.counters
    cdef double weight
    cdef u64 hash_
    cdef u32 i
    if it.type == COUNTER:
        _add_to_counter(e, it, values)
    elif it.type == GAUGE:
        _set_gauge(s, e, it, values, now_ns)
    elif it.type == SET:
        memcpy(&hash_, &values[0], 8)
        c.values_rejected[VALUE_STORE_FULL] += not set_add(s.arena, e, hash_)
    else:
        weight = 1.0 if it.rate == 1.0 else 1.0 / it.rate
        for i in range(it.n):
            c.values_rejected[VALUE_STORE_FULL] += not timer_add(s.arena, e, &s.scratch, values[i], weight)


cdef inline void _prefetch_samples(const Arena* a, const Entry* e) noexcept nogil:
    """The place of a timer's next sample."""
    if e.type == HISTOGRAM or e.type == TIMER:
        prefetch(<u8*>samples_at(a, e) + ((<u64>word_length(e.lo)) << (4 if e.hi & PAIRS_FLAG else 3)))


cdef inline void _look_up(const Arena* a, Group* g) noexcept nogil:
    """In passes over the group, so that one line's cache misses overlap with the others'."""
    cdef int i
    cdef Item* it
    for i in range(g.n):
        _prefetch_entry(a, &g.items[i])
    for i in range(g.n):
        it = &g.items[i]
        it.entry = _find(a, it)
        if it.entry != NULL:
            _prefetch_samples(a, it.entry)


cdef inline void _apply_line(Store* s, Counters* c, const Item* it, const double* values, i64 now_ns) noexcept nogil:
    cdef Entry* e = it.entry
    cdef bint rejected
    if unlikely(e == NULL):
        # A line before it in the group may have brought the same spelling.
        e = _find(s.arena, it)
        if e == NULL:
            e = _insert(s, it, &rejected)
            if rejected:
                return
    c.accepted += 1
    c.values += it.n + it.bad
    if unlikely(it.bad or it.unknown or it.bad_timestamp):
        c.values_rejected[VALUE_BAD] += it.bad
        c.ignored[UNKNOWN_FIELD] += it.unknown
        c.ignored[BAD_TIMESTAMP] += it.bad_timestamp
    if unlikely(e == NULL):
        c.values_rejected[VALUE_STORE_FULL] += it.n
        return
    if unlikely(e.flags & ENTRY_CONFLICT):
        c.ignored[SCOPE_CONFLICT] += 1
    _apply_values(s, e, it, values, now_ns)


cdef void store_apply(Store* s, Group* g, i64 now_ns) noexcept nogil:
    """Applies a group's lines in order and empties it."""
    cdef Counters* c = &s.arena.header.counters
    cdef int i
    table_step(s.arena)
    _look_up(s.arena, g)
    for i in range(g.n):
        _apply_line(s, c, &g.items[i], g.values + g.items[i].first, now_ns)
    g.n = 0
    g.n_values = 0
