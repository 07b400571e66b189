# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fields are found as the parser finds them, behind what a metric, an event or a check says."""
from libc.string cimport memchr, memset
from veneurpy.engine.native.compat cimport i64
from veneurpy.engine.native.number cimport parse_integer


cdef Py_ssize_t _event_end(const u8* line, Py_ssize_t size) noexcept nogil:
    """Where the fields of an event begin, behind the title and the text that its lengths say; -1 without."""
    cdef const void* colon = memchr(line, c':', <size_t>size)
    cdef const void* comma
    cdef Py_ssize_t head, middle
    cdef i64 title = 0, text = 0
    if colon == NULL:
        return -1
    head = <const u8*>colon - line
    comma = memchr(line, c',', <size_t>head)
    if comma == NULL or line[head - 1] != c'}':
        return -1
    middle = <const u8*>comma - line
    if not (parse_integer(line + 3, middle - 3, &title) and parse_integer(line + middle + 1, head - middle - 2, &text)):
        return -1
    head += 1
    if not (1 <= title < size - head and line[head + title] == c'|'):
        return -1
    head += title + 1
    if not 0 <= text <= size - head:
        return -1
    head += text
    return head if head == size or line[head] == c'|' else -1


cdef Py_ssize_t _behind(const u8* line, Py_ssize_t size, int fields) noexcept nogil:
    """Where so many fields end; -1 if there are fewer."""
    cdef Py_ssize_t at = 0
    cdef const void* pipe
    while True:
        pipe = memchr(line + at, c'|', <size_t>(size - at))
        fields -= 1
        if pipe == NULL:
            return -1 if fields else size
        if fields == 0:
            return <const u8*>pipe - line
        at = <const u8*>pipe - line + 1


cdef Py_ssize_t _fields_of(const u8* line, Py_ssize_t size) noexcept nogil:
    """Where what a line says ends and its fields begin, with a pipe or the line's end; -1 if it cannot have any."""
    if begins(line, size, b"_e{", 3):
        return _event_end(line, size)
    return _behind(line, size, 3 if begins(line, size, b"_sc|", 4) else 2)


cdef Slice _behind_sign(const u8* field, Py_ssize_t size, Py_ssize_t sign) noexcept nogil:
    """What a field says behind its sign."""
    cdef Slice s
    s.data = field + sign
    s.size = size - sign
    return s


cdef void read_claims(Claims* c, const u8* line, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t at, length
    cdef const u8* field
    cdef const void* pipe
    memset(c, 0, sizeof(Claims))
    c.fields_at = at = _fields_of(line, size)
    while 0 <= at < size:
        field = line + at + 1
        pipe = memchr(field, c'|', <size_t>(size - at - 1))
        length = size - at - 1 if pipe == NULL else <const u8*>pipe - field
        at += 1 + length
        if length and field[0] == c'#':
            c.tags_end = at
            c.has_tags = length > 1
        elif length < 2 or field[1] != c':':
            if begins(field, length, b"card:", 5):
                c.cardinality = _behind_sign(field, length, 5)
        elif field[0] == c'c':
            c.local = _behind_sign(field, length, 2)
        elif field[0] == c'e':
            c.external = _behind_sign(field, length, 2)
