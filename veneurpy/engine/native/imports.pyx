# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Frames of import stores: checked, reserved for, then merged."""
from libc.string cimport memset
from veneurpy.engine.native.arena cimport (
    COUNTER, DIGEST_CLASS, GAUGE, LAST_SET_CLASS, SET, Arena, ArenaName, Block, Entry, arena_begin, arena_close,
    arena_open, arena_room_low, arena_span, arena_take_high, block_at, class_bytes, entry_bytes, set_class_after,
)
from veneurpy.engine.native.blocks cimport DENSE, DIGEST, DIGEST_WEIGHTED, scratch_close, scratch_open, word_block
from veneurpy.engine.native.import_merge cimport item_of, merge_metric
from veneurpy.engine.native.imported cimport Sender, tail_bytes
from veneurpy.engine.native.lookup cimport find_spelling
from veneurpy.engine.native.metric cimport (
    METRIC_GOOD, METRIC_MALFORMED, METRIC_NO_MEMORY, SET_REGISTERS, Metric, metric_read,
)
from veneurpy.engine.native.protobuf cimport BYTES, PB_END, PB_FIELD, PB_MALFORMED, Field, pb_next
from veneurpy.engine.native.slice cimport cut
from veneurpy.engine.native.store cimport Item
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
    cdef Item it = item_of(im, m)
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
            merge_metric(im, f, &m)
