# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One walk over the entries of every arena, in the order of the readers."""
from libc.string cimport memcmp, memcpy, memset
from veneurpy.engine.native.arena cimport (
    COUNTER, ENTRY_CANONICAL, ENTRY_TIMESTAMP, GAUGE, HEADER_BYTES, HISTOGRAM, SCOPE_MASK, SERIES_TYPES, SET, TIMER,
    Arena, Entry, Walk, entry_key, gauge_times, is_carried, keeps_gauges, next_entry, walk_entries,
)
from veneurpy.engine.native.changes cimport change_note, changes_apply, changes_date
from veneurpy.engine.native.compat cimport i64, u8, u16, u32, u64
from veneurpy.engine.native.hash cimport MARK_SINKS, HashKey, hash_mark, hash_pair, timestamp_mark
from veneurpy.engine.native.imported cimport entry_tail, entry_totals, has_totals, sender_of
from veneurpy.engine.native.intern cimport interner_close, interner_open
from veneurpy.engine.native.meter cimport Meter, meter_calloc, meter_free, meter_malloc
from veneurpy.engine.native.normal_tags cimport NormalTags, normal_tags, texts_free
from veneurpy.engine.native.pair cimport pair_count
from veneurpy.engine.native.rewriting cimport Rewrite, rewrite_of
from veneurpy.engine.native.samples cimport samples_of
from veneurpy.engine.native.scope cimport GLOBAL, LOCAL, MIXED
from veneurpy.engine.native.slice cimport Slice, compare, cut
from veneurpy.engine.native.table cimport table_home

cdef enum:
    PIECE = 1024                        # series


cdef bint merge_open(Merge* m, Meter* meter, MergeUse use, const HashKey* key, Slice* extend, int n_extend
                     ) noexcept nogil:
    """`extend` is sorted and belongs to the caller. False when there is no memory."""
    memset(m, 0, sizeof(Merge))
    m.meter = meter
    m.use = use
    m.key = key[0]
    m.extend = extend
    m.n_extend = n_extend
    return interner_open(&m.sink_sets, meter, 8)


cdef void merge_close(Merge* m) noexcept nogil:
    texts_free(m)
    meter_free(m.meter, m.slots)
    meter_free(m.meter, m.series)
    meter_free(m.meter, m.parts)
    meter_free(m.meter, m.split)
    interner_close(&m.sink_sets)
    memset(m, 0, sizeof(Merge))


cdef inline bint _is_for_wire(const Merge* m) noexcept nogil:
    """Then scopes, and histograms and timers, stay apart."""
    return m.use >= WIRE_HOST


cdef bint is_global(int type_, int scope) noexcept nogil:
    """Is a series merged over hosts: has its owner the last word on it."""
    if type_ == COUNTER or type_ == GAUGE:
        return scope == GLOBAL
    return scope != LOCAL


cdef bint _is_shown(const Merge* m, const Arena* a, const Entry* e) noexcept nogil:
    """Are rows made of it, as the emission matrix has it (engine/roles.py)."""
    cdef int scope = e.flags & SCOPE_MASK
    if m.use == ROWS_IMPORT:
        return entry_tail(e).touched >= m.touched_since
    if m.use == ROWS_STANDALONE or e.flags & ENTRY_TIMESTAMP:
        return True
    if m.use == ROWS_OWNER:
        return False
    return not is_global(e.type, scope) or (scope == MIXED and (e.type == HISTOGRAM or e.type == TIMER))


cdef bint _is_wanted(const Merge* m, const Entry* e) noexcept nogil:
    """Is it of any use."""
    if m.gauges_only and e.type != GAUGE:
        return False
    if not _is_for_wire(m):
        return True
    return not e.flags & ENTRY_TIMESTAMP and (m.use == WIRE_OWNER or is_global(e.type, e.flags & SCOPE_MASK))


cdef bint _same_series(const Merge* m, const Series* a, const Series* b) noexcept nogil:
    """`b` is looked for: a histogram is there as a timer, but for the wire."""
    if _is_for_wire(m):
        if a.type != b.type or a.scope != b.scope:
            return False
    elif (TIMER if a.type == HISTOGRAM else a.type) != b.type or (m.use != ROWS_IMPORT and a.shown != b.shown):
        return False
    if a.sinks != b.sinks:
        return False
    return (a.name_len == b.name_len and a.tags_len == b.tags_len
            and a.timestamp == b.timestamp and memcmp(a.name, b.name, a.name_len) == 0
            and (a.tags_len == 0 or memcmp(a.tags, b.tags, a.tags_len) == 0))


cdef Series* _find_or_add(Merge* m, const Series* wanted) noexcept nogil:
    cdef u64 mask, i, slot
    cdef Series* s
    if m.slots != NULL:
        mask = (<u64>1 << m.bits) - 1
        i = table_home(wanted.hash, m.bits)
        while m.slots[i] != 0:
            slot = m.slots[i]
            s = &m.series[<u32>slot - 1]
            if slot >> 32 == wanted.hash >> 32 and _same_series(m, s, wanted):
                if s.scope != wanted.scope:
                    s.scope = MIXED
                s.shown = s.shown or wanted.shown
                return s
            i = (i + 1) & mask
        m.slots[i] = (wanted.hash >> 32 << 32) | (m.count + 1)
    s = &m.series[m.count]
    s[0] = wanted[0]
    m.count += 1
    return s


cdef void _add_part(Merge* m, Series* s, const Arena* a, Entry* e) noexcept nogil:
    cdef Part* p = &m.parts[m.n_parts]
    p.arena = a
    p.entry = e
    p.next = s.parts
    m.n_parts += 1
    s.parts = m.n_parts
    if e.type == HISTOGRAM:
        s.type = HISTOGRAM
    s.samples += entry_totals(e).samples if a.imported and has_totals(e.type) else samples_of(a, e)


cdef void _take_carried(const Entry* e, double value, Series* s) noexcept nogil:
    """A gauge of an interval before: what carries is merged first. Of two of one time the larger stays."""
    cdef i64 ns = gauge_times(e)[pair_count(e.hi) & 1]
    if ns > s.gauge_ns or (ns == s.gauge_ns and s.value < value):
        s.gauge_ns = ns
        s.value = value
        s.carried = True


cdef void _take_scalar(const Arena* a, const Entry* e, Series* s, int reader) noexcept nogil:
    """A counter adds up; of gauges the largest (time, sender, reader) stays."""
    cdef double value
    cdef i64 ns
    cdef Slice sender
    cdef int order
    memcpy(&value, &e.lo, 8)
    if e.type == COUNTER:
        s.samples += pair_count(e.hi)
        s.value += value
        return
    s.keeps = s.keeps or (not a.imported and keeps_gauges(a))
    if is_carried(a):
        _take_carried(e, value, s)
        return
    s.samples += pair_count(e.hi)
    ns = gauge_times(e)[pair_count(e.hi) & 1]
    # Changes and no write.
    if ns == 0 and not a.imported:
        return
    sender = sender_of(a, e) if a.imported else cut(<const u8*>e, 0, 0, 0)
    if ns < s.gauge_ns and not s.carried:
        return
    order = compare(s.sender, sender) if ns == s.gauge_ns and not s.carried else -1
    # Readers come in their order; of senders nobody does.
    if order < 0 or (order == 0 and (not a.imported or s.value < value)):
        s.gauge_ns = ns
        s.sender = sender
        s.value = value
        s.carried = False
        s.reader = -1 if a.imported else reader


cdef inline bint _retags(const Rewrite* r) noexcept nogil:
    """May it leave other tags than were sent."""
    return r != NULL and r.n_removed + r.n_stripped + r.n_added > 0


cdef u64 _merge_entry(Merge* m, const Arena* a, Entry* e, int reader, const Rewrite* r) noexcept nogil:
    """Returns the series' index + 1."""
    cdef Series wanted
    cdef Series* s
    cdef NormalTags normal
    cdef u8* key = entry_key(e)
    # What others sent has its senders' implicit tags.
    cdef int n_extend = 0 if a.imported else m.n_extend
    wanted.name = key
    wanted.name_len = e.name_len
    wanted.tags = key + e.name_len
    wanted.tags_len = e.tags_len
    wanted.sinks = 0
    wanted.type = e.type
    wanted.scope = e.flags & SCOPE_MASK
    wanted.timestamp = 0
    wanted.parts = 0
    wanted.value = 0
    wanted.gauge_ns = -1
    wanted.reader = -1
    wanted.carried = False
    wanted.keeps = False
    wanted.samples = 0
    wanted.sender = cut(key, 0, 0, 0)
    wanted.shown = _is_shown(m, a, e)
    wanted.hash = e.hash ^ hash_mark(&m.key, e.type)
    if e.flags & ENTRY_TIMESTAMP:
        memcpy(&wanted.timestamp, key + e.name_len + e.tags_len, 8)
    if r != NULL:
        wanted.name = r.name.data
        wanted.name_len = <u16>r.name.size
    if _retags(r) or n_extend or not e.flags & ENTRY_CANONICAL:
        normal = normal_tags(m, cut(wanted.tags, e.tags_len, 0, e.tags_len), n_extend, r)
        wanted.tags = normal.tags.data
        wanted.tags_len = <u32>normal.tags.size
        # For the wire, hosts forget them.
        wanted.sinks = normal.sinks if m.use != WIRE_HOST else 0
    if r != NULL or n_extend or not e.flags & ENTRY_CANONICAL or a.salvaged != NULL or a.imported:
        # Another process's arena has another key; in an import store scopes are apart.
        wanted.hash = hash_pair(&m.key, wanted.name, wanted.name_len, wanted.tags, wanted.tags_len)
        if wanted.sinks:
            wanted.hash ^= hash_mark(&m.key, (<u64>wanted.sinks << 16) | MARK_SINKS)
        if wanted.timestamp:
            wanted.hash ^= timestamp_mark(&m.key, wanted.timestamp)
    # Histograms and timers of one name are one series in rows: found as timers, named after what came.
    if e.type == HISTOGRAM and not _is_for_wire(m):
        wanted.type = TIMER
    wanted.hash ^= hash_mark(&m.key, wanted.type)
    s = _find_or_add(m, &wanted)
    if e.type == COUNTER or e.type == GAUGE:
        _take_scalar(a, e, s, reader)
    else:
        _add_part(m, s, a, e)
    return <u64>(s - m.series) + 1


cdef bint _needs_table(const Merge* m, Arena** arenas, int n) noexcept nogil:
    """Whether two entries can be one series."""
    cdef u64 irregular = 0
    cdef int i, filled = 0
    for i in range(n):
        irregular += arenas[i].header.irregular
        filled += arenas[i].header.lo_used > HEADER_BYTES or arenas[i].salvaged != NULL
    if m.rewrites != NULL and m.rewrites.any:
        irregular += 1
    return not (filled <= 1 and irregular == 0 and m.n_extend == 0
                and (m.entries[HISTOGRAM] == 0 or m.entries[TIMER] == 0))


cdef void _count_entries(Merge* m, Arena** arenas, int n) noexcept nogil:
    cdef int i, t
    memset(m.entries, 0, sizeof(m.entries))
    m.total = 0
    m.names = 0
    for i in range(n):
        m.names += arenas[i].names.count
        for t in range(SERIES_TYPES):
            m.entries[t] += arenas[i].header.entries[t]
            m.total += arenas[i].header.entries[t]


cdef bint _merge_room(Merge* m, u64 series, u64 parts) noexcept nogil:
    m.series = <Series*>meter_malloc(m.meter, (series + 1) * sizeof(Series))
    m.parts = <Part*>meter_malloc(m.meter, (parts + 1) * sizeof(Part))
    return m.series != NULL and m.parts != NULL


cdef bint _merge_prepare(Merge* m, Arena** arenas, int n) noexcept nogil:
    """Room for what can come; the table only where it is needed."""
    _count_entries(m, arenas, n)
    if not _merge_room(m, m.total, m.entries[HISTOGRAM] + m.entries[TIMER] + m.entries[SET]):
        return False
    if not _needs_table(m, arenas, n):
        return True
    m.bits = 6
    while (<u64>1 << m.bits) < 2 * m.total:
        m.bits += 1
    m.slots = <u64*>meter_calloc(m.meter, <u64>1 << m.bits, 8)
    return m.slots != NULL


cdef void _merge_arena(Merge* m, const Arena* a, int reader) noexcept nogil:
    cdef Walk walk = walk_entries(a)
    cdef Entry* e = next_entry(&walk)
    cdef bint has_changes = not a.imported and a.header.changes != 0
    cdef const Rewrite* r
    cdef u64 number, position = 0
    while e != NULL:
        number = 0
        r = rewrite_of(m.rewrites, reader - m.rewrites_from, position, e.type)
        position += 1
        if (r == NULL or not r.dropped) and (a.imported or samples_of(a, e)) and _is_wanted(m, e):
            number = _merge_entry(m, a, e, reader, r)
        if has_changes and e.type == GAUGE:
            change_note(e, number)
        e = next_entry(&walk)


cdef bint merge_arenas(Merge* m, Arena** arenas, int n) noexcept nogil:
    """Fills `series`. False when there is no memory. Entries without samples are passed over.

    What is carried comes first of all arenas.
    """
    cdef int i
    if not _merge_prepare(m, arenas, n):
        m.failed = True
        return False
    for i in range(n):
        _merge_arena(m, arenas[i], i)
    for i in range(n):
        if not arenas[i].imported:
            changes_apply(m, arenas[i], i)
    for i in range(n):
        if not arenas[i].imported:
            changes_date(m, arenas[i])
    return not m.failed


cdef bint _in_pieces(Merge* m, Arena** arenas, int n) noexcept nogil:
    """Whether each entry is a series of its own, of which rows are made."""
    cdef int i
    for i in range(n):
        if arenas[i].imported or arenas[i].header.changes:
            return False
    return m.use == ROWS_STANDALONE and not _needs_table(m, arenas, n)


cdef bint merge_begin(Merge* m, Arena** arenas, int n) noexcept nogil:
    """`merge_arenas` for whoever looks at each series once: those in `series`, then those after each `merge_next`.

    Where no entry depends on another, they come in pieces that stay in the caches.
    """
    cdef int i
    _count_entries(m, arenas, n)
    if not _in_pieces(m, arenas, n):
        return merge_arenas(m, arenas, n)
    for i in range(n):
        if arenas[i].header.lo_used > HEADER_BYTES or arenas[i].salvaged != NULL:
            m.walk = walk_entries(arenas[i])
    return _merge_room(m, PIECE, PIECE)


cdef bint merge_next(Merge* m) noexcept nogil:
    """Puts the next piece into `series`. False after the last."""
    cdef const Arena* a = m.walk.arena
    cdef Entry* e
    if a == NULL:
        return False
    m.merged += m.count
    m.count = m.n_parts = 0
    while m.count < PIECE:
        e = next_entry(&m.walk)
        if e == NULL:
            m.walk.arena = NULL
            break
        if samples_of(a, e):
            _merge_entry(m, a, e, 0, NULL)
    return m.count > 0
