# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Cutting, sorting and joining; nothing of it where a sender has sorted its tags."""
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.compat cimport u8
from veneurpy.engine.native.metric cimport METRIC_BAD_TAGS, METRIC_GOOD, METRIC_NO_MEMORY
from veneurpy.engine.native.protobuf cimport PB_FIELD, Field, pb_next
from veneurpy.engine.native.slice cimport Slice, compare, cut, equal, find, next_part, sort_slices
from veneurpy.engine.native.tags cimport PLAIN, SINK_ONLY, SINK_WORD, tag_word
from veneurpy.engine.native.utf8 cimport is_text

cdef enum:
    FIRST_PARTS = 64


cdef bint tagger_grow(Tagger* t, Py_ssize_t parts) noexcept nogil:
    """Room for so many parts; False when there is no memory."""
    cdef void* p
    if parts > t.room:
        p = realloc(t.parts, 2 * <size_t>parts * sizeof(Slice))
        if p == NULL:
            return False
        t.parts = <Slice*>p
        t.room = 2 * parts
    return True


cdef bint tagger_open(Tagger* t) noexcept nogil:
    """False when there is no memory."""
    memset(t, 0, sizeof(Tagger))
    t.text = <u8*>malloc(LONGEST_KEY)
    return t.text != NULL and tagger_grow(t, FIRST_PARTS)


cdef void tagger_close(Tagger* t) noexcept nogil:
    free(t.parts)
    free(t.text)
    memset(t, 0, sizeof(Tagger))


cdef inline bint _append(Tagger* t, Slice* text, const char* word, Py_ssize_t word_size, Slice part) noexcept nogil:
    """Appends a tag; False when the text would be too long."""
    cdef u8* at = t.text + text.size
    if text.size + (text.size != 0) + word_size + part.size >= LONGEST_KEY:
        return False
    if text.size:
        at[0] = c','
        at += 1
    memcpy(at, word, <size_t>word_size)
    memcpy(at + word_size, part.data, <size_t>part.size)
    text.size = at + word_size + part.size - t.text
    return True


cdef bint _is_normal(const Slice* tags, Py_ssize_t n) noexcept nogil:
    """Are they as a sender of sorted tags has them: nothing to be done."""
    cdef Py_ssize_t i
    for i in range(n):
        if tags[i].size == 0 or tag_word(tags[i]) != PLAIN or find(tags[i], c',') < tags[i].size:
            return False
        if i and compare(tags[i - 1], tags[i]) >= 0:
            return False
    return True


cdef bint _split(Tagger* t, Slice message, Py_ssize_t* plain, Py_ssize_t* sinks) noexcept nogil:
    """Tags as sent to parts[t.tags:][:plain], and sinks after them; False when there is no memory."""
    cdef Py_ssize_t i, sent = t.tags, most = t.tags
    cdef Slice rest, part
    cdef Field f
    if not tagger_grow(t, sent + t.bytes):
        return False
    for i in range(sent):
        rest = t.parts[i]
        while rest.size >= 0:
            part = next_part(&rest, c',')
            if part.size and tag_word(part) == PLAIN:
                t.parts[most] = part
                most += 1
    plain[0] = most - sent
    for i in range(sent):
        rest = t.parts[i]
        while rest.size >= 0:
            part = next_part(&rest, c',')
            if tag_word(part) == SINK_ONLY and part.size > SINK_WORD:
                t.parts[most] = cut(part.data, part.size, SINK_WORD, part.size)
                most += 1
    while pb_next(&message, &f) == PB_FIELD:
        if f.key == SINK_FIELD:
            rest = f.data
            while rest.size >= 0:
                part = next_part(&rest, c',')
                if part.size:
                    t.parts[most] = part
                    most += 1
    sinks[0] = most - sent - plain[0]
    return True


cdef bint _join(Tagger* t, Slice* text, const char* word, Py_ssize_t word_size, Slice* parts, Py_ssize_t n
                ) noexcept nogil:
    """Appends them sorted and distinct, each after `word`; False when that is too long."""
    cdef Py_ssize_t i
    sort_slices(parts, n)
    for i in range(n):
        if i and equal(parts[i], parts[i - 1]):
            continue
        if not _append(t, text, word, word_size, parts[i]):
            return False
    return True


cdef int tagger_text(Tagger* t, Slice message, Slice* tags, bint* has_sinks) noexcept nogil:
    """The tags in normal form, then the sinks as magic tags: valid until the next metric's. `message` is the metric.

    METRIC_GOOD, METRIC_BAD_TAGS or METRIC_NO_MEMORY.
    """
    cdef Py_ssize_t i, plain, sinks
    cdef Field f
    cdef Slice whole = message
    tags.data = t.text
    tags.size = 0
    if t.bytes > LONGEST_RAW:
        return METRIC_BAD_TAGS
    for i in range(t.tags):
        if not is_text(t.parts[i].data, t.parts[i].size):
            return METRIC_BAD_TAGS
    if t.sinks == 0 and _is_normal(t.parts, t.tags):
        for i in range(t.tags):
            if not _append(t, tags, b"", 0, t.parts[i]):
                return METRIC_BAD_TAGS
        return METRIC_GOOD
    while t.sinks and pb_next(&message, &f) == PB_FIELD:
        if f.key == SINK_FIELD and not is_text(f.data.data, f.data.size):
            return METRIC_BAD_TAGS
    if not _split(t, whole, &plain, &sinks):
        return METRIC_NO_MEMORY
    has_sinks[0] = sinks != 0
    if not _join(t, tags, b"", 0, t.parts + t.tags, plain):
        return METRIC_BAD_TAGS
    if not _join(t, tags, b"veneursinkonly:", SINK_WORD, t.parts + t.tags + plain, sinks):
        return METRIC_BAD_TAGS
    return METRIC_GOOD
