# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Writing merged series, one entry of a `MetricList` each."""
from libc.math cimport INFINITY, isfinite, rint
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport COUNTER, GAUGE, SET
from veneurpy.engine.native.blocks cimport EXACT_SAMPLES, Totals
from veneurpy.engine.native.compat cimport i64, u8, u32, u64
from veneurpy.engine.native.hll cimport HLL_MAX_SLOTS, HLL_REGISTERS
from veneurpy.engine.native.hllwire cimport DENSE_BYTES, SKETCH_HEAD, key_of, write_dense, write_sparse
from veneurpy.engine.native.merge cimport Merge, Series, is_global
from veneurpy.engine.native.owners cimport Owners, owner_of
from veneurpy.engine.native.payloads cimport (
    ENTRY_HEAD, Payload, payload_place, payload_reserve, payloads_close, payloads_finish, payloads_open,
)
from veneurpy.engine.native.protobuf cimport (
    BYTES, VARINT, put_bytes, put_double, put_field, put_fixed, put_number, put_varint, varint_size,
)
from veneurpy.engine.native.scope cimport MIXED
from veneurpy.engine.native.slice cimport Slice, cut, next_part
from veneurpy.engine.native.sort cimport Centroid
from veneurpy.engine.native.summary cimport (
    Gathered, Members, Workspace, gather, set_members, workspace_close, workspace_open,
)
from veneurpy.engine.native.tdigest cimport td_capacity, td_compress

cdef enum:
    HEAD_BYTES = 256                    # an entry's fields but for its name, tags and sketch
    CENTROID_BYTES = 20                 # with its key and length
    MEMBER_BYTES = 14                   # of a small set: a key and a hash
    MOMENTS_BYTES = 64
    LONGEST_SKETCH = 20 + 8 + 5 * HLL_MAX_SLOTS

# What one series is written from.
cdef struct Piece:
    const Series* series
    bint foreign
    double value                        # of a counter, a gauge
    u8* sketch                          # room for a set's bytes
    u32* keys
    u32* more_keys
    Centroid* centroids                 # room for a digest that is compacted


cdef bint wire_open(Wire* w, Owners* owners, u32 n_owners, u64 max_bytes) noexcept nogil:
    """False when there is no memory. To be closed in any case."""
    w.owners = owners
    w.carry.max_bytes = ~<u64>0
    return payloads_open(&w.payloads, n_owners, max_bytes)


cdef void wire_close(Wire* w) noexcept nogil:
    """Idempotent."""
    payloads_close(&w.payloads)
    free(w.carry.data)
    memset(w, 0, sizeof(Wire))


cdef inline i64 _integer(double value) noexcept nogil:
    """The nearest of 64 bits, of two the even one."""
    if value >= 9223372036854775808.0:
        return 0x7FFFFFFFFFFFFFFF
    if value <= -9223372036854775808.0:
        return <i64>(<u64>1 << 63)
    return <i64>rint(value)


cdef u8* _put_counter(u8* at, const Piece* y) noexcept nogil:
    cdef i64 integer = _integer(y.value)
    cdef u8 body[32]
    cdef u8* end = put_number(body, 1, <u64>integer)
    if not y.foreign and <double>integer != y.value:
        end = put_fixed(end, 100, &y.value)
    return put_field(at, 5, cut(body, 32, 0, end - body))


cdef u8* _put_gauge(u8* at, const Piece* y) noexcept nogil:
    cdef const Series* s = y.series
    cdef u8 body[32]
    cdef u8* end = put_double(body, 1, y.value)
    if not y.foreign:
        end = put_fixed(end, 100, &s.gauge_ns)
    at = put_varint(at, 6 << 3 | BYTES)
    if y.foreign or s.sender.size == 0:
        at = put_varint(at, <u64>(end - body))
        return put_bytes(at, cut(body, 32, 0, end - body))
    at = put_varint(at, <u64>(end - body) + 2 + <u64>varint_size(<u64>s.sender.size) + <u64>s.sender.size)
    return put_field(put_bytes(at, cut(body, 32, 0, end - body)), 101, s.sender)


cdef u8* _put_moments(u8* at, u32 number, const Totals* t) noexcept nogil:
    cdef u8 body[MOMENTS_BYTES]
    cdef u8* end = put_double(body, 1, t.weight)
    end = put_double(end, 2, t.sum)
    end = put_double(end, 3, t.low)
    end = put_double(end, 4, t.high)
    end = put_double(end, 5, t.reciprocal)
    end = put_double(end, 6, t.zeros)
    return put_field(at, number, cut(body, MOMENTS_BYTES, 0, end - body))


cdef u8* _put_digest_end(u8* at, const Gathered* g, double compression) noexcept nogil:
    at = put_double(at, 2, compression)
    at = put_double(at, 3, g.all.low)
    at = put_double(at, 4, g.all.high)
    # A sample of 0 makes Veneur's sum infinite.
    return put_double(at, 5, g.all.reciprocal if g.all.zeros == 0 and isfinite(g.all.reciprocal) else INFINITY)


cdef u8* _put_own_histogram(u8* at, const Piece* y, const Gathered* g, bint exact) noexcept nogil:
    at = _put_moments(at, 100, &g.all)
    if y.series.scope == MIXED and g.published.weight != 0:
        at = _put_moments(at, 101, &g.published)
    return put_number(at, 102, exact)


cdef u8* _put_histogram(u8* at, const Piece* y, const Gathered* g, const Centroid* c, u64 n, bint exact,
                        double compression) noexcept nogil:
    cdef u8 tail[64]
    cdef u8 own[2 * MOMENTS_BYTES + 16]
    cdef u8* tail_end = _put_digest_end(tail, g, compression)
    cdef u8* own_end = own
    cdef u64 digest = <u64>(tail_end - tail) + CENTROID_BYTES * n, i, size
    if not y.foreign:
        own_end = _put_own_histogram(own, y, g, exact)
    for i in range(n):
        if c[i].mean == 0:
            digest -= 9
    at = put_varint(at, 7 << 3 | BYTES)
    at = put_varint(at, 1 + <u64>varint_size(digest) + digest + <u64>(own_end - own))
    at = put_varint(put_varint(at, 1 << 3 | BYTES), digest)
    for i in range(n):
        size = CENTROID_BYTES - 2 - (9 if c[i].mean == 0 else 0)
        at[0] = 1 << 3 | BYTES
        at[1] = <u8>size
        at = put_double(put_double(at + 2, 1, c[i].mean), 2, c[i].weight)
    at = put_bytes(at, cut(tail, 64, 0, tail_end - tail))
    return put_bytes(at, cut(own, sizeof(own), 0, own_end - own))


cdef u64 _write_hashes(const Members* members, u8* out) noexcept nogil:
    """All hashes in a row; how many bytes."""
    cdef u8* at = out
    cdef u32 i
    for i in range(members.capacity):
        if members.slots[i] != 0:
            memcpy(at, &members.slots[i], 8)
            at += 8
    return <u64>(at - out)


cdef u64 _write_excess(const u8* registers, u8 base, u8* out) noexcept nogil:
    """The registers that 4 bits above the base cannot hold."""
    cdef u8* at = out
    cdef u32 i, pair
    for i in range(HLL_REGISTERS):
        if registers[i] > base + 15:
            pair = i << 8 | registers[i]
            memcpy(at, &pair, 4)
            at += 4
    return <u64>(at - out)


cdef u8* _put_set(u8* at, const Piece* y, const Members* members, u8* more) noexcept nogil:
    """`more` is room for what only we read."""
    cdef u64 more_size = 0, n = 0, size, whole
    cdef u32 number = 100, i
    cdef u8 base
    if members.registers != NULL:
        size = <u64>write_dense(members.registers, y.sketch, &base)
        number = 101
        if not y.foreign:
            more_size = _write_excess(members.registers, base, more)
    else:
        for i in range(members.capacity):
            if members.slots[i] != 0:
                y.keys[n] = key_of(members.slots[i])
                n += 1
        size = <u64>write_sparse(y.keys, y.more_keys, <u32>n, y.sketch)
        if not y.foreign and not members.coarse:
            more_size = _write_hashes(members, more)
    whole = 1 + <u64>varint_size(size) + size
    if more_size:
        whole += 2 + <u64>varint_size(more_size) + more_size
    at = put_varint(put_varint(at, 8 << 3 | BYTES), whole)
    at = put_field(at, 1, cut(y.sketch, <Py_ssize_t>size, 0, <Py_ssize_t>size))
    if more_size:
        at = put_field(at, number, cut(more, <Py_ssize_t>more_size, 0, <Py_ssize_t>more_size))
    return at


cdef u8* _put_head(u8* at, const Series* s) noexcept nogil:
    """Name, tags, type."""
    cdef Slice tags = cut(s.tags, s.tags_len, 0, s.tags_len)
    at = put_field(at, 1, cut(s.name, s.name_len, 0, s.name_len))
    while tags.size > 0:
        at = put_field(at, 2, next_part(&tags, c','))
    return put_number(at, 3, s.type)


cdef u8* _put_foot(u8* at, const Piece* y, const Merge* m) noexcept nogil:
    """Scope, and what only we read: samples, sinks."""
    cdef const Series* s = y.series
    cdef Slice sinks
    at = put_number(at, 9, s.scope)
    if y.foreign:
        return at
    if s.samples != 1:
        at = put_varint(put_varint(at, 100 << 3 | VARINT), s.samples)
    if s.sinks and s.sinks <= m.sink_sets.count:
        sinks = m.sink_sets.strings[s.sinks - 1]
        while sinks.size >= 0:
            at = put_field(at, 101, next_part(&sinks, c','))
    return at


cdef u64 _most_bytes(const Merge* m, const Series* s, u64 value) noexcept nogil:
    """No entry is longer, its value being of so many bytes."""
    cdef u64 sinks = 0
    if s.sinks and s.sinks <= m.sink_sets.count:
        sinks = <u64>m.sink_sets.strings[s.sinks - 1].size
    # A tag of one byte and its comma become three, a sink's five.
    return HEAD_BYTES + s.name_len + 2 * <u64>s.tags_len + 5 * sinks + <u64>s.sender.size + value


cdef bint _write_scalar(Wire* w, const Merge* m, Payload* p, Piece* y) noexcept nogil:
    cdef u8* start
    cdef u8* at
    if not payload_reserve(p, _most_bytes(m, y.series, 0)):
        return False
    start = p.data + p.size + ENTRY_HEAD
    at = _put_head(start, y.series)
    at = _put_counter(at, y) if y.series.type == COUNTER else _put_gauge(at, y)
    return payload_place(&w.payloads, p, start, _put_foot(at, y, m), y.series.samples)


cdef bint _write_histogram(Wire* w, const Merge* m, Payload* p, Piece* y, Workspace* space) noexcept nogil:
    cdef Gathered g
    cdef const Centroid* centroids
    cdef u64 n
    cdef bint exact
    cdef u8* start
    cdef u8* at
    if not gather(space, m, y.series, &g):
        return False
    n = g.n
    centroids = space.pairs
    exact = g.exact and n <= EXACT_SAMPLES
    if not exact and n > <u64>td_capacity(w.compression):
        n = <u64>td_compress(space.pairs, <Py_ssize_t>n, w.compression, y.centroids, td_capacity(w.compression),
                             space.values)
        centroids = y.centroids
    if not payload_reserve(p, _most_bytes(m, y.series, CENTROID_BYTES * n + 3 * MOMENTS_BYTES)):
        return False
    start = p.data + p.size + ENTRY_HEAD
    at = _put_head(start, y.series)
    at = _put_histogram(at, y, &g, centroids, n, exact, w.compression)
    return payload_place(&w.payloads, p, start, _put_foot(at, y, m), y.series.samples)


cdef bint _write_set(Wire* w, const Merge* m, Payload* p, Piece* y, Workspace* space) noexcept nogil:
    cdef Members members
    cdef u64 value = SKETCH_HEAD + DENSE_BYTES + 4 * HLL_REGISTERS
    cdef u8* start
    cdef u8* at
    set_members(space, m, y.series, &members)
    if members.registers == NULL:
        value = MEMBER_BYTES * <u64>members.count
    # What only we read is made where it may lie behind the rest.
    if not payload_reserve(p, _most_bytes(m, y.series, value) + value):
        return False
    start = p.data + p.size + ENTRY_HEAD
    at = _put_head(start, y.series)
    at = _put_set(at, y, &members, at + HEAD_BYTES - 64 + value)
    return payload_place(&w.payloads, p, start, _put_foot(at, y, m), y.series.samples)


cdef bint _carry(Wire* w, const Merge* m, Piece* y, bint* silent) noexcept nogil:
    """A counter for a Veneur: keeps what rounding leaves over. `silent`: there is nothing else, and nobody sent it."""
    cdef double value = y.value, rest = value - <double>_integer(value)
    cdef Series remainder = y.series[0]
    cdef Piece own = y[0]
    silent[0] = rest == value and y.series.samples == 0
    if rest == 0:
        return True
    remainder.samples = 0
    own.series = &remainder
    own.foreign = False
    own.value = rest
    return _write_scalar(w, m, &w.carry, &own)


cdef bint _write_series(Wire* w, const Merge* m, const Series* s, Piece* y, Workspace* space) noexcept nogil:
    cdef Slice tags = cut(s.tags, s.tags_len, 0, s.tags_len)
    cdef Payload* p
    cdef bint silent = False
    cdef int owner = w.self_index
    if owner < 0 or is_global(s.type, s.scope):
        owner = owner_of(w.owners, cut(s.name, s.name_len, 0, s.name_len), s.type, tags)
        if owner < 0:
            return False
    p = &w.payloads.open[owner]
    y.series = s
    y.value = s.value
    y.foreign = w.foreign != NULL and w.foreign[owner]
    if s.type == SET:
        return _write_set(w, m, p, y, space)
    if s.type != COUNTER and s.type != GAUGE:
        return _write_histogram(w, m, p, y, space)
    if s.type == COUNTER and y.foreign and not _carry(w, m, y, &silent):
        return False
    return True if silent else _write_scalar(w, m, p, y)


cdef bint wire_write(Wire* w, const Merge* m) noexcept nogil:
    """Fills `done` and `carry`. False when there is no memory."""
    cdef Workspace space
    cdef Piece y
    cdef bint done
    cdef u32 i
    memset(&y, 0, sizeof(Piece))
    y.sketch = <u8*>malloc(LONGEST_SKETCH)
    y.keys = <u32*>malloc(HLL_MAX_SLOTS * sizeof(u32))
    y.more_keys = <u32*>malloc(HLL_MAX_SLOTS * sizeof(u32))
    y.centroids = <Centroid*>malloc(<size_t>td_capacity(w.compression) * sizeof(Centroid))
    memset(&space, 0, sizeof(Workspace))
    done = (workspace_open(&space, NULL, 0, w.compression) and y.sketch != NULL and y.keys != NULL
            and y.more_keys != NULL and y.centroids != NULL)
    i = 0
    while done and i < m.count:
        done = _write_series(w, m, &m.series[i], &y, &space)
        i += 1
    workspace_close(&space)
    free(y.sketch)
    free(y.keys)
    free(y.more_keys)
    free(y.centroids)
    return done and payloads_finish(&w.payloads)
