# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A join of rows by their series: a table of the one side, a walk over the other."""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.buffer cimport buffer_view
from veneurpy.engine.native.compat cimport u8, u16, u32, u64
from veneurpy.engine.native.hash cimport HashKey, hash_mark, hash_pair
from veneurpy.engine.native.points cimport COUNTER_POINT
from veneurpy.engine.native.slice cimport Slice, equal
from veneurpy.engine.native.view cimport ColumnsView, string_at

cdef enum:
    LARGEST_ROWS = 0x7FFFFFFF
    KIND_BITS = 8

# What a row of either side is told from others by; `sinks` by the numbers of then.
cdef struct Series:
    Slice name
    Slice tags
    u8 kind
    u16 sinks

# The columns of one side that its view has not.
cdef struct Side:
    const u8* kinds
    const u16* sinks
    const u16* sinks_then               # NULL: they are
    Py_ssize_t sink_sets

cdef struct Found:
    double* value                       # of each row of now
    u8* is_there
    u32* slots                          # row + 1; 0 is free
    u64 mask
    Py_ssize_t count
    u32* rows
    double* values


cdef bint _series_at(ColumnsView v, const Side* side, Py_ssize_t row, Series* out) noexcept nogil:
    """False where the row is no counter, or cannot be read."""
    if v.type[row] != COUNTER_POINT:
        return False
    out.name = string_at(&v.names, v.name[row])
    out.tags = string_at(&v.tags, v.tag[row])
    out.kind = side.kinds[row]
    out.sinks = side.sinks[row]
    if side.sinks_then != NULL:
        if out.sinks >= side.sink_sets:
            return False
        out.sinks = side.sinks_then[out.sinks]
    return out.name.data != NULL and out.tags.data != NULL


cdef inline u64 _hash(const HashKey* key, const Series* s) noexcept nogil:
    return (hash_pair(key, s.name.data, s.name.size, s.tags.data, s.tags.size)
            ^ hash_mark(key, <u64>s.sinks << KIND_BITS | s.kind))


cdef inline bint _is_same(const Series* a, const Series* b) noexcept nogil:
    return a.kind == b.kind and a.sinks == b.sinks and equal(a.name, b.name) and equal(a.tags, b.tags)


cdef u64 _slot(ColumnsView now, const Side* side, const Found* f, const HashKey* key, const Series* s) noexcept nogil:
    """Where the series is in the table, or the free slot that it would take."""
    cdef Series other
    cdef u64 slot = _hash(key, s) & f.mask
    while f.slots[slot]:
        if _series_at(now, side, <Py_ssize_t>f.slots[slot] - 1, &other) and _is_same(s, &other):
            break
        slot = (slot + 1) & f.mask
    return slot


cdef bint _open(Found* f, Py_ssize_t rows) noexcept nogil:
    """False when there is no memory. To be closed in any case."""
    cdef u64 size = 16
    while size < <u64>rows * 2:
        size *= 2
    f.mask = size - 1
    f.slots = <u32*>calloc(size, sizeof(u32))
    f.value = <double*>malloc((rows + 1) * sizeof(double))
    f.is_there = <u8*>calloc(rows + 1, 1)
    return f.slots != NULL and f.value != NULL and f.is_there != NULL


cdef void _close(Found* f) noexcept nogil:
    free(f.slots)
    free(f.value)
    free(f.is_there)
    free(f.rows)
    free(f.values)


cdef void _join(ColumnsView now, const Side* side_now, ColumnsView then, const Side* side_then, const HashKey* key,
                Found* f) noexcept nogil:
    cdef Py_ssize_t row
    cdef Series s
    cdef u64 slot
    for row in range(now.n_columns):
        if _series_at(now, side_now, row, &s):
            f.slots[_slot(now, side_now, f, key, &s)] = <u32>(row + 1)
    for row in range(then.n_columns):
        if _series_at(then, side_then, row, &s):
            slot = f.slots[_slot(now, side_now, f, key, &s)]
            if slot:
                f.count += not f.is_there[slot - 1]
                f.is_there[slot - 1] = 1
                f.value[slot - 1] = then.value[row]


cdef bint _gather(Found* f, Py_ssize_t rows) noexcept nogil:
    """What was found, in order; False when there is no memory."""
    cdef Py_ssize_t row, n = 0
    f.rows = <u32*>malloc((f.count + 1) * sizeof(u32))
    f.values = <double*>malloc((f.count + 1) * sizeof(double))
    if f.rows == NULL or f.values == NULL:
        return False
    for row in range(rows):
        if f.is_there[row]:
            f.rows[n] = <u32>row
            f.values[n] = f.value[row]
            n += 1
    return True


def earlier(ColumnsView now not None, ColumnsView then not None, *, bytes key not None,
            const u16[::1] sinks_then not None, const u8[::1] now_kinds not None, const u16[::1] now_sinks not None,
            const u8[::1] then_kinds not None, const u16[::1] then_sinks not None):
    cdef HashKey hash_key
    cdef Found f
    cdef Side side_now, side_then
    cdef bint done
    if len(key) != sizeof(hash_key.secret):
        raise ValueError(f"a key of {sizeof(hash_key.secret)} bytes was expected")
    for columns, view in ((now_kinds, now), (now_sinks, now), (then_kinds, then), (then_sinks, then)):
        if len(columns) != (<ColumnsView>view).n_columns or len(columns) >= LARGEST_ROWS:
            raise ValueError("columns of one length were expected")
    memcpy(hash_key.secret, <const char*>key, sizeof(hash_key.secret))
    memset(&f, 0, sizeof(Found))
    memset(&side_now, 0, sizeof(Side))
    memset(&side_then, 0, sizeof(Side))
    side_now.sink_sets = sinks_then.shape[0]
    if now.n_columns and then.n_columns and side_now.sink_sets:
        side_now.kinds, side_now.sinks, side_now.sinks_then = &now_kinds[0], &now_sinks[0], &sinks_then[0]
        side_then.kinds, side_then.sinks = &then_kinds[0], &then_sinks[0]
    try:
        with nogil:
            done = _open(&f, now.n_columns)
            if done and side_now.kinds != NULL:
                _join(now, &side_now, then, &side_then, &hash_key, &f)
            done = done and _gather(&f, now.n_columns)
        if not done:
            raise MemoryError("no memory to compare two revisions")
        return (buffer_view(None, <void**>&f.rows, f.count, sizeof(u32), c"I"),
                buffer_view(None, <void**>&f.values, f.count, sizeof(double), c"d"))
    finally:
        with nogil:
            _close(&f)


def less(const double[::1] value not None, const u32[::1] rows not None, const double[::1] values not None):
    cdef Py_ssize_t i, size = value.shape[0], count = rows.shape[0]
    cdef double* out
    if values.shape[0] != count:
        raise ValueError("as many values as rows were expected")
    with nogil:
        out = <double*>malloc((size + 1) * sizeof(double))
        if out != NULL:
            if size:
                memcpy(out, &value[0], size * sizeof(double))
            for i in range(count):
                if <Py_ssize_t>rows[i] < size:
                    out[rows[i]] -= values[i]
    if out == NULL:
        raise MemoryError("no memory for what a revision adds")
    return buffer_view(None, <void**>&out, size, sizeof(double), c"d")
