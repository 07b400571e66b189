# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Labels are pairs `key NUL value`, sorted as bytes: by key, then by value. No tag contains a NUL."""
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memmove
from veneurpy.engine.native.compat cimport u8
from veneurpy.engine.native.slice cimport cut, equal, find, next_part, sort_slices
from veneurpy.engine.native.text cimport text_byte, text_free, text_put, text_reserve

cdef enum:
    # What a tag takes beside its bytes: "_" before the key, NUL, "true".
    PAIR_EXTRA = 8
    # What a pair takes at most in the text, beside twice its bytes: comma, equals sign, quotes.
    LABEL_EXTRA = 8


cdef void label_scratch_free(LabelScratch* s) noexcept nogil:
    text_free(&s.text)
    free(s.pairs)
    s.pairs = NULL
    s.room = 0


cdef inline bint _is_digit(u8 byte) noexcept nogil:
    return c"0" <= byte <= c"9"


cdef inline bint _is_word(u8 byte) noexcept nogil:
    return _is_digit(byte) or byte == c"_" or c"a" <= (byte | 0x20) <= c"z"


cdef void _put_clean(Text* t, Slice s, bint with_colons) noexcept nogil:
    """Each character that is refused is one "_", however many bytes it has."""
    cdef Py_ssize_t i
    cdef u8 byte
    for i in range(s.size):
        byte = s.data[i]
        if _is_word(byte) or (with_colons and byte == c":"):
            text_byte(t, byte)
        elif byte & 0xC0 != 0x80:
            text_byte(t, c"_")


cdef bint put_metric_name(Text* t, Slice name) noexcept nogil:
    """False when there is no memory, here and below."""
    if not text_reserve(t, name.size + 1):
        return False
    if name.size == 0 or _is_digit(name.data[0]):
        text_byte(t, c"_")
    _put_clean(t, name, True)
    return True


cdef void _put_label_name(Text* t, Slice key) noexcept nogil:
    cdef Py_ssize_t begin = t.size, extra = 0, n
    if key.size == 0 or _is_digit(key.data[0]):
        text_byte(t, c"_")
        _put_clean(t, key, False)
        return
    _put_clean(t, key, False)
    n = t.size - begin
    while extra < n and t.data[begin + extra] == c"_":
        extra += 1
    if extra > 1:
        # Names with "__" before them are Prometheus' own: one "_" stays.
        memmove(t.data + begin + 1, t.data + begin + extra, <size_t>(n - extra))
        t.size = begin + 1 + n - extra


cdef Py_ssize_t _add_pair(LabelScratch* s, Py_ssize_t n, Slice key, Slice value) noexcept nogil:
    cdef Py_ssize_t begin = s.text.size
    _put_label_name(&s.text, key)
    text_byte(&s.text, 0)
    text_put(&s.text, value)
    s.pairs[n] = cut(s.text.data, s.text.size, begin, s.text.size)
    return n + 1


cdef bint _open(LabelScratch* s, Slice tags, Slice host) noexcept nogil:
    """Room for all pairs, so that no pair moves."""
    cdef Py_ssize_t i, n = 2
    cdef void* p
    for i in range(tags.size):
        n += tags.data[i] == c","
    if n > s.room:
        p = realloc(s.pairs, <size_t>(2 * n) * sizeof(Slice))
        if p == NULL:
            return False
        s.pairs = <Slice*>p
        s.room = 2 * n
    s.text.size = 0
    return text_reserve(&s.text, tags.size + host.size + PAIR_EXTRA * n)


cdef Py_ssize_t _collect(LabelScratch* s, Slice tags, Slice host) noexcept nogil:
    cdef Py_ssize_t n = 0, colon, i
    cdef Slice tag, word = cut(b"true", 4, 0, 4), host_key = cut(b"host", 4, 0, 4)
    while tags.size > 0:
        tag = next_part(&tags, c",")
        colon = find(tag, c":")
        if colon == tag.size:
            n = _add_pair(s, n, tag, word)
        elif colon + 1 < tag.size:
            n = _add_pair(s, n, cut(tag.data, tag.size, 0, colon), cut(tag.data, tag.size, colon + 1, tag.size))
    if host.size:
        for i in range(n):
            if s.pairs[i].size > 4 and memcmp(s.pairs[i].data, b"host", 5) == 0:
                return n
        n = _add_pair(s, n, host_key, host)
    return n


cdef bint put_escaped(Text* t, Slice s, bint in_quotes) noexcept nogil:
    cdef Py_ssize_t i
    cdef u8 byte
    if not text_reserve(t, 2 * s.size):
        return False
    for i in range(s.size):
        byte = s.data[i]
        if byte == c"\n":
            text_byte(t, c"\\")
            byte = c"n"
        elif byte == c"\\" or (in_quotes and byte == c'"'):
            text_byte(t, c"\\")
        text_byte(t, byte)
    return True


cdef bint put_labels(Text* t, Slice tags, Slice host, LabelScratch* scratch) noexcept nogil:
    """`{key="value",...}`, nothing where there is no label. `host` is one unless a tag is, or it is empty."""
    cdef Py_ssize_t n, i, nul
    cdef Slice pair, key, before
    if not _open(scratch, tags, host):
        return False
    n = _collect(scratch, tags, host)
    if n == 0:
        return True
    sort_slices(scratch.pairs, n)
    if not text_reserve(t, 2 * scratch.text.size + LABEL_EXTRA * n):
        return False
    before = cut(NULL, 0, 0, 0)
    text_byte(t, c"{")
    for i in range(n):
        pair = scratch.pairs[i]
        if i and equal(pair, scratch.pairs[i - 1]):
            continue
        nul = find(pair, 0)
        key = cut(pair.data, pair.size, 0, nul)
        if i == 0 or not equal(key, before):
            if i:
                text_byte(t, c'"')
                text_byte(t, c",")
            text_put(t, key)
            text_byte(t, c"=")
            text_byte(t, c'"')
        else:
            text_byte(t, c",")
        if not put_escaped(t, cut(pair.data, pair.size, nul + 1, pair.size), True):
            return False
        before = key
    text_byte(t, c'"')
    text_byte(t, c"}")
    return True
