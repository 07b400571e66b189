# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Grows only. To forget, whoever holds it builds another one of what is left."""
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memset
from veneurpy.engine.native.compat cimport prefetch
from veneurpy.engine.native.hash cimport hash_mark
from veneurpy.engine.native.intern cimport INTERN_FAILED
from veneurpy.engine.native.pool cimport pool_close, pool_number, pool_open, pool_string
from veneurpy.engine.native.slice cimport cut, sort_slices
from veneurpy.engine.native.table cimport table_home

cdef enum:
    LEAST_BITS = 8
    MOST_BITS = 31
    TOTAL_BYTES = 6


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
        f.roles[number].kind = 0
    return number


cdef Slice stem_of(Slice metric) noexcept nogil:
    """The metric without "_total" behind."""
    cdef Py_ssize_t n = metric.size - TOTAL_BYTES
    if n >= 0 and memcmp(metric.data + n, b"_total", TOTAL_BYTES) == 0:
        return cut(metric.data, metric.size, 0, n)
    return metric


cdef u32 families_add(Families* f, u32 metric, u8 kind, u32 sent_name) noexcept nogil:
    """A family of a metric that has none."""
    cdef u32 stem = families_string(f, stem_of(pool_string(&f.pool, metric)))
    cdef Family* family
    if stem == NONE or not _room(<void**>&f.families, &f.families_room, f.n_families, sizeof(Family)):
        return NONE
    family = &f.families[f.n_families]
    family.metric = metric
    family.stem = stem
    family.sent_name = sent_name
    family.first = family.last = NONE
    family.kind = kind
    f.roles[metric].family = f.n_families
    f.roles[stem].kind = kind
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


cdef bint _grow(Families* f) noexcept nogil:
    cdef u32* slots
    cdef u32 i
    if f.bits == MOST_BITS:
        return False
    slots = <u32*>calloc(<size_t>2 << f.bits, sizeof(u32))
    if slots == NULL:
        return False
    free(f.slots)
    f.slots = slots
    f.bits += 1
    for i in range(f.n_series):
        _enter(f, i)
    return True


cdef u32 families_add_series(Families* f, u32 family, u32 labels) noexcept nogil:
    """A series that `families_find` has not found; its numbers are 0 and its sent strings NONE."""
    cdef ShownSeries* s
    cdef Family* of = &f.families[family]
    cdef u32 number = f.n_series
    if not _room(<void**>&f.series, &f.series_room, number, sizeof(ShownSeries)):
        return NONE
    if <u64>number >= (<u64>1 << f.bits) // 2 and not _grow(f):
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


cdef bint families_order(Families* f) noexcept nogil:
    """Makes `order` the families sorted by metric. Costs nothing unless there are new ones."""
    cdef Slice* metrics
    cdef u32* order
    cdef u32 i
    if f.n_ordered == f.n_families:
        return True
    metrics = <Slice*>malloc(f.n_families * sizeof(Slice))
    order = <u32*>realloc(f.order, f.n_families * sizeof(u32))
    if order != NULL:
        f.order = order
    if metrics == NULL or order == NULL:
        free(metrics)
        return False
    for i in range(f.n_families):
        metrics[i] = pool_string(&f.pool, f.families[i].metric)
    sort_slices(metrics, f.n_families)
    for i in range(f.n_families):
        # The string is in the pool: it is found again, and its family with it.
        order[i] = f.roles[pool_number(&f.pool, metrics[i])].family
    f.n_ordered = f.n_families
    free(metrics)
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
