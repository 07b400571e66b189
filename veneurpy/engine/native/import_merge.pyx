# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Counters add up, the latest gauge stays, sets are united, centroids become samples of a weight."""
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport (
    COUNTER, ENTRY_CANONICAL, GAUGE, LAST_SET_CLASS, SET, Arena, Block, Entry, Header, arena_take_high, block_at,
    block_free, block_new, block_reference, entry_at, entry_bytes, entry_key, table_step,
)
from veneurpy.engine.native.blocks cimport DENSE, EXACT, block_slots, set_add, timer_add, totals_clear, word_block
from veneurpy.engine.native.compat cimport i64, store_pair, u8, u16, u32, u64
from veneurpy.engine.native.hll cimport (
    HLL_REGISTERS, hll_dense_from_exact, hll_dense_merge, hll_exact_insert,
)
from veneurpy.engine.native.hllwire cimport KeyWalk, coarse, hash_of_key, keys_of, next_key, registers_of
from veneurpy.engine.native.imported cimport (
    IMPORTED_COARSE, IMPORTED_DIGESTED, IMPORTED_VALUE, Sender, Tail, entry_tail, entry_totals, has_totals, sender_of,
    tail_bytes, totals_join,
)
from veneurpy.engine.native.lookup cimport find_spelling
from veneurpy.engine.native.metric cimport SET_KEYS, SET_REGISTERS
from veneurpy.engine.native.metric_value cimport digest_next
from veneurpy.engine.native.pair cimport COUNT_SHIFT, counted, pair_count
from veneurpy.engine.native.slice cimport Slice, compare, cut, equal
from veneurpy.engine.native.sort cimport Centroid
from veneurpy.engine.native.table cimport slot_of, table_limit, table_put


cdef void merge_metric(Imports* im, Frame* f, const Metric* m) noexcept nogil:
    """Merges a metric for which there is room."""
    cdef Item it = item_of(im, m)
    cdef Entry* e = find_spelling(&im.arena, &it)
    cdef Tail* tail
    if e == NULL:
        e = _new_entry(im, &it, m)
    tail = entry_tail(e)
    tail.touched = im.epoch
    if m.type == COUNTER:
        _add_counter(e, m)
    elif m.type == GAUGE:
        _write_gauge(im, f, e, m)
    elif m.type == SET:
        _add_set(im, e, m)
    else:
        _add_digest(im, e, m)


cdef Entry* _new_entry(Imports* im, const Item* it, const Metric* m) noexcept nogil:
    cdef Arena* a = &im.arena
    cdef Header* h = a.header
    cdef Entry* e = entry_at(a, h.lo_used)
    cdef u64 size = entry_bytes(it.type, it.name_len, it.tags_len, False) + tail_bytes(it.type)
    cdef u8* key
    while a.table.count + 1 >= table_limit(&a.table):
        table_step(a)
    memset(e, 0, size)
    e.hash = it.hash
    e.name_len = <u16>it.name_len
    e.tags_len = <u16>it.tags_len
    e.type = it.type
    e.flags = m.scope | (0 if m.has_sinks else ENTRY_CANONICAL)
    e.size16 = <u16>(size >> 4)
    key = entry_key(e)
    memcpy(key, it.name, it.name_len)
    if it.tags_len:
        memcpy(key + it.name_len, it.tags, it.tags_len)
    if has_totals(it.type):
        totals_clear(entry_totals(e))
        totals_clear(entry_totals(e) + 1)
    table_put(a.table.slots, a.table.bits, slot_of(it.hash, h.lo_used))
    a.table.count += 1
    h.lo_used += size
    h.entries[it.type] += 1
    # Scopes are apart here, and together in what is made of it.
    h.irregular += 1
    return e


cdef inline u64 _count(u64 before, u64 more) noexcept nogil:
    """A pair has 40 bits for it."""
    cdef u64 most = (<u64>1 << (64 - COUNT_SHIFT)) - 1
    return before + more if before + more < most else most


cdef void _add_counter(Entry* e, const Metric* m) noexcept nogil:
    cdef double total
    cdef u64 bits
    memcpy(&total, &e.lo, 8)
    total += m.number
    memcpy(&bits, &total, 8)
    store_pair(&e.lo, bits, counted(bits, _count(pair_count(e.hi), m.samples)))


cdef bint _is_later(const Arena* a, const Entry* e, i64 time_ns, Slice sender, double value) noexcept nogil:
    """Does a write win over the one that is there."""
    cdef i64 then = (<i64*>(<u8*>e + sizeof(Entry)))[pair_count(e.hi) & 1]
    cdef double before
    cdef int order
    if not entry_tail(e).flags & IMPORTED_VALUE:
        return True
    if time_ns != then:
        return time_ns > then
    order = compare(sender, sender_of(a, e))
    memcpy(&before, &e.lo, 8)
    return value > before if order == 0 else order > 0


cdef u32 _keep_sender(Imports* im, Slice sender) noexcept nogil:
    """Offset / 16 of the sender's name, written unless it was the last one."""
    cdef Arena* a = &im.arena
    cdef Sender* s
    cdef u64 at
    if sender.size == 0:
        return 0
    if im.last_sender:
        s = <Sender*>(a.base + (<u64>im.last_sender << 4))
        if equal(cut(<u8*>(s + 1), <Py_ssize_t>s.size, 0, <Py_ssize_t>s.size), sender):
            return im.last_sender
    at = arena_take_high(a, sizeof(Sender) + <u64>sender.size)
    s = <Sender*>(a.base + at)
    s.size = <u64>sender.size
    memcpy(s + 1, sender.data, <size_t>sender.size)
    im.last_sender = <u32>(at >> 4)
    return im.last_sender


cdef void _write_gauge(Imports* im, Frame* f, Entry* e, const Metric* m) noexcept nogil:
    """The winner's time goes to the place that the new count names."""
    cdef i64* times = <i64*>(<u8*>e + sizeof(Entry))
    cdef i64 now = f.received_ns if m.time_ns < 0 else m.time_ns
    cdef Slice sender = m.sender if m.sender.size else f.sender
    cdef u64 bits = e.lo, n = _count(pair_count(e.hi), m.samples)
    cdef i64 then = times[pair_count(e.hi) & 1]
    cdef Tail* tail = entry_tail(e)
    if _is_later(&im.arena, e, now, sender, m.number):
        then = now
        memcpy(&bits, &m.number, 8)
        tail.sender = _keep_sender(im, sender)
        tail.flags |= IMPORTED_VALUE
    times[n & 1] = then
    store_pair(&e.lo, bits, counted(bits, n))


cdef void _add_digest(Imports* im, Entry* e, const Metric* m) noexcept nogil:
    """The centroids are samples of a weight; what is known of the true ones is kept beside."""
    cdef Slice rest = m.digest
    cdef Centroid c
    while digest_next(&rest, &c):
        timer_add(&im.arena, e, &im.scratch, c.mean, c.weight)
    totals_join(entry_totals(e), &m.total)
    entry_totals(e).samples += m.samples
    totals_join(entry_totals(e) + 1, &m.direct)
    if not m.exact:
        entry_tail(e).flags |= IMPORTED_DIGESTED


cdef void _add_set(Imports* im, Entry* e, const Metric* m) noexcept nogil:
    cdef u64 samples = e.hi
    if m.form == SET_REGISTERS:
        _add_registers(im, e, m)
    elif m.form == SET_KEYS:
        _add_keys(im, e, m)
    else:
        _add_hashes(im, e, m)
    e.hi = samples + m.samples


cdef void _add_hashes(Imports* im, Entry* e, const Metric* m) noexcept nogil:
    cdef bint is_coarse = entry_tail(e).flags & IMPORTED_COARSE
    cdef Py_ssize_t i
    cdef u64 h
    for i in range(0, m.hashes.size, 8):
        memcpy(&h, m.hashes.data + i, 8)
        if h == 0:
            h = 1
        set_add(&im.arena, e, coarse(h) if is_coarse else h)


cdef void _coarsen(Imports* im, Entry* e) noexcept nogil:
    """Leaves of each member what a key tells."""
    cdef Arena* a = &im.arena
    cdef Block* old
    cdef Block* b
    cdef u32 i, members = 0
    entry_tail(e).flags |= IMPORTED_COARSE
    if word_block(e.lo) == 0:
        return
    old = block_at(a, word_block(e.lo))
    if old.kind != EXACT:
        return
    b = block_new(a, old.size_class)
    b.kind = EXACT
    b.capacity = old.capacity
    memset(block_slots(b), 0, 8 * <size_t>b.capacity)
    for i in range(old.capacity):
        if block_slots(old)[i] != 0:
            members += hll_exact_insert(block_slots(b), b.capacity, coarse(block_slots(old)[i]))
    e.lo = block_reference(a, b) << 32 | members
    block_free(a, old)


cdef void _add_keys(Imports* im, Entry* e, const Metric* m) noexcept nogil:
    cdef KeyWalk walk
    cdef u32 key
    if not entry_tail(e).flags & IMPORTED_COARSE:
        _coarsen(im, e)
    keys_of(m.sketch, &walk)
    while next_key(&walk, &key):
        set_add(&im.arena, e, hash_of_key(key))


cdef u8* _registers(Imports* im, Entry* e) noexcept nogil:
    """The set's registers; it has such from now on."""
    cdef Arena* a = &im.arena
    cdef Block* old = block_at(a, word_block(e.lo)) if word_block(e.lo) else NULL
    cdef Block* b
    if old != NULL and old.kind == DENSE:
        return <u8*>block_slots(old)
    b = block_new(a, LAST_SET_CLASS)
    b.kind = DENSE
    b.capacity = HLL_REGISTERS
    memset(block_slots(b), 0, HLL_REGISTERS)
    if old != NULL:
        hll_dense_from_exact(block_slots(old), old.capacity, <u8*>block_slots(b))
    e.lo = block_reference(a, b) << 32
    if old != NULL:
        block_free(a, old)
    return <u8*>block_slots(b)


cdef void _add_registers(Imports* im, Entry* e, const Metric* m) noexcept nogil:
    cdef u8 theirs[HLL_REGISTERS]
    cdef u8* mine = _registers(im, e)
    cdef Py_ssize_t i
    cdef u32 pair
    cdef u8 value
    registers_of(m.sketch, theirs)
    for i in range(0, m.excess.size, 4):
        memcpy(&pair, m.excess.data + i, 4)
        value = <u8>pair
        theirs[pair >> 8] = value if value > theirs[pair >> 8] else theirs[pair >> 8]
    hll_dense_merge(mine, theirs)
