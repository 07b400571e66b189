# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Gathering a series' samples from every arena that has some."""
from libc.math cimport rint
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport Block, block_at
from veneurpy.engine.native.blocks cimport (
    DENSE, DIGEST, DIGEST_WEIGHTED, RAW, WEIGHTED, Totals, block_centroids, block_pairs, block_slots, block_totals,
    block_values, totals_add, totals_clear, word_block, word_length,
)
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.hll cimport (
    HLL_EXACT_MAX, HLL_MAX_SLOTS, HLL_REGISTERS, hll_dense_estimate, hll_dense_from_exact, hll_dense_merge,
    hll_exact_insert,
)
from veneurpy.engine.native.merge cimport Merge, Part, Series
from veneurpy.engine.native.meter cimport Meter, meter_free, meter_malloc
from veneurpy.engine.native.sort cimport Centroid, td_sort_centroids, td_sort_doubles
from veneurpy.engine.native.tdigest cimport td_capacity, td_compress, td_quantiles

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
    w.values = <double*>meter_malloc(w.meter, w.capacity * sizeof(double))
    w.more_values = <double*>meter_malloc(w.meter, w.capacity * sizeof(double))
    if w.pairs == NULL or w.more_pairs == NULL or w.values == NULL or w.more_values == NULL:
        w.capacity = 0
        return False
    return True


cdef inline Block* _part_block(const Part* p) noexcept nogil:
    cdef u64 reference = word_block(p.entry.lo)
    return block_at(p.arena, reference) if reference else NULL


cdef u64 _gather(Workspace* w, Block* b, u32 n, u64 at, Totals* totals, bint* exact) noexcept nogil:
    """Appends a block's centroids and tail to w.pairs, unsorted; returns the new length."""
    cdef Totals* digest
    cdef u32 i
    if b.kind == DIGEST or b.kind == DIGEST_WEIGHTED:
        exact[0] = False
        digest = block_totals(b)
        totals.samples += digest.samples
        totals.weight += digest.weight
        totals.sum += digest.sum
        totals.reciprocal += digest.reciprocal
        totals.zeros += digest.zeros
        totals.low = digest.low if digest.low < totals.low else totals.low
        totals.high = digest.high if digest.high > totals.high else totals.high
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
            totals_add(totals, block_values(b)[i], 1.0)
    return at + n


cdef u64 _condense(Workspace* w, u64 n) noexcept nogil:
    """Makes a digest of what w.pairs has; its new length."""
    cdef Centroid* pairs = w.pairs
    td_sort_centroids(pairs, <Py_ssize_t>n, w.more_pairs)
    n = <u64>td_compress(pairs, <Py_ssize_t>n, w.compression, w.more_pairs, td_capacity(w.compression))
    w.pairs = w.more_pairs
    w.more_pairs = pairs
    return n


cdef u64 _gather_all(Workspace* w, const Merge* m, const Series* s, Totals* totals, bint* exact) noexcept nogil:
    """All samples of a series in w.pairs, ascending; how many, or 0 when there is no memory."""
    cdef u64 need = 0, most = 0, n = 0, more
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
        return 0
    i = s.parts
    while i:
        p = &m.parts[i - 1]
        b = _part_block(p)
        if b != NULL:
            if n + b.used + word_length(p.entry.lo) > need:
                n = _condense(w, n)
                exact[0] = False
            n = _gather(w, b, word_length(p.entry.lo), n, totals, exact)
        i = p.next
    td_sort_centroids(w.pairs, <Py_ssize_t>n, w.more_pairs)
    return n


cdef u64 _gather_raw(Workspace* w, Block* b, u32 n, Totals* totals) noexcept nogil:
    """The common case: one block of samples of weight 1."""
    cdef u32 i
    memcpy(w.values, block_values(b), n * sizeof(double))
    for i in range(n):
        totals_add(totals, w.values[i], 1.0)
    td_sort_doubles(w.values, n, w.more_values)
    for i in range(n):
        w.pairs[i].mean = w.values[i]
        w.pairs[i].weight = 1.0
    return n


cdef bint summarise(Workspace* w, const Merge* m, const Series* s, const double* qs, int n_qs, Summary* out
                    ) noexcept nogil:
    """Totals into `out`, the quantiles `qs` (ascending) into w.quantiles. False when there is no memory."""
    cdef Totals totals
    cdef Part* first = &m.parts[s.parts - 1]
    cdef Block* b = _part_block(first)
    cdef bint exact = True
    cdef u64 n
    totals_clear(&totals)
    if first.next == 0 and b != NULL and b.kind == RAW:
        n = _gather_raw(w, b, word_length(first.entry.lo), &totals)
    else:
        n = _gather_all(w, m, s, &totals, &exact)
        if n == 0:
            return False
    if n_qs:
        td_quantiles(w.pairs, <Py_ssize_t>n, totals.weight, totals.low, totals.high, exact, qs, n_qs, w.quantiles)
    out.samples = totals.samples
    out.weight = totals.weight
    out.sum = totals.sum
    out.reciprocal = totals.reciprocal
    out.zeros = totals.zeros
    out.low = totals.low
    out.high = totals.high
    return True


cdef bint _union_exact(Workspace* w, const Block* b, u32* members) noexcept nogil:
    """Adds a table's hashes to w.slots; False, with only some of them added, when they become too many."""
    cdef const u64* slots = block_slots(<Block*>b)
    cdef u32 i
    for i in range(b.capacity):
        if slots[i] != 0:
            members[0] += hll_exact_insert(w.slots, HLL_MAX_SLOTS, slots[i])
            if members[0] > HLL_EXACT_MAX:
                return False
    return True


cdef void _union_dense(Workspace* w, const Block* b) noexcept nogil:
    if b.kind == DENSE:
        hll_dense_merge(w.registers, <const u8*>block_slots(<Block*>b))
    else:
        hll_dense_from_exact(block_slots(<Block*>b), b.capacity, w.registers)


cdef double set_value(Workspace* w, const Merge* m, const Series* s) noexcept nogil:
    """The number of distinct members over all parts: exact up to HLL_EXACT_MAX, else the estimate, rounded."""
    cdef u32 i = s.parts, members = 0
    cdef bint exact = True
    cdef Part* p = &m.parts[i - 1]
    cdef Block* b = _part_block(p)
    if p.next == 0:
        if b.kind == DENSE:
            return rint(hll_dense_estimate(<const u8*>block_slots(b)))
        return word_length(p.entry.lo)
    memset(w.slots, 0, 8 * HLL_MAX_SLOTS)
    while i and exact:
        p = &m.parts[i - 1]
        b = _part_block(p)
        exact = b.kind != DENSE and _union_exact(w, b, &members)
        i = p.next
    if exact:
        return members
    memset(w.registers, 0, HLL_REGISTERS)
    i = s.parts
    while i:
        p = &m.parts[i - 1]
        _union_dense(w, _part_block(p))
        i = p.next
    return rint(hll_dense_estimate(w.registers))
