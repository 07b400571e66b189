# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Finding and inserting series, and applying the values of a group of lines to them."""
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport (
    BAD_NAME, BAD_NAME_TAG, BAD_TAGS, BAD_TIMESTAMP, COUNTER, ENTRY_CONFLICT, GAUGE, HISTOGRAM, SCOPE_CONFLICT, SET,
    TIMER, UNKNOWN_FIELD, VALUE_BAD, VALUE_STORE_FULL, Arena, Counters, Entry, Header, SideRecord, arena_take_high,
    block_at, entry_at, table_step,
)
from veneurpy.engine.native.blocks cimport (
    PAIRS_FLAG, samples_at, scratch_close, scratch_open, set_add, timer_add, word_block, word_length,
)
from veneurpy.engine.native.changes cimport gauge_change, gauge_set
from veneurpy.engine.native.compat cimport barrier, i64, likely, prefetch, store_pair, u8, u32, u64, unlikely
from veneurpy.engine.native.forms cimport former_close
from veneurpy.engine.native.lookup cimport confirmed, find_spelling, probable_entry
from veneurpy.engine.native.names cimport name_home
from veneurpy.engine.native.overflow cimport Place, place_folded, place_new
from veneurpy.engine.native.pair cimport counted, pair_count
from veneurpy.engine.native.tags cimport may_be_tags
from veneurpy.engine.native.utf8 cimport is_text


cdef bint store_open(Store* s, double compression, u32 max_timestamps, u64 side_log_max, const Budget* budget,
                     u64 client_series) noexcept nogil:
    """False when there is no memory."""
    memset(s, 0, sizeof(Store))
    s.side_log_max = side_log_max
    s.budget = budget[0]
    s.client_series = client_series
    s.timestamps.limit = max_timestamps
    s.timestamps.size = 16
    while s.timestamps.size < 2 * max_timestamps:
        s.timestamps.size *= 2
    s.timestamps.slots = <i64*>calloc(s.timestamps.size, sizeof(i64))
    return scratch_open(&s.scratch, compression) and s.timestamps.slots != NULL


cdef void store_close(Store* s) noexcept nogil:
    scratch_close(&s.scratch)
    former_close(&s.former)
    free(s.timestamps.slots)
    s.timestamps.slots = NULL


cdef void store_begin(Store* s, Arena* arena) noexcept nogil:
    """From now on the store fills this arena, which is empty."""
    s.arena = arena
    s.client = NULL
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


cdef void _divert(Store* s, Entry* e, const Item* it, double value, double weight) noexcept nogil:
    """A sample, or a set's member, for which the series has no room: it goes to the one that stands for such."""
    cdef Counters* c = &s.arena.header.counters
    cdef Entry* folded = place_folded(s, it)
    cdef u64 hash_
    cdef bint taken = False, folding = s.arena.reserve.folding
    s.arena.reserve.folding = True
    if folded != NULL and folded != e:
        if it.type == SET:
            memcpy(&hash_, &value, 8)
            taken = set_add(s.arena, folded, hash_)
        else:
            taken = timer_add(s.arena, folded, &s.scratch, value, weight)
    s.arena.reserve.folding = folding
    if not taken:
        c.values_rejected[VALUE_STORE_FULL] += 1
    # A line that is folded as a whole is counted already.
    if taken != folding:
        c.folded = c.folded + 1 if taken else c.folded - 1


cdef inline bint _add_sample(Store* s, Entry* e, double value, double weight) noexcept nogil:
    """`timer_add`, its most frequent case without a call: a sample of weight 1, and there is room among such."""
    cdef u32 n = word_length(e.lo)
    if unlikely(weight != 1.0 or e.hi & PAIRS_FLAG or n >= e.hi >> 32):
        return timer_add(s.arena, e, &s.scratch, value, weight)
    (<double*>samples_at(s.arena, e))[n] = value
    barrier()
    e.lo += 1
    barrier()
    return True


cdef inline void _apply_values(Store* s, Entry* e, const Item* it, const double* values, i64 now_ns) noexcept nogil:
    cdef double weight
    cdef u64 hash_
    cdef u32 i
    if it.type == COUNTER:
        _add_to_counter(e, it, values)
    elif it.type == GAUGE:
        if unlikely(it.changes != NULL):
            gauge_change(s, e, it, values, now_ns)
        else:
            gauge_set(s, e, it, values, now_ns)
    elif it.type == SET:
        memcpy(&hash_, &values[0], 8)
        if unlikely(not set_add(s.arena, e, hash_)):
            _divert(s, e, it, values[0], 1.0)
    else:
        weight = 1.0 if it.rate == 1.0 else 1.0 / it.rate
        for i in range(it.n):
            if unlikely(not _add_sample(s, e, values[i], weight)):
                _divert(s, e, it, values[i], weight)


cdef inline void _prefetch_samples(const Arena* a, const Entry* e) noexcept nogil:
    """The place of a timer's next sample, the head of a set's members."""
    if e.type == HISTOGRAM or e.type == TIMER:
        prefetch(<u8*>samples_at(a, e) + ((<u64>word_length(e.lo)) << (4 if e.hi & PAIRS_FLAG else 3)))
    elif e.type == SET:
        prefetch(block_at(a, word_block(e.lo)))


cdef inline void _look_up(const Arena* a, Group* g) noexcept nogil:
    """In passes over the group, so that one line's cache misses overlap with the others'."""
    cdef int i
    cdef Item* it
    for i in range(g.n):
        it = &g.items[i]
        it.entry = probable_entry(a, it.hash)
        if it.entry != NULL:
            prefetch(it.entry)
            prefetch(<u8*>it.entry + 64)
    for i in range(g.n):
        it = &g.items[i]
        it.entry = confirmed(a, it.entry, it)
        if likely(it.entry != NULL):
            _prefetch_samples(a, it.entry)
        elif a.names.slots != NULL:
            # It is probably new: then the number of its name's series is asked for.
            prefetch(&a.names.slots[name_home(&a.names, it.name_hash)])


cdef inline void _count_line(Counters* c, const Item* it) noexcept nogil:
    c.accepted += 1
    c.values += it.n + it.bad
    if unlikely(it.bad or it.unknown or it.bad_name_tags or it.bad_timestamp):
        c.values_rejected[VALUE_BAD] += it.bad
        c.ignored[UNKNOWN_FIELD] += it.unknown
        c.ignored[BAD_TIMESTAMP] += it.bad_timestamp
        c.ignored[BAD_NAME_TAG] += it.bad_name_tags


cdef Entry* _place_new(Store* s, Counters* c, const Item* it) noexcept nogil:
    """Where a spelling goes that is not in the store: the one place where its name and tags are looked at byte by byte.

    Counts the line. NULL: its values go nowhere. `_end_new` is to be called when they are applied.
    """
    cdef Place p
    if it.name_len == 0 or not is_text(it.name, it.name_len):
        c.rejected[BAD_NAME] += 1
        return NULL
    if not may_be_tags(it.tags, it.tags_len):
        c.rejected[BAD_TAGS] += 1
        return NULL
    _count_line(c, it)
    p = place_new(s, it)
    c.ignored[SCOPE_CONFLICT] += p.conflict
    if p.entry == NULL:
        c.values_rejected[p.reason] += it.n
    elif p.folded:
        s.arena.reserve.folding = True
        # Less those that find no room, as they are counted.
        c.folded += it.n
    return p.entry


cdef void _end_new(Store* s) noexcept nogil:
    s.arena.reserve.folding = False


cdef inline bint _has_come(Store* s, u64 hash_) noexcept nogil:
    """May an entry of that hash have come since the group was looked up."""
    cdef u64 end = s.arena.header.lo_used
    cdef Entry* e
    while s.fresh_end < end:
        e = entry_at(s.arena, s.fresh_end)
        s.fresh |= <u64>1 << (e.hash & 63)
        s.fresh_end += <u64>e.size16 << 4
    return s.fresh >> (hash_ & 63) & 1


cdef inline void _apply_line(Store* s, Counters* c, const Item* it, const double* values, i64 now_ns) noexcept nogil:
    cdef Entry* e = it.entry
    cdef bint is_new = False
    if unlikely(e == NULL):
        # A line before it in the group may have brought the same spelling.
        if _has_come(s, it.hash):
            e = find_spelling(s.arena, it)
        if e == NULL:
            e = _place_new(s, c, it)
            if e == NULL:
                return
            is_new = True
    if likely(not is_new):
        _count_line(c, it)
        if unlikely(e.flags & ENTRY_CONFLICT):
            c.ignored[SCOPE_CONFLICT] += 1
    # In one place only, so that it is inlined.
    _apply_values(s, e, it, values, now_ns)
    if unlikely(is_new):
        _end_new(s)


cdef void store_apply(Store* s, Group* g, i64 now_ns) noexcept nogil:
    """Applies a group's lines in order and empties it."""
    cdef Counters* c = &s.arena.header.counters
    cdef int i
    table_step(s.arena)
    s.fresh_end = s.arena.header.lo_used
    s.fresh = 0
    _look_up(s.arena, g)
    for i in range(g.n):
        _apply_line(s, c, &g.items[i], g.values + g.items[i].first, now_ns)
    g.n = 0
    g.n_values = 0
