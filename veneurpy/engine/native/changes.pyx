# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Keeping changes of gauges, applying them at the merge, reading a dead process's."""
from libc.math cimport isfinite
from veneurpy.engine.native.arena cimport (
    ENTRY_CANONICAL, ENTRY_CHANGED, ENTRY_TIMESTAMP, GAUGE, HEADER_BYTES, VALUE_SIDE_LOG_FULL, VALUE_STORE_FULL, Change,
    Header, arena_take_high, entry_at, gauge_times,
)
from veneurpy.engine.native.check cimport hash_check
from veneurpy.engine.native.compat cimport barrier, store_pair, u8, u32
from veneurpy.engine.native.merge cimport Series
from veneurpy.engine.native.number cimport LARGEST_VALUE, parse_number
from veneurpy.engine.native.pair cimport counted, pair_count
from veneurpy.engine.native.scan cimport next_colon


cdef inline u32 _check(const Change* c) noexcept nogil:
    return <u32>hash_check(c, sizeof(Change) - 8) ^ c.number


cdef int _keep(Arena* a, Entry* e, double value, i64 time_ns, u64 most_bytes) noexcept nogil:
    """Keeps a change; -1, or why there is no room for it."""
    cdef Header* h = a.header
    cdef u64 n = pair_count(e.hi) + 1, at
    cdef Change* c
    if h.change_bytes + sizeof(Change) > most_bytes:
        return VALUE_SIDE_LOG_FULL
    at = arena_take_high(a, sizeof(Change))
    if at == 0:
        return VALUE_STORE_FULL
    c = <Change*>(a.base + at)
    c.previous = <u32>(h.changes >> 4)
    c.time_ns = time_ns
    c.value = value
    c.entry = <u32>((<const unsigned char*>e - a.base) >> 4)
    c.number = <u32>n
    c.check = _check(c)
    barrier()
    h.changes = at
    barrier()
    h.change_bytes += sizeof(Change)
    e.flags |= ENTRY_CHANGED
    # The new count's last bit names the other place: the write's time is to be there, too.
    gauge_times(e)[n & 1] = gauge_times(e)[~n & 1]
    barrier()
    store_pair(&e.lo, e.lo, counted(e.lo, n))
    return -1


cdef void gauge_change(Store* s, Entry* e, const Item* it, const double* values, i64 now_ns) noexcept nogil:
    """Values some of which are changes, one by one."""
    cdef Item one = it[0]
    cdef i64 time_ns
    cdef int reason
    cdef u32 i
    one.n = 1
    for i in range(it.n):
        if not it.changes[i]:
            gauge_set(s, e, &one, values + i, now_ns)
            continue
        time_ns = now_ns if now_ns > s.last_gauge_ns else s.last_gauge_ns + 1
        reason = _keep(s.arena, e, values[i], time_ns, s.side_log_max)
        if reason < 0:
            s.last_gauge_ns = time_ns
        else:
            s.arena.header.counters.values_rejected[reason] += 1


cdef void changes_take(Group* g, Item* it, const Scan* marks, char* scratch, const u8* data, Py_ssize_t at,
                       Py_ssize_t end) noexcept nogil:
    """Values of a gauge, packed by colons, of which those with a sign change what was before."""
    cdef Py_ssize_t colon
    cdef double v
    cdef u8* flag
    it.changes = NULL
    while at <= end:
        colon = next_colon(marks, at, end)
        if colon > at:
            if parse_number(data + at, colon - at, scratch, &v) and -LARGEST_VALUE <= v <= LARGEST_VALUE:
                flag = g.changes + g.n_values
                flag[0] = data[at] == c'+' or data[at] == c'-'
                if flag[0]:
                    it.changes = g.changes + it.first
                g.values[g.n_values] = v
                g.n_values += 1
                it.n += 1
            else:
                it.bad += 1
        at = colon + 1


cdef inline bint _counts(const Change* c, const Entry* e) noexcept nogil:
    """The newest may have been kept and not counted when the process died."""
    return <u32>(pair_count(e.hi)) - c.number < <u32>1 << 31


cdef void change_note(Entry* e, u64 series) noexcept nogil:
    """Notes the merged series of a gauge, its index + 1 or 0, in the place of the time that does not count."""
    gauge_times(e)[~pair_count(e.hi) & 1] = <i64>series


cdef Series* _noted(Merge* m, const Entry* e) noexcept nogil:
    cdef i64 number = gauge_times(e)[~pair_count(e.hi) & 1]
    return &m.series[number - 1] if 0 < number <= <i64>m.count else NULL


cdef inline bint _comes_after(const Change* c, int reader, const Series* s) noexcept nogil:
    if s.carried:
        return True
    return c.time_ns > s.gauge_ns or (c.time_ns == s.gauge_ns and reader > s.reader)


cdef const Change* _next_counting(Merge* m, const Arena* a, u64* at, Series** s) noexcept nogil:
    """The change at a place of the list, or the first after it, that counts, with its series; NULL at the end."""
    cdef const Change* c
    cdef const Entry* e
    while at[0]:
        c = <const Change*>(a.base + at[0])
        at[0] = <u64>c.previous << 4
        e = entry_at(a, <u64>c.entry << 4)
        s[0] = _noted(m, e)
        if s[0] != NULL and _counts(c, e):
            return c
    return NULL


cdef void changes_apply(Merge* m, const Arena* a, int reader) noexcept nogil:
    """Adds a reader's changes to the gauges. The times of the last writes are still those of the series."""
    cdef u64 at = a.header.changes
    cdef Series* s = NULL
    cdef const Change* c = _next_counting(m, a, &at, &s)
    while c != NULL:
        if _comes_after(c, reader, s):
            s.value += c.value
        c = _next_counting(m, a, &at, &s)


cdef void changes_date(Merge* m, const Arena* a) noexcept nogil:
    """Makes the last change's time the gauge's, once all readers' changes are applied."""
    cdef u64 at = a.header.changes
    cdef Series* s = NULL
    cdef const Change* c = _next_counting(m, a, &at, &s)
    while c != NULL:
        if c.time_ns > s.gauge_ns:
            s.gauge_ns = c.time_ns
        c = _next_counting(m, a, &at, &s)


cdef bint _is_listed(const Arena* a, u32 entry) noexcept nogil:
    """Is it one of the sound entries, which are in order."""
    cdef u64 low = 0, high = a.n_salvaged, middle
    while low < high:
        middle = (low + high) // 2
        if a.salvaged[middle] < entry:
            low = middle + 1
        else:
            high = middle
    return low < a.n_salvaged and a.salvaged[low] == entry


cdef inline bint _is_changed(const Entry* e) noexcept nogil:
    return e.type == GAUGE and e.flags & ENTRY_CHANGED != 0


cdef void _note_all(const Arena* a, u64 number) noexcept nogil:
    cdef u64 i
    for i in range(a.n_salvaged):
        if _is_changed(entry_at(a, <u64>a.salvaged[i] << 4)):
            change_note(entry_at(a, <u64>a.salvaged[i] << 4), number)


cdef bint _are_all_noted(const Arena* a) noexcept nogil:
    cdef u64 i
    cdef const Entry* e
    for i in range(a.n_salvaged):
        e = entry_at(a, <u64>a.salvaged[i] << 4)
        if _is_changed(e) and gauge_times(e)[~pair_count(e.hi) & 1] == 0:
            return False
    return True


cdef void _drop_changed(Arena* a) noexcept nogil:
    """Leaves out the gauges that have changes: nobody knows which."""
    cdef u64 i, kept = 0
    cdef const Entry* e
    for i in range(a.n_salvaged):
        e = entry_at(a, <u64>a.salvaged[i] << 4)
        if _is_changed(e):
            a.header.entries[GAUGE] -= 1
            a.header.irregular -= not e.flags & ENTRY_CANONICAL or e.flags & ENTRY_TIMESTAMP != 0
            continue
        a.salvaged[kept] = a.salvaged[i]
        kept += 1
    a.n_salvaged = kept


cdef bint changes_salvage(Arena* a) noexcept nogil:
    """Reads a dead process's list, the sound entries being known; False if it is not whole.

    Then gauges that have changes are left out: they would be wrong.
    """
    cdef u64 at = a.header.changes, before = HEADER_BYTES - 1, bytes_ = 0
    cdef Change* c
    cdef Change* newer = NULL
    a.header.changes = 0
    _note_all(a, 0)
    while at:
        if at & 15 or at <= before or at < a.hi_ready or at > a.size - sizeof(Change):
            break
        c = <Change*>(a.base + at)
        if c.check != _check(c) or not isfinite(c.value):
            break
        if _is_listed(a, c.entry) and entry_at(a, <u64>c.entry << 4).type == GAUGE:
            change_note(entry_at(a, <u64>c.entry << 4), 1)
            if newer == NULL:
                a.header.changes = at
            else:
                newer.previous = <u32>(at >> 4)
            newer = c
        elif bytes_ or c.number != 1:
            # The newest may be the first change of a gauge, and not counted yet; nothing else is of no gauge.
            break
        bytes_ += sizeof(Change)
        before = at
        at = <u64>c.previous << 4
    if newer != NULL:
        newer.previous = 0
    # A change is linked, then its bytes are counted, then its gauge is marked.
    if at == 0 and bytes_ - a.header.change_bytes <= sizeof(Change) and _are_all_noted(a):
        return True
    a.header.changes = 0
    _drop_changed(a)
    return False
