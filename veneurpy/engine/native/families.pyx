# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Grows only. To forget, whoever holds it builds another one of what is left."""
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset
from veneurpy.engine.native.compat cimport prefetch
from veneurpy.engine.native.hash cimport hash_bytes, hash_mark
from veneurpy.engine.native.intern cimport INTERN_FAILED, interned, interner_expect
from veneurpy.engine.native.pool cimport pool_close, pool_number, pool_open, pool_string
from veneurpy.engine.native.slice cimport cut
from veneurpy.engine.native.table cimport table_home
from veneurpy.engine.native.text cimport text_free, text_put, text_reserve

cdef enum:
    LEAST_BITS = 8
    MOST_BITS = 31
    TOTAL_BYTES = 6

# A family on its way to its place, and what it is sorted by at the moment.
cdef struct Ranked:
    u64 key
    u32 family


cdef bint families_open(Families* f, const HashKey* key) noexcept nogil:
    """False when there is no memory; so is everything below, or NONE."""
    memset(f, 0, sizeof(Families))
    f.bits = LEAST_BITS
    f.slots = <u32*>calloc(<size_t>1 << f.bits, sizeof(u32))
    return pool_open(&f.pool, key) and f.slots != NULL


cdef void families_close(Families* f) noexcept nogil:
    pool_close(&f.pool)
    free(f.roles)
    free(f.families)
    free(f.order)
    free(f.series)
    free(f.slots)
    text_free(&f.scratch)
    memset(f, 0, sizeof(Families))


cdef bint _room(void** items, u32* room, u32 count, size_t item_bytes) noexcept nogil:
    """Room for one more than `count`."""
    cdef u32 more = 2 * room[0] + 64
    cdef void* p
    if count < room[0]:
        return True
    if room[0] >= 1 << 30:
        return False
    p = realloc(items[0], more * item_bytes)
    if p == NULL:
        return False
    items[0] = p
    room[0] = more
    return True


cdef u32 families_string(Families* f, Slice s) noexcept nogil:
    """The number of a string, with its role."""
    cdef u32 before = f.pool.strings.count, number
    if not _room(<void**>&f.roles, &f.roles_room, before, sizeof(Role)):
        return NONE
    number = pool_number(&f.pool, s)
    if number == INTERN_FAILED:
        return NONE
    if number == before:
        memset(&f.roles[number], 0xFF, sizeof(Role))
    return number


cdef Slice stem_of(Slice metric) noexcept nogil:
    """The metric without "_total" behind."""
    cdef Py_ssize_t n = metric.size - TOTAL_BYTES
    if n >= 0 and memcmp(metric.data + n, b"_total", TOTAL_BYTES) == 0:
        return cut(metric.data, metric.size, 0, n)
    return metric


cdef bint _sibling(Families* f, Slice metric, Slice* out) noexcept nogil:
    """The only other metric with its stem; empty where there can be none. False when there is no memory."""
    cdef Slice stem = stem_of(metric)
    if stem.size < metric.size:
        out[0] = cut(stem.data, stem.size, 0, stem.size if stem_of(stem).size == stem.size else 0)
        return True
    f.scratch.size = 0
    if not text_reserve(&f.scratch, metric.size + TOTAL_BYTES):
        return False
    text_put(&f.scratch, metric)
    text_put(&f.scratch, cut(b"_total", TOTAL_BYTES, 0, TOTAL_BYTES))
    out[0] = cut(f.scratch.data, f.scratch.size, 0, f.scratch.size)
    return True


cdef inline u64 _hash(const Families* f, Slice s) noexcept nogil:
    return hash_bytes(&f.pool.key, s.data, s.size, 0)


cdef int families_kind(Families* f, u32 metric) noexcept nogil:
    """The kind of what has the metric's stem, which counters and gauges may not share; 0: nothing, -1: no memory."""
    cdef u32 family = f.roles[metric].family, other
    cdef Slice sibling
    if family == NONE:
        if not _sibling(f, pool_string(&f.pool, metric), &sibling):
            return -1
        other = interned(&f.pool.strings, _hash(f, sibling), sibling)
        family = f.roles[other].family if other != INTERN_FAILED else NONE
    return f.families[family].kind if family != NONE else 0


cdef u32 families_add(Families* f, u32 metric, u8 kind, u32 sent_name) noexcept nogil:
    """A family of a metric that has none."""
    cdef Family* family
    if not _room(<void**>&f.families, &f.families_room, f.n_families, sizeof(Family)):
        return NONE
    family = &f.families[f.n_families]
    family.metric = metric
    family.sent_name = sent_name
    family.first = family.last = NONE
    family.kind = kind
    f.roles[metric].family = f.n_families
    f.n_families += 1
    return f.n_families - 1


cdef inline u64 _home(const Families* f, u32 family, u32 labels) noexcept nogil:
    return hash_mark(&f.pool.key, (<u64>family << 32) | labels) >> (64 - f.bits)


cdef u32 families_find(const Families* f, u32 family, u32 labels) noexcept nogil:
    """The series of a family with these labels."""
    cdef u64 i = _home(f, family, labels), mask = (<u64>1 << f.bits) - 1
    cdef const ShownSeries* s
    while f.slots[i]:
        s = &f.series[f.slots[i] - 1]
        if s.family == family and s.labels == labels:
            return f.slots[i] - 1
        i = (i + 1) & mask
    return NONE


cdef inline void _enter(Families* f, u32 series) noexcept nogil:
    cdef u64 i = _home(f, f.series[series].family, f.series[series].labels), mask = (<u64>1 << f.bits) - 1
    while f.slots[i]:
        i = (i + 1) & mask
    f.slots[i] = series + 1


cdef bint _resize(Families* f, u32 bits) noexcept nogil:
    cdef u32* slots
    cdef u32 i
    if bits > MOST_BITS:
        return False
    slots = <u32*>calloc(<size_t>1 << bits, sizeof(u32))
    if slots == NULL:
        return False
    free(f.slots)
    f.slots = slots
    f.bits = bits
    for i in range(f.n_series):
        _enter(f, i)
    return True


cdef void families_expect(Families* f, u64 strings, u64 series) noexcept nogil:
    """Makes the tables as large as so many need, at once. Without memory they grow when they must."""
    cdef u32 bits = f.bits
    interner_expect(&f.pool.strings, strings)
    while <u64>1 << bits < 2 * series and bits < MOST_BITS:
        bits += 1
    if bits != f.bits:
        _resize(f, bits)


cdef u32 families_add_series(Families* f, u32 family, u32 labels) noexcept nogil:
    """A series that `families_find` has not found; its numbers are 0 and its sent strings NONE."""
    cdef ShownSeries* s
    cdef Family* of = &f.families[family]
    cdef u32 number = f.n_series
    if not _room(<void**>&f.series, &f.series_room, number, sizeof(ShownSeries)):
        return NONE
    if <u64>number >= (<u64>1 << f.bits) // 2 and not _resize(f, f.bits + 1):
        return NONE
    s = &f.series[number]
    memset(s, 0, sizeof(ShownSeries))
    s.family = family
    s.labels = labels
    s.sent_name = s.sent_tags = s.next = NONE
    f.n_series += 1
    _enter(f, number)
    if of.last == NONE:
        of.first = number
    else:
        f.series[of.last].next = number
    of.last = number
    return number


cdef bint _load_keys(const Families* f, Ranked* a, u32 n, Py_ssize_t at) noexcept nogil:
    """The 8 bytes of each metric from there on; what is not there is 0, which no metric has. False: none has any."""
    cdef Slice metric
    cdef Py_ssize_t i
    cdef bint any_ = False
    cdef u32 number
    for number in range(n):
        metric = pool_string(&f.pool, f.families[a[number].family].metric)
        a[number].key = 0
        for i in range(at, metric.size if metric.size < at + 8 else at + 8):
            a[number].key |= <u64>metric.data[i] << (8 * (at + 7 - i))
            any_ = True
    return any_


cdef void _merge_down(Ranked* a, u32 middle, u32 n, Ranked* spare) noexcept nogil:
    """Two sorted halves become one."""
    cdef u32 left = 0, right = middle, out = 0
    memcpy(spare, a, middle * sizeof(Ranked))
    while left < middle:
        if right < n and a[right].key < spare[left].key:
            a[out] = a[right]
            right += 1
        else:
            a[out] = spare[left]
            left += 1
        out += 1


cdef void _sort_keys(Ranked* a, Ranked* spare, u32 n) noexcept nogil:
    """Costs one look at each where they are sorted; else no order of theirs is worse than another."""
    cdef u64 width = 1, low, high
    while width < n:
        low = 0
        while low + width < n:
            high = low + 2 * width if low + 2 * width < n else n
            if a[low + width].key < a[low + width - 1].key:
                _merge_down(a + low, <u32>width, <u32>(high - low), spare)
            low = high
        width *= 2


cdef void _rank(const Families* f, Ranked* a, Ranked* spare, u32 n, Py_ssize_t at) noexcept nogil:
    """Sorts by the bytes of the metrics from `at` on, eight at a time."""
    cdef u32 begin = 0, end
    while n > 1 and _load_keys(f, a, n, at):
        _sort_keys(a, spare, n)
        at += 8
        if a[0].key != a[n - 1].key:
            break
    else:
        return
    while begin < n:
        end = begin + 1
        while end < n and a[end].key == a[begin].key:
            end += 1
        if end - begin > 1:
            _rank(f, a + begin, spare, end - begin, at)
        begin = end


cdef bint families_order(Families* f) noexcept nogil:
    """Makes `order` the families sorted by metric. Costs nothing unless there are new ones."""
    cdef Ranked* ranked
    cdef u32* order
    cdef u32 i
    if f.n_ordered == f.n_families:
        return True
    ranked = <Ranked*>malloc(2 * <size_t>f.n_families * sizeof(Ranked))
    order = <u32*>realloc(f.order, f.n_families * sizeof(u32))
    if order != NULL:
        f.order = order
    if ranked == NULL or order == NULL:
        free(ranked)
        return False
    for i in range(f.n_families):
        ranked[i].family = order[i] if i < f.n_ordered else i
    _rank(f, ranked, ranked + f.n_families, f.n_families, 0)
    for i in range(f.n_families):
        order[i] = ranked[i].family
    f.n_ordered = f.n_families
    free(ranked)
    return True


cdef void foresee_strings(const Families* f, const u64* hashes, int n) noexcept nogil:
    """Asks memory for what `families_string` will read of strings with these hashes: a wait for all, not for each."""
    cdef const u64* slots = f.pool.strings.slots
    cdef u64 slot
    cdef int i
    for i in range(n):
        prefetch(&slots[table_home(hashes[i], f.pool.strings.bits)])
    for i in range(n):
        slot = slots[table_home(hashes[i], f.pool.strings.bits)]
        if slot:
            prefetch(&f.pool.strings.strings[<u32>slot - 1])
            prefetch(&f.roles[<u32>slot - 1])
    for i in range(n):
        slot = slots[table_home(hashes[i], f.pool.strings.bits)]
        if slot:
            prefetch(f.pool.strings.strings[<u32>slot - 1].data)


cdef bint is_probably_new(const Families* f, u64 hash_) noexcept nogil:
    """False for every string that is there, and hardly ever for others."""
    cdef const u64* slots = f.pool.strings.slots
    cdef u64 i = table_home(hash_, f.pool.strings.bits), mask = (<u64>1 << f.pool.strings.bits) - 1
    while slots[i] != 0:
        if slots[i] >> 32 == hash_ >> 32:
            return False
        i = (i + 1) & mask
    return True


cdef bint foresee_metric(Families* f, Slice metric) noexcept nogil:
    """Asks memory for what a new metric takes: its string, `families_kind`. False when there is no memory."""
    cdef Slice sibling
    if not _sibling(f, metric, &sibling):
        return False
    prefetch(&f.pool.strings.slots[table_home(_hash(f, metric), f.pool.strings.bits)])
    prefetch(&f.pool.strings.slots[table_home(_hash(f, sibling), f.pool.strings.bits)])
    return True


cdef void foresee_series(const Families* f, const u32* metrics, const u32* labels, int n) noexcept nogil:
    """The same for `families_find`, of series of these metrics with these labels."""
    cdef u32 family, slot
    cdef int i
    for i in range(n):
        prefetch(&f.roles[metrics[i]])
    for i in range(n):
        family = f.roles[metrics[i]].family
        if family != NONE:
            prefetch(&f.families[family])
            prefetch(&f.slots[_home(f, family, labels[i])])
    for i in range(n):
        family = f.roles[metrics[i]].family
        slot = f.slots[_home(f, family, labels[i])] if family != NONE else 0
        if slot:
            prefetch(&f.series[slot - 1])


cdef void foresee_family(const Families* f, u32 i) noexcept nogil:
    """The same for whoever walks through `order` and is at i."""
    cdef const Family* family
    cdef const ShownSeries* s
    if i + 24 < f.n_families:
        prefetch(&f.families[f.order[i + 24]])
    if i + 16 < f.n_families:
        family = &f.families[f.order[i + 16]]
        prefetch(&f.pool.strings.strings[family.metric])
        prefetch(&f.pool.strings.strings[family.sent_name])
        prefetch(&f.series[family.first])
    if i + 8 < f.n_families:
        family = &f.families[f.order[i + 8]]
        s = &f.series[family.first]
        prefetch(f.pool.strings.strings[family.metric].data)
        prefetch(f.pool.strings.strings[family.sent_name].data)
        prefetch(&f.pool.strings.strings[s.labels])
    if i + 4 < f.n_families:
        s = &f.series[f.families[f.order[i + 4]].first]
        prefetch(f.pool.strings.strings[s.labels].data)
