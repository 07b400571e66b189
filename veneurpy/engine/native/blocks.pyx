# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Timers and sets: adding a sample, growing, compacting."""
from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport (
    DIGEST_CLASS, FIRST_SET_CLASS, LAST_SET_CLASS, Arena, Block, Entry, block_at, block_free, block_new,
    block_reference, class_bytes, set_class_after,
)
from veneurpy.engine.native.compat cimport barrier, likely, store_pair, u8, u16, u32, u64, unlikely
from veneurpy.engine.native.hll cimport (
    HLL_REGISTERS, hll_dense_add, hll_dense_from_exact, hll_exact_contains, hll_exact_insert, hll_exact_rehash,
)
from veneurpy.engine.native.sort cimport (
    SORT_PADDING, Centroid, td_merge_centroids, td_merge_values, td_sort_centroids, td_sort_doubles,
)
from veneurpy.engine.native.tdigest cimport td_capacity, td_compress

cdef enum:
    DIGEST_BYTES = 4720                 # with its entry and slot a digested timer stays below 5 kB
    SHORTEST_TAIL = 64
    RAW_LAST_CLASS = 6                  # 512 values
    PAIRS_LAST_CLASS = 7                # 512 pairs
    LONGEST_TAIL = 1024


cdef u64 digest_block_bytes(double compression) noexcept nogil:
    """Every digest's block: room for the most centroids and a tail worth compacting."""
    cdef u64 least = digest_overhead() + 16 * <u64>td_capacity(compression) + 16 * SHORTEST_TAIL
    return least if least > DIGEST_BYTES else DIGEST_BYTES


cdef bint scratch_open(Scratch* s, double compression) noexcept nogil:
    """False when there is no memory."""
    cdef size_t tail = LONGEST_TAIL + digest_block_bytes(compression) // 8
    cdef size_t most
    s.compression = compression
    s.capacity = td_capacity(compression)
    most = tail + s.capacity
    s.values = <double*>malloc((most + SORT_PADDING) * sizeof(double))
    s.more_values = <double*>malloc((tail + SORT_PADDING) * sizeof(double))
    s.pairs = <Centroid*>malloc(tail * sizeof(Centroid))
    s.more_pairs = <Centroid*>malloc(tail * sizeof(Centroid))
    s.merged = <Centroid*>malloc(most * sizeof(Centroid))
    return (s.values != NULL and s.more_values != NULL and s.pairs != NULL and s.more_pairs != NULL
            and s.merged != NULL)


cdef void scratch_close(Scratch* s) noexcept nogil:
    free(s.values)
    free(s.more_values)
    free(s.pairs)
    free(s.more_pairs)
    free(s.merged)
    memset(s, 0, sizeof(Scratch))


cdef void totals_clear(Totals* t) noexcept nogil:
    memset(t, 0, sizeof(Totals))
    t.low = INFINITY
    t.high = -INFINITY


cdef void totals_add(Totals* t, double value, double weight) noexcept nogil:
    """One sample. A sample of 0 has no reciprocal: its weight is kept apart."""
    t.samples += 1
    t.weight += weight
    t.sum += value * weight
    if value == 0:
        t.zeros += weight
    else:
        t.reciprocal += weight / value
    if value < t.low:
        t.low = value
    if value > t.high:
        t.high = value


cdef void totals_add_values(Totals* t, const double* values, u64 n) noexcept nogil:
    """Samples of weight 1."""
    cdef double total = t.sum, reciprocal = t.reciprocal, low = t.low, high = t.high, value
    cdef u64 i
    for i in range(n):
        value = values[i]
        total += value
        if likely(value != 0):
            reciprocal += 1.0 / value
        else:
            t.zeros += 1.0
        low = value if value < low else low
        high = value if value > high else high
    t.samples += n
    t.weight += <double>n
    t.sum = total
    t.reciprocal = reciprocal
    t.low = low
    t.high = high


cdef inline bint _has_pairs(const Block* b) noexcept nogil:
    return b.kind == WEIGHTED or b.kind == DIGEST_WEIGHTED


cdef inline void _publish(Entry* e, u64 reference, u32 length) noexcept nogil:
    barrier()
    (<u64*>&e.lo)[0] = (reference << 32) | length
    barrier()


cdef inline void _remember(Entry* e, const Block* b) noexcept nogil:
    """What adding a sample needs to know of the block, kept in the entry: one cache miss less. Recovery ignores it."""
    e.hi = (<u64>b.capacity << 32) | (PAIRS_FLAG if _has_pairs(b) else 0) | b.tail


cdef Block* _new_samples(Arena* a, int size_class, bint pairs) noexcept nogil:
    cdef Block* b = block_new(a, size_class)
    if b == NULL:
        return NULL
    b.kind = WEIGHTED if pairs else RAW
    b.tail = sizeof(Block)
    b.capacity = <u32>((class_bytes(a, size_class) - sizeof(Block)) // (16 if pairs else 8))
    return b


cdef Block* _grow(Arena* a, Entry* e, Block* old, u32 n, bint pairs) noexcept nogil:
    """A block of twice the size, with the samples moved, as pairs if asked for; NULL when full."""
    cdef Block* b
    cdef u32 i
    b = _new_samples(a, old.size_class + 1, pairs)
    if b == NULL:
        return NULL
    if _has_pairs(old):
        memcpy(block_pairs(b), block_pairs(old), 16 * <size_t>n)
    elif not pairs:
        memcpy(block_values(b), block_values(old), 8 * <size_t>n)
    else:
        for i in range(n):
            block_pairs(b)[i].mean = block_values(old)[i]
            block_pairs(b)[i].weight = 1.0
    _publish(e, block_reference(a, b), n)
    _remember(e, b)
    block_free(a, old)
    return b


cdef Py_ssize_t _merge_tail(Block* b, u32 n, const Centroid* centroids, Py_ssize_t m, Scratch* s,
                            Totals* totals) noexcept nogil:
    """The tail sorted and merged with the centroids into s.merged; the tail's samples join the totals."""
    cdef u32 i
    if _has_pairs(b):
        memcpy(s.pairs, block_pairs(b), 16 * <size_t>n)
        for i in range(n):
            totals_add(totals, s.pairs[i].mean, s.pairs[i].weight)
        td_sort_centroids(s.pairs, n, s.more_pairs)
        return td_merge_centroids(centroids, m, s.pairs, n, s.merged)
    totals_add_values(totals, block_values(b), n)
    td_sort_doubles(block_values(b), n, s.values, s.more_values)
    return td_merge_values(centroids, m, s.values, n, s.merged)


cdef void _digest_into(Arena* a, Entry* e, Block* old, Block* b, u32 n, bint pairs, Scratch* s) noexcept nogil:
    """Makes `b` a digest of all that `old` holds, with an empty tail, and publishes it."""
    cdef bint is_digest = old.kind == DIGEST or old.kind == DIGEST_WEIGHTED
    cdef u64 bytes_ = class_bytes(a, b.size_class)
    cdef Totals* totals = block_totals(b)
    cdef Py_ssize_t merged
    # Half of a small block is for the tail.
    cdef int most = s.capacity if b.size_class == DIGEST_CLASS else <int>((bytes_ - digest_overhead()) // 32)
    if is_digest:
        totals[0] = block_totals(old)[0]
        merged = _merge_tail(old, n, block_centroids(old), old.used, s, totals)
    else:
        totals_clear(totals)
        merged = _merge_tail(old, n, NULL, 0, s, totals)
    b.kind = DIGEST_WEIGHTED if pairs else DIGEST
    # The sorted tail is merged: its place is free.
    b.used = <u16>td_compress(s.merged, merged, s.compression, block_centroids(b), most, s.values)
    b.tail = <u32>(digest_overhead() + 16 * b.used)
    b.capacity = <u32>((bytes_ - b.tail) // (16 if pairs else 8))
    _publish(e, block_reference(a, b), 0)
    _remember(e, b)


cdef Block* _squeeze(Arena* a, Entry* e, Block* old, u32 n, bint pairs, Scratch* s) noexcept nogil:
    """Without memory to grow: a digest in the kept block of the same size; the old one is kept instead."""
    cdef u32 kept = a.reserve.kept[old.size_class]
    cdef Block* b
    if kept == 0:
        return NULL
    b = block_at(a, kept)
    _digest_into(a, e, old, b, n, pairs, s)
    a.reserve.kept[old.size_class] = <u32>block_reference(a, old)
    return b


cdef Block* _compact(Arena* a, Entry* e, Block* old, u32 n, bint pairs, Scratch* s) noexcept nogil:
    """A digest of all that `old` holds, in another block; NULL when full."""
    cdef Block* b = block_new(a, DIGEST_CLASS)
    if b == NULL:
        return _squeeze(a, e, old, n, pairs, s)
    _digest_into(a, e, old, b, n, pairs, s)
    block_free(a, old)
    return b


cdef Block* _make_room(Arena* a, Entry* e, Block* b, u32 n, bint pairs, Scratch* s) noexcept nogil:
    """A block that takes one more sample, with pairs if asked for; NULL when full."""
    cdef Block* larger
    if b == NULL:
        b = _new_samples(a, 0, pairs)
        if b != NULL:
            _publish(e, block_reference(a, b), 0)
            _remember(e, b)
        return b
    pairs = pairs or _has_pairs(b)
    if b.kind == DIGEST or b.kind == DIGEST_WEIGHTED:
        return _compact(a, e, b, n, pairs, s)
    if b.size_class < (PAIRS_LAST_CLASS if pairs else RAW_LAST_CLASS):
        larger = _grow(a, e, b, n, pairs)
        return larger if larger != NULL else _squeeze(a, e, b, n, pairs, s)
    return _compact(a, e, b, n, pairs, s)


cdef bint timer_add(Arena* a, Entry* e, Scratch* s, double value, double weight) noexcept nogil:
    """Takes one sample; False when there is no room for it."""
    cdef u32 n = word_length(e.lo)
    cdef Block* b
    while unlikely(n >= e.hi >> 32 or (weight != 1.0 and not e.hi & PAIRS_FLAG)):
        b = block_at(a, word_block(e.lo)) if word_block(e.lo) else NULL
        if _make_room(a, e, b, n, weight != 1.0, s) == NULL:
            return False
        n = word_length(e.lo)
    if e.hi & PAIRS_FLAG:
        (<Centroid*>samples_at(a, e))[n].mean = value
        (<Centroid*>samples_at(a, e))[n].weight = weight
    else:
        (<double*>samples_at(a, e))[n] = value
    _publish(e, word_block(e.lo), n + 1)
    return True


cdef Block* _new_exact(Arena* a, int size_class) noexcept nogil:
    cdef Block* b = block_new(a, size_class)
    if b == NULL:
        return NULL
    b.kind = EXACT
    b.capacity = <u32>((class_bytes(a, size_class) - sizeof(Block)) // 8)
    memset(block_slots(b), 0, 8 * <size_t>b.capacity)
    return b


cdef Block* _grow_set(Arena* a, Entry* e, Block* old, u32 members) noexcept nogil:
    """The same members in a larger table, or in registers; NULL when full."""
    cdef Block* b
    if old.size_class == LAST_SET_CLASS:
        b = block_new(a, LAST_SET_CLASS)
        if b == NULL:
            return NULL
        b.kind = DENSE
        b.capacity = HLL_REGISTERS
        memset(block_slots(b), 0, HLL_REGISTERS)
        hll_dense_from_exact(block_slots(old), old.capacity, <u8*>block_slots(b))
    else:
        b = _new_exact(a, set_class_after(old.size_class))
        if b == NULL:
            return NULL
        hll_exact_rehash(block_slots(old), old.capacity, block_slots(b), b.capacity)
    _publish(e, block_reference(a, b), members)
    block_free(a, old)
    return b


cdef inline void _log_set_sample(Arena* a, Entry* e, u64 hash_) noexcept nogil:
    a.header.journal.entry = 0
    barrier()
    a.header.journal.hash = hash_
    a.header.journal.samples = e.hi
    barrier()
    a.header.journal.entry = <u64>(<u8*>e - a.base)
    barrier()


cdef bint set_add(Arena* a, Entry* e, u64 hash_) noexcept nogil:
    """Takes one member by its hash; False when there is no room for it."""
    cdef u64 reference = word_block(e.lo)
    cdef u32 members = word_length(e.lo)
    cdef Block* b
    if reference == 0:
        b = _new_exact(a, FIRST_SET_CLASS)
        if b == NULL:
            return False
        _publish(e, block_reference(a, b), 0)
    else:
        b = block_at(a, reference)
    if (b.kind == EXACT and members == members_limit(b)
            and not hll_exact_contains(block_slots(b), b.capacity, hash_)):
        b = _grow_set(a, e, b, members)
        if b == NULL:
            return False
    _log_set_sample(a, e, hash_)
    if b.kind == EXACT:
        members += hll_exact_insert(block_slots(b), b.capacity, hash_)
    else:
        hll_dense_add(<u8*>block_slots(b), hash_)
    store_pair(&e.lo, (block_reference(a, b) << 32) | members, e.hi + 1)
    barrier()
    return True
