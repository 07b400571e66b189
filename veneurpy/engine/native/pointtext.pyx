# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False
"""One walk over the rows; each line is written in place."""
from libc.stdlib cimport free, malloc
from veneurpy.engine.native.buffer cimport buffer_view
from veneurpy.engine.native.compat cimport i64, u8, u32
from veneurpy.engine.native.digits cimport write_integer, write_number
from veneurpy.engine.native.scope cimport SCOPES
from veneurpy.engine.native.slice cimport Slice, cut, next_part
from veneurpy.engine.native.text cimport Text, text_byte, text_bytes, text_free, text_put, text_reserve
from veneurpy.engine.native.view cimport ColumnsView, is_timed, row_at, string_at
cimport cython

cdef enum:
    AROUND = 7
    # What one byte becomes at most: \u0000.
    ESCAPED = 6
    LINE_EXTRA = 256                    # numbers, words and punctuation of a line, generously
    TYPES = 3
    DONE = 0
    NO_MEMORY = 1
    BAD_ROW = 2

# By the numbers of engine.types.PointType and Scope.
cdef const char** TYPE_WORDS = [b"counter", b"gauge", b"status"]
cdef const char** SCOPE_WORDS = [b"mixed", b"local", b"global"]
cdef const u8* HEX = b"0123456789abcdef"

# What surrounds the fields of a line: name, tags, type, scope, time, value.
cdef struct Around:
    Slice pieces[AROUND]
    Py_ssize_t size
    u8 separator                        # of cells; 0 for JSON

# What a call of `statsd` has packed.
cdef struct Packed:
    u32* ends
    u32* lines
    Py_ssize_t n
    u32 refused
    i64 start_ms
    bint with_times

# One row, looked up and checked.
cdef struct Row:
    Slice name
    Slice tags
    u8 type
    u8 scope
    i64 timestamp_ms
    double value


cdef inline bint _look_up(ColumnsView v, Py_ssize_t i, Row* out) noexcept nogil:
    cdef Py_ssize_t row = row_at(v, i)
    if row < 0:
        return False
    out.name = string_at(&v.names, v.name[row])
    out.tags = string_at(&v.tags, v.tag[row])
    out.type = v.type[row]
    out.scope = v.scope[row]
    out.timestamp_ms = v.timestamp_ms[row]
    out.value = v.value[row]
    return out.name.data != NULL and out.tags.data != NULL and out.type < TYPES and out.scope < SCOPES


cdef inline void _put_word(Text* t, const char* word) noexcept nogil:
    while word[0]:
        text_byte(t, <u8>word[0])
        word += 1


cdef inline void _put_seconds(Text* t, i64 ms) noexcept nogil:
    """Unix seconds, with a fraction only if there is one."""
    cdef i64 whole = ms // 1000, rest = ms % 1000
    if rest < 0:
        whole -= 1
        rest += 1000
    t.size += write_integer(t.data + t.size, whole)
    if rest == 0:
        return
    text_byte(t, c".")
    text_byte(t, <u8>(c"0" + rest // 100))
    if rest % 100:
        text_byte(t, <u8>(c"0" + rest // 10 % 10))
        if rest % 10:
            text_byte(t, <u8>(c"0" + rest % 10))


cdef inline void _put_escape(Text* t, u8 byte) noexcept nogil:
    cdef u8 short_ = 0
    text_byte(t, c"\\")
    if byte == c'"' or byte == c"\\":
        short_ = byte
    elif byte == c"\n":
        short_ = c"n"
    elif byte == c"\r":
        short_ = c"r"
    elif byte == c"\t":
        short_ = c"t"
    elif byte == c"\b":
        short_ = c"b"
    elif byte == c"\f":
        short_ = c"f"
    if short_:
        text_byte(t, short_)
        return
    _put_word(t, b"u00")
    text_byte(t, HEX[byte >> 4])
    text_byte(t, HEX[byte & 15])


cdef inline void _put_json(Text* t, Slice s) noexcept nogil:
    cdef Py_ssize_t i
    cdef u8 byte
    text_byte(t, c'"')
    for i in range(s.size):
        byte = s.data[i]
        if byte < 0x20 or byte == c'"' or byte == c"\\":
            _put_escape(t, byte)
        else:
            text_byte(t, byte)
    text_byte(t, c'"')


cdef inline void _put_json_tags(Text* t, Slice tags) noexcept nogil:
    text_byte(t, c"[")
    if tags.size:
        while True:
            _put_json(t, next_part(&tags, c","))
            if tags.size < 0:
                break
            text_byte(t, c",")
    text_byte(t, c"]")


cdef inline void _put_cell(Text* t, Slice s, u8 separator) noexcept nogil:
    """In quotes where something in it asks for them, as the csv module does."""
    cdef Py_ssize_t i
    for i in range(s.size):
        if s.data[i] == separator or s.data[i] == c'"' or s.data[i] == c"\n":
            break
    else:
        text_put(t, s)
        return
    text_byte(t, c'"')
    for i in range(s.size):
        if s.data[i] == c'"':
            text_byte(t, c'"')
        text_byte(t, s.data[i])
    text_byte(t, c'"')


cdef void _put_row(Text* t, const Around* a, const Row* row) noexcept nogil:
    text_put(t, a.pieces[0])
    if a.separator:
        _put_cell(t, row.name, a.separator)
        text_put(t, a.pieces[1])
        _put_cell(t, row.tags, a.separator)
    else:
        _put_json(t, row.name)
        text_put(t, a.pieces[1])
        _put_json_tags(t, row.tags)
    text_put(t, a.pieces[2])
    _put_word(t, TYPE_WORDS[row.type])
    text_put(t, a.pieces[3])
    _put_word(t, SCOPE_WORDS[row.scope])
    text_put(t, a.pieces[4])
    _put_seconds(t, row.timestamp_ms)
    text_put(t, a.pieces[5])
    t.size += write_number(t.data + t.size, row.value)
    text_put(t, a.pieces[6])


cdef int _put_rows(Text* t, ColumnsView v, Py_ssize_t start, Py_ssize_t stop, const Around* a) noexcept nogil:
    cdef Row row
    cdef Py_ssize_t i
    for i in range(start, stop):
        if not _look_up(v, i, &row):
            return BAD_ROW
        if not text_reserve(t, a.size + ESCAPED * (row.name.size + row.tags.size) + LINE_EXTRA):
            return NO_MEMORY
        _put_row(t, a, &row)
    return DONE


cdef inline void _put_clean(Text* t, Slice s, u8 end) noexcept nogil:
    """What would end its field early is "_"."""
    cdef Py_ssize_t i
    cdef u8 byte
    for i in range(s.size):
        byte = s.data[i]
        text_byte(t, c"_" if byte < 0x20 or byte == 0x7F or byte == c"|" or byte == end else byte)


cdef void _put_statsd(Text* t, const Row* row, bint timed) noexcept nogil:
    _put_clean(t, row.name, c":")
    text_byte(t, c":")
    t.size += write_number(t.data + t.size, row.value)
    text_byte(t, c"|")
    text_byte(t, c"c" if row.type == 0 else c"g")
    if row.tags.size:
        text_byte(t, c"|")
        text_byte(t, c"#")
        _put_clean(t, row.tags, c"|")
    if timed:
        text_byte(t, c"|")
        text_byte(t, c"T")
        t.size += write_integer(t.data + t.size, row.timestamp_ms // 1000 - (row.timestamp_ms % 1000 < 0))
    text_byte(t, c"\n")


cdef int _pack(Text* t, ColumnsView v, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t most_bytes,
               Packed* p) noexcept nogil:
    """A datagram's bounds leave out the line break that ends it. `p` has room for a datagram each row."""
    cdef Row row
    cdef Py_ssize_t i, begin = 0, line
    for i in range(start, stop):
        if not _look_up(v, i, &row):
            return BAD_ROW
        if not text_reserve(t, row.name.size + row.tags.size + LINE_EXTRA):
            return NO_MEMORY
        line = t.size
        _put_statsd(t, &row, p.with_times and is_timed(v, row_at(v, i), p.start_ms))
        if t.size - 1 - line > most_bytes:
            t.size = line
            p.refused += 1
            continue
        if p.n == 0 or t.size - 1 - begin > most_bytes:
            begin = line
            p.lines[p.n] = 0
            p.n += 1
        if t.size >> 32:
            return NO_MEMORY
        p.ends[p.n - 1] = <u32>t.size
        p.lines[p.n - 1] += 1
    return DONE


cdef int _check(int outcome) except -1:
    if outcome == NO_MEMORY:
        raise MemoryError("no memory for the text of a flush")
    if outcome == BAD_ROW:
        raise ValueError("a row is not of this schema")
    return 0


@cython.final
cdef class PointText:
    cdef ColumnsView view

    def __init__(self, ColumnsView view not None):
        self.view = view

    def __len__(self):
        return self.view.n_rows

    def rows(self, Py_ssize_t start, Py_ssize_t stop, *, tuple around, bytes separator):
        cdef ColumnsView v = self.view
        cdef Around a
        cdef Text t = Text(NULL, 0, 0)
        cdef int outcome, i
        cdef bytes piece
        if len(around) != AROUND or len(separator) > 1:
            raise ValueError("seven pieces around the fields, and a separator of one byte or none")
        a.size = 0
        for i in range(AROUND):
            piece = around[i]
            a.pieces[i] = cut(piece, len(piece), 0, len(piece))
            a.size += len(piece)
        a.separator = separator[0] if separator else 0
        start, stop = _within(v, start, stop)
        try:
            with nogil:
                outcome = _put_rows(&t, v, start, stop, &a)
            _check(outcome)
            return text_bytes(&t)
        finally:
            text_free(&t)

    def statsd(self, Py_ssize_t start, Py_ssize_t stop, *, Py_ssize_t most_bytes, start_ms):
        cdef ColumnsView v = self.view
        cdef Text t = Text(NULL, 0, 0)
        cdef Packed p
        cdef int outcome
        start, stop = _within(v, start, stop)
        if stop - start > 1 << 20:
            raise ValueError("at most 1,048,576 rows at once")
        p.n = p.refused = 0
        p.with_times = start_ms is not None
        p.start_ms = start_ms if p.with_times else 0
        p.ends = <u32*>malloc((stop - start + 1) * sizeof(u32))
        p.lines = <u32*>malloc((stop - start + 1) * sizeof(u32))
        try:
            if p.ends == NULL or p.lines == NULL:
                raise MemoryError("no memory for the text of a flush")
            with nogil:
                outcome = _pack(&t, v, start, stop, most_bytes, &p)
            _check(outcome)
            ends = buffer_view(None, <void**>&p.ends, p.n, sizeof(u32), c"I")
            lines = buffer_view(None, <void**>&p.lines, p.n, sizeof(u32), c"I")
            return text_bytes(&t), ends, lines, p.refused
        finally:
            text_free(&t)
            free(p.ends)
            free(p.lines)


cdef (Py_ssize_t, Py_ssize_t) _within(ColumnsView v, Py_ssize_t start, Py_ssize_t stop):
    start = min(max(start, 0), v.n_rows)
    return start, min(max(stop, start), v.n_rows)
