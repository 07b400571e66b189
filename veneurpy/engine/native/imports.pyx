# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Import stores: reserving and merging."""
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport (
    COUNTER, DIGEST_CLASS, ENTRY_CANONICAL, GAUGE, LAST_SET_CLASS, SET, Arena, ArenaName, Block, Entry, Header,
    arena_begin, arena_close, arena_open, arena_room_low, arena_span, arena_take_high, block_at, block_free, block_new,
    block_reference, class_bytes, entry_at, entry_bytes, entry_key, set_class_after, table_step,
)
from veneurpy.engine.native.blocks cimport (
    DENSE, DIGEST, DIGEST_WEIGHTED, EXACT, block_slots, scratch_close, scratch_open, set_add, timer_add, totals_clear,
    word_block,
)
from veneurpy.engine.native.compat cimport i64, store_pair, u8, u16, u32, u64
from veneurpy.engine.native.hash cimport MARK_SCOPE, hash_mark, hash_pair
from veneurpy.engine.native.hll cimport (
    HLL_REGISTERS, hll_dense_from_exact, hll_dense_merge, hll_exact_insert,
)
from veneurpy.engine.native.hllwire cimport KeyWalk, coarse, hash_of_key, keys_of, next_key, registers_of
from veneurpy.engine.native.imported cimport (
    IMPORTED_COARSE, IMPORTED_DIGESTED, IMPORTED_VALUE, Sender, Tail, entry_tail, entry_totals, has_totals, sender_of,
    tail_bytes, totals_join,
)
from veneurpy.engine.native.lookup cimport find_spelling
from veneurpy.engine.native.metric cimport (
    METRIC_GOOD, METRIC_MALFORMED, METRIC_NO_MEMORY, SET_KEYS, SET_REGISTERS, Metric, metric_read,
)
from veneurpy.engine.native.metric_value cimport digest_next
from veneurpy.engine.native.pair cimport COUNT_SHIFT, counted, pair_count
from veneurpy.engine.native.protobuf cimport BYTES, PB_END, PB_FIELD, PB_MALFORMED, Field, pb_next
from veneurpy.engine.native.slice cimport Slice, compare, cut, equal
from veneurpy.engine.native.sort cimport Centroid
from veneurpy.engine.native.store cimport Item
from veneurpy.engine.native.table cimport slot_of, table_limit, table_put
from veneurpy.engine.native.tagger cimport tagger_close, tagger_open

cdef enum:
    METRICS_FIELD = 1 << 3 | BYTES
    PREFIX_BYTES = 5                    # of a message in a stream: a flag, and its length
    MAX_MESSAGE_BYTES = 4 << 20         # as in engine.exchange
    LAST_PAIRS_CLASS = 7
    # Tables and blocks grow by factors: what a value may take, all blocks that it outgrows together.
    BYTES_A_MEMBER = 64
    BYTES_A_CENTROID = 96
    BYTES_A_BLOCK = 96


cdef bint imports_open(Imports* im, double compression, u64 digest_bytes, u64 limit, const HashKey* key
                       ) noexcept nogil:
    """False when there is no memory. To be closed in any case."""
    cdef ArenaName name
    memset(im, 0, sizeof(Imports))
    memset(&name, 0, sizeof(ArenaName))
    im.key = key[0]
    im.epoch = 1
    if not scratch_open(&im.scratch, compression) or not tagger_open(&im.tagger):
        return False
    if arena_open(&im.arena, NULL, -1, arena_span(limit), digest_bytes) != 0:
        return False
    im.arena.imported = True
    return arena_begin(&im.arena, limit, &name, key) == 0


cdef void imports_close(Imports* im) noexcept nogil:
    """Idempotent."""
    scratch_close(&im.scratch)
    tagger_close(&im.tagger)
    arena_close(&im.arena)


cdef inline Item _item_of(const Imports* im, const Metric* m) noexcept nogil:
    """How the metric's series is looked for. Scopes are apart: no tag tells them here."""
    cdef Item it
    memset(&it, 0, sizeof(Item))
    it.name = m.name.data
    it.name_len = <u32>m.name.size
    it.tags = m.tags.data
    it.tags_len = <u32>m.tags.size
    it.type = m.type
    it.hash = (hash_pair(&im.key, it.name, it.name_len, it.tags, it.tags_len) ^ hash_mark(&im.key, m.type)
               ^ hash_mark(&im.key, MARK_SCOPE | m.scope))
    return it


cdef u64 _set_growth(const Arena* a, const Entry* e, const Metric* m) noexcept nogil:
    """What the blocks may take that the metric's members make a set grow into."""
    cdef u64 total = BYTES_A_BLOCK + BYTES_A_MEMBER * <u64>m.n
    cdef Block* b = NULL
    if e != NULL and word_block(e.lo):
        b = block_at(a, word_block(e.lo))
    if m.form == SET_REGISTERS:
        return total + class_bytes(a, LAST_SET_CLASS)
    if b == NULL or b.kind == DENSE:
        return total
    # The next larger table, or registers; and one of the same size, to hold what keys tell.
    return total + class_bytes(a, set_class_after(b.size_class)) * 2


cdef u64 _timer_growth(const Arena* a, const Entry* e, const Metric* m) noexcept nogil:
    """The same for centroids."""
    cdef u64 total = BYTES_A_BLOCK + BYTES_A_CENTROID * <u64>m.n
    cdef Block* b
    if e == NULL or word_block(e.lo) == 0:
        return total
    b = block_at(a, word_block(e.lo))
    if b.kind == DIGEST or b.kind == DIGEST_WEIGHTED:
        return total + class_bytes(a, DIGEST_CLASS)
    return total + class_bytes(a, LAST_PAIRS_CLASS) + class_bytes(a, DIGEST_CLASS)


cdef void _weigh(Imports* im, Frame* f, const Metric* m) noexcept nogil:
    """Adds what the metric may take."""
    cdef Item it = _item_of(im, m)
    cdef Entry* e = find_spelling(&im.arena, &it)
    if e == NULL:
        f.low += entry_bytes(m.type, it.name_len, it.tags_len, False) + tail_bytes(m.type)
        f.new_entries += 1
    if m.type == GAUGE:
        f.high += sizeof(Sender) + <u64>(m.sender.size or f.sender.size) + 16
    elif m.type == SET:
        f.high += _set_growth(&im.arena, e, m)
    elif m.type != COUNTER:
        f.high += _timer_growth(&im.arena, e, m)


cdef void _add(Imports* im, Frame* f, const Metric* m) noexcept nogil:
    """Merges a metric for which there is room."""
    cdef Item it = _item_of(im, m)
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


cdef int _next_message(Frame* f, Slice* rest, Slice* message) noexcept nogil:
    """Takes the next metric's bytes off a frame: PB_FIELD, PB_END or PB_MALFORMED."""
    cdef Field field
    cdef int step
    cdef u64 size
    if not f.stream:
        step = pb_next(rest, &field)
        while step == PB_FIELD and field.key != METRICS_FIELD:
            step = pb_next(rest, &field)
        if step == PB_FIELD:
            message[0] = field.data
        return step
    if rest.size < PREFIX_BYTES:
        return PB_END
    size = <u64>rest.data[1] << 24 | <u64>rest.data[2] << 16 | <u64>rest.data[3] << 8 | rest.data[4]
    if rest.data[0] != 0 or size > MAX_MESSAGE_BYTES:
        return PB_MALFORMED
    if size > <u64>rest.size - PREFIX_BYTES:
        return PB_END
    message[0] = cut(rest.data, rest.size, PREFIX_BYTES, PREFIX_BYTES + <Py_ssize_t>size)
    rest.data += PREFIX_BYTES + size
    rest.size -= PREFIX_BYTES + <Py_ssize_t>size
    return PB_FIELD


cdef ImportVerdict imports_check(Imports* im, Frame* f) noexcept nogil:
    """Reads a frame without merging anything: counts its metrics and what they may take."""
    cdef Slice rest = f.bytes, message
    cdef Metric m
    cdef int reason, step
    step = _next_message(f, &rest, &message)
    while step == PB_FIELD:
        reason = metric_read(&im.tagger, message, f.foreign, &m)
        if reason == METRIC_NO_MEMORY:
            return IMPORT_NO_MEMORY
        if reason == METRIC_MALFORMED and not f.stream:
            return IMPORT_BROKEN
        if reason == METRIC_GOOD:
            f.metrics += 1
            f.samples += m.samples
            _weigh(im, f, &m)
        else:
            f.rejected[reason] += 1
        step = _next_message(f, &rest, &message)
    if step == PB_MALFORMED:
        if not f.stream:
            return IMPORT_BROKEN
        return IMPORT_COMPRESSED if rest.data[0] else IMPORT_TOO_LONG
    f.consumed = f.bytes.size - rest.size
    f.high += _table_growth(&im.arena, f.new_entries)
    return IMPORT_READ


cdef u64 _table_growth(const Arena* a, u64 more) noexcept nogil:
    """What all tables may take that so many new entries need."""
    cdef u64 size = <u64>1 << a.table.bits, total = 0
    # The next table is prepared before the current one is full.
    while a.table.count + more + 2 >= size // 8 * 3:
        total += 16 * size + 16
        size *= 2
    return total


cdef bint imports_reserve(Imports* im, Frame* f) noexcept nogil:
    """Memory for all that the frame may take, within the arena's limit; False when there is none."""
    cdef Arena* a = &im.arena
    cdef u64 high = (f.high + 15) & ~<u64>15
    if not arena_room_low(a, f.low):
        return False
    if arena_take_high(a, high) == 0 and high:
        return False
    # It was only to see to the memory.
    a.header.hi_used += high
    return True


cdef void imports_apply(Imports* im, Frame* f) noexcept nogil:
    """Merges a frame that was checked, and for which room was reserved."""
    cdef Slice rest = f.bytes, message
    cdef Metric m
    while _next_message(f, &rest, &message) == PB_FIELD:
        if metric_read(&im.tagger, message, f.foreign, &m) == METRIC_GOOD:
            _add(im, f, &m)
