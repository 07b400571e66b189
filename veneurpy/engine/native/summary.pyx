# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Gathering a series' samples from every arena that has some."""
from libc.math cimport rint
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport SCOPE_MASK, Block, block_at
from veneurpy.engine.native.blocks cimport (
    DENSE, DIGEST, DIGEST_WEIGHTED, RAW, WEIGHTED, Totals, block_centroids, block_pairs, block_slots, block_totals,
    block_values, totals_add, totals_add_values, totals_clear, word_block, word_length,
)
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.hll cimport (
    HLL_EXACT_MAX, HLL_MAX_SLOTS, HLL_REGISTERS, hll_dense_estimate, hll_dense_from_exact, hll_dense_merge,
    hll_exact_insert,
)
from veneurpy.engine.native.hllwire cimport coarse
from veneurpy.engine.native.imported cimport (
    IMPORTED_COARSE, IMPORTED_DIGESTED, entry_tail, entry_totals, totals_join,
)
from veneurpy.engine.native.merge cimport WIRE_HOST, Merge, Part, Series
from veneurpy.engine.native.meter cimport Meter, meter_free, meter_malloc
from veneurpy.engine.native.quantiles cimport td_quantiles
from veneurpy.engine.native.scope cimport MIXED
from veneurpy.engine.native.sort cimport SORT_PADDING, Centroid, td_sort_centroids, td_sort_doubles
from veneurpy.engine.native.tdigest cimport td_capacity, td_compress

cdef enum:
    FIRST_ROOM = 1024
    GATHER_MOST = 4096                  # centroids of a series: what is beyond makes those at hand a digest first


cdef bint workspace_open(Workspace* w, Meter* meter, int n_quantiles, double compression) noexcept nogil:
    """False when there is no memory."""
    memset(w, 0, sizeof(Workspace))
    w.meter = meter
    w.compression = compression
    w.quantiles = <double*>meter_malloc(w.meter, 8 * (n_quantiles + 1))
    w.slots = <u64*>meter_malloc(w.meter, 8 * HLL_MAX_SLOTS)
    w.registers = <u8*>meter_malloc(w.meter, HLL_REGISTERS)
    return w.quantiles != NULL and w.slots != NULL and w.registers != NULL and _reserve(w, FIRST_ROOM)


cdef void workspace_close(Workspace* w) noexcept nogil:
    meter_free(w.meter, w.quantiles)
    meter_free(w.meter, w.slots)
    meter_free(w.meter, w.registers)
    meter_free(w.meter, w.pairs)
    meter_free(w.meter, w.more_pairs)
    meter_free(w.meter, w.values)
    meter_free(w.meter, w.more_values)
    memset(w, 0, sizeof(Workspace))


cdef bint _reserve(Workspace* w, u64 n) noexcept nogil:
    if n <= w.capacity:
        return True
    meter_free(w.meter, w.pairs)
    meter_free(w.meter, w.more_pairs)
    meter_free(w.meter, w.values)
    meter_free(w.meter, w.more_values)
    w.capacity = n
    w.pairs = <Centroid*>meter_malloc(w.meter, w.capacity * sizeof(Centroid))
    w.more_pairs = <Centroid*>meter_malloc(w.meter, w.capacity * sizeof(Centroid))
    w.values = <double*>meter_malloc(w.meter, (w.capacity + SORT_PADDING) * sizeof(double))
    w.more_values = <double*>meter_malloc(w.meter, (w.capacity + SORT_PADDING) * sizeof(double))
    if w.pairs == NULL or w.more_pairs == NULL or w.values == NULL or w.more_values == NULL:
        w.capacity = 0
        return False
    return True


cdef inline Block* _part_block(const Part* p) noexcept nogil:
    cdef u64 reference = word_block(p.entry.lo)
    return block_at(p.arena, reference) if reference else NULL


cdef u64 _gather(Workspace* w, Block* b, u32 n, u64 at, Totals* totals, bint* exact) noexcept nogil:
    """Appends a block's centroids and tail to w.pairs, unsorted; returns the new length."""
    cdef u32 i
    if b.kind == DIGEST or b.kind == DIGEST_WEIGHTED:
        exact[0] = False
        totals_join(totals, block_totals(b))
        memcpy(w.pairs + at, block_centroids(b), b.used * sizeof(Centroid))
        at += b.used
    if b.kind == WEIGHTED or b.kind == DIGEST_WEIGHTED:
        memcpy(w.pairs + at, block_pairs(b), n * sizeof(Centroid))
        for i in range(n):
            totals_add(totals, w.pairs[at + i].mean, w.pairs[at + i].weight)
    else:
        for i in range(n):
            w.pairs[at + i].mean = block_values(b)[i]
            w.pairs[at + i].weight = 1.0
        totals_add_values(totals, block_values(b), n)
    return at + n


cdef u64 _condense(Workspace* w, u64 n) noexcept nogil:
    """Makes a digest of what w.pairs has; its new length."""
    cdef Centroid* pairs = w.pairs
    td_sort_centroids(pairs, <Py_ssize_t>n, w.more_pairs)
    n = <u64>td_compress(pairs, <Py_ssize_t>n, w.compression, w.more_pairs, td_capacity(w.compression),
                         w.values)
    w.pairs = w.more_pairs
    w.more_pairs = pairs
    return n


cdef void _publish_part(const Merge* m, const Part* p, const Totals* all_, Totals* published) noexcept nogil:
    """Of mixed series hosts publish their own samples' aggregates."""
    cdef bint mixed = p.entry.flags & SCOPE_MASK == MIXED
    if p.arena.imported:
        if mixed:
            all_ = entry_totals(p.entry) + 1
        totals_join(published, all_)
    elif m.use != WIRE_HOST or not mixed:
        totals_join(published, all_)


cdef u64 _gather_part(Workspace* w, const Merge* m, const Part* p, u64 at, Gathered* out) noexcept nogil:
    cdef Block* b = _part_block(p)
    cdef Totals totals
    cdef const Totals* all_ = &totals
    totals_clear(&totals)
    if b != NULL:
        at = _gather(w, b, word_length(p.entry.lo), at, &totals, &out.exact)
    out.weight += totals.weight
    if p.arena.imported:
        # Centroids know less than who made them.
        all_ = entry_totals(p.entry)
        out.exact = out.exact and not entry_tail(p.entry).flags & IMPORTED_DIGESTED
    totals_join(&out.all, all_)
    _publish_part(m, p, all_, &out.published)
    return at


cdef bint _gather_all(Workspace* w, const Merge* m, const Series* s, Gathered* out) noexcept nogil:
    cdef u64 need = 0, most = 0, more
    cdef u32 i = s.parts
    cdef Part* p
    cdef Block* b
    while i:
        p = &m.parts[i - 1]
        b = _part_block(p)
        if b != NULL:
            more = b.used + word_length(p.entry.lo)
            need += more
            most = more if more > most else most
        i = p.next
    need = need if need < GATHER_MOST + most else GATHER_MOST + most
    if not _reserve(w, need):
        return False
    i = s.parts
    while i:
        p = &m.parts[i - 1]
        b = _part_block(p)
        if b != NULL and out.n + b.used + word_length(p.entry.lo) > need:
            out.n = _condense(w, out.n)
            out.exact = False
        out.n = _gather_part(w, m, p, out.n, out)
        i = p.next
    td_sort_centroids(w.pairs, <Py_ssize_t>out.n, w.more_pairs)
    return True


cdef void _gather_raw(Workspace* w, const Merge* m, const Part* p, Block* b, Gathered* out) noexcept nogil:
    """The common case: one block of samples of weight 1."""
    cdef u32 n = word_length(p.entry.lo), i
    totals_add_values(&out.all, block_values(b), n)
    td_sort_doubles(block_values(b), n, w.values, w.more_values)
    for i in range(n):
        w.pairs[i].mean = w.values[i]
        w.pairs[i].weight = 1.0
    out.n = n
    out.weight = n
    _publish_part(m, p, &out.all, &out.published)


cdef bint gather(Workspace* w, const Merge* m, const Series* s, Gathered* out) noexcept nogil:
    """All samples of a timer or histogram into w.pairs. False when there is no memory."""
    cdef Part* first = &m.parts[s.parts - 1]
    cdef Block* b = _part_block(first)
    out.n = 0
    out.weight = 0.0
    out.exact = True
    totals_clear(&out.all)
    totals_clear(&out.published)
    if first.next == 0 and b != NULL and b.kind == RAW and not first.arena.imported:
        _gather_raw(w, m, first, b, out)
        return True
    return _gather_all(w, m, s, out)


cdef bint summarise(Workspace* w, const Merge* m, const Series* s, const double* qs, int n_qs, Totals* published
                    ) noexcept nogil:
    """What aggregates are made of, and the quantiles `qs` (ascending) into w.quantiles. False without memory."""
    cdef Gathered g
    if not gather(w, m, s, &g):
        return False
    published[0] = g.published
    if n_qs:
        td_quantiles(w.pairs, <Py_ssize_t>g.n, g.weight, g.all.low, g.all.high, g.exact, qs, n_qs, w.quantiles)
    return True


cdef bint _union_exact(Workspace* w, const Block* b, bint is_coarse, u32* members) noexcept nogil:
    """Adds a table's hashes to w.slots; False, with only some of them added, when they become too many."""
    cdef const u64* slots = block_slots(<Block*>b)
    cdef u32 i
    for i in range(b.capacity):
        if slots[i] != 0:
            members[0] += hll_exact_insert(w.slots, HLL_MAX_SLOTS, coarse(slots[i]) if is_coarse else slots[i])
            if members[0] > HLL_EXACT_MAX:
                return False
    return True


cdef void _union_dense(Workspace* w, const Block* b) noexcept nogil:
    if b == NULL:
        return
    if b.kind == DENSE:
        hll_dense_merge(w.registers, <const u8*>block_slots(<Block*>b))
    else:
        hll_dense_from_exact(block_slots(<Block*>b), b.capacity, w.registers)


cdef inline bint _is_coarse(const Part* p) noexcept nogil:
    return p.arena.imported and entry_tail(p.entry).flags & IMPORTED_COARSE != 0


cdef void _one_set(const Part* p, Members* out) noexcept nogil:
    cdef Block* b = _part_block(p)
    if b.kind == DENSE:
        out.registers = <const u8*>block_slots(b)
        return
    out.slots = block_slots(b)
    out.capacity = b.capacity
    out.count = word_length(p.entry.lo)


cdef bint _unite_exact(Workspace* w, const Merge* m, const Series* s, Members* out) noexcept nogil:
    """False when that is no longer exact."""
    cdef u32 i = s.parts
    cdef Part* p
    cdef Block* b
    memset(w.slots, 0, 8 * HLL_MAX_SLOTS)
    out.slots = w.slots
    out.capacity = HLL_MAX_SLOTS
    while i:
        p = &m.parts[i - 1]
        b = _part_block(p)
        if b != NULL and (b.kind == DENSE or not _union_exact(w, b, out.coarse, &out.count)):
            return False
        i = p.next
    return True


cdef void set_members(Workspace* w, const Merge* m, const Series* s, Members* out) noexcept nogil:
    """The union of all parts."""
    cdef u32 i = s.parts
    cdef Part* p = &m.parts[i - 1]
    memset(out, 0, sizeof(Members))
    while i:
        out.coarse = out.coarse or _is_coarse(&m.parts[i - 1])
        i = m.parts[i - 1].next
    if p.next == 0 and _part_block(p) != NULL:
        _one_set(p, out)
        return
    if _unite_exact(w, m, s, out):
        return
    memset(w.registers, 0, HLL_REGISTERS)
    out.registers = w.registers
    i = s.parts
    while i:
        p = &m.parts[i - 1]
        _union_dense(w, _part_block(p))
        i = p.next


cdef double set_value(Workspace* w, const Merge* m, const Series* s) noexcept nogil:
    """The number of distinct members over all parts: exact up to HLL_EXACT_MAX, else the estimate, rounded."""
    cdef Members members
    set_members(w, m, s, &members)
    if members.registers != NULL:
        return rint(hll_dense_estimate(members.registers))
    return members.count
