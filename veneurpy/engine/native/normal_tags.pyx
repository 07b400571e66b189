# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Cutting tags, choosing them, joining them; telling sets of sinks apart."""
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.hash cimport hash_bytes
from veneurpy.engine.native.intern cimport INTERN_FAILED, intern
from veneurpy.engine.native.merge cimport Pool
from veneurpy.engine.native.meter cimport meter_free, meter_malloc
from veneurpy.engine.native.rewriting cimport removes
from veneurpy.engine.native.slice cimport compare, cut, equal, find, next_part, sort_slices
from veneurpy.engine.native.tags cimport PLAIN, SINK_ONLY, SINK_WORD, TagWord, tag_word

cdef enum:
    POOL_CHUNK = 1 << 16
    LONG_TEXT = 1 << 13                 # has memory of its own: no chunk is left with more than that unused
    MOST_SINK_SETS = 65_534             # 0 is all sinks, 65535 is nobody
    NOBODY = 65_535


cdef void texts_free(Merge* m) noexcept nogil:
    cdef void* chunk = m.pool.chunks
    cdef void* next_chunk
    while chunk != NULL:
        next_chunk = (<void**>chunk)[0]
        meter_free(m.meter, chunk)
        chunk = next_chunk
    m.pool.chunks = NULL


cdef u8* _text_chunk(Merge* m, u64 bytes_) noexcept nogil:
    """So many bytes after the link to the chunk before."""
    cdef u8* chunk = <u8*>meter_malloc(m.meter, bytes_ + 8)
    if chunk != NULL:
        (<void**>chunk)[0] = m.pool.chunks
        m.pool.chunks = chunk
    return chunk


cdef u8* _text_take(Merge* m, u64 bytes_) noexcept nogil:
    """NULL when there is no memory."""
    cdef Pool* p = &m.pool
    cdef u8* chunk
    if bytes_ > LONG_TEXT:
        chunk = _text_chunk(m, bytes_)
        return chunk + 8 if chunk != NULL else NULL
    if p.used + bytes_ > p.size:
        chunk = _text_chunk(m, POOL_CHUNK)
        if chunk == NULL:
            return NULL
        p.chunk = chunk
        p.used = 8
        p.size = 8 + POOL_CHUNK
    p.used += bytes_
    return p.chunk + p.used - bytes_


cdef inline Slice _tag_key(Slice tag) noexcept nogil:
    tag.size = find(tag, c':')
    return tag


cdef bint _is_implicit(const Merge* m, Slice tag) noexcept nogil:
    """Does an implicit tag have this tag's key."""
    cdef int i
    for i in range(m.n_extend):
        if equal(_tag_key(m.extend[i]), _tag_key(tag)):
            return True
    return False


cdef bint _sort(Slice* s, Py_ssize_t n) noexcept nogil:
    """Sorts them. Were they sorted and distinct before, as most clients send them."""
    cdef Py_ssize_t i
    for i in range(1, n):
        if compare(s[i - 1], s[i]) >= 0:
            sort_slices(s, n)
            return False
    return True


cdef Slice _join(Merge* m, const Slice* s, Py_ssize_t n) noexcept nogil:
    """Sorted ones without their doubles, joined by ',' in a text of the merge's."""
    cdef Slice out
    cdef Py_ssize_t i, total = 0
    cdef u8* at
    for i in range(n):
        total += s[i].size + 1
    out.size = 0
    out.data = _text_take(m, <u64>total + 1)
    if out.data == NULL:
        m.failed = True
        return out
    at = <u8*>out.data
    for i in range(n):
        if i > 0 and equal(s[i], s[i - 1]):
            continue
        if at != out.data:
            at[0] = c','
            at += 1
        memcpy(at, s[i].data, <size_t>s[i].size)
        at += s[i].size
    out.size = at - out.data
    return out


cdef bint _room_to_split(Merge* m, Py_ssize_t tags_len, int n_added) noexcept nogil:
    cdef u32 most = <u32>(tags_len + m.n_extend + n_added + 2)
    if most > m.split_capacity:
        meter_free(m.meter, m.split)
        m.split = <Slice*>meter_malloc(m.meter, most * sizeof(Slice))
        m.split_capacity = most if m.split != NULL else 0
    return m.split != NULL


cdef u16 _sink_set(Merge* m, Slice tags) noexcept nogil:
    """The number of the set of sinks that the tags name: 0 when they name none."""
    cdef Py_ssize_t n = 0
    cdef Slice tag, joined
    cdef u32 number
    while tags.size >= 0:
        tag = next_part(&tags, c',')
        if tag_word(tag) == SINK_ONLY and tag.size > SINK_WORD:
            m.split[n] = cut(tag.data, tag.size, SINK_WORD, tag.size)
            n += 1
    if n == 0:
        return 0
    _sort(m.split, n)
    joined = _join(m, m.split, n)
    if m.sink_sets.count >= MOST_SINK_SETS:
        m.lost_sink_sets += 1
        return NOBODY
    number = intern(&m.sink_sets, hash_bytes(&m.key, joined.data, joined.size, 0), joined)
    if number == INTERN_FAILED:
        m.failed = True
        return NOBODY
    return <u16>(number + 1)


cdef bint _has_key_of(const Slice* tags, Py_ssize_t n, Slice tag) noexcept nogil:
    """Has one of the tags this tag's key."""
    cdef Py_ssize_t i
    for i in range(n):
        if equal(_tag_key(tags[i]), _tag_key(tag)):
            return True
    return False


cdef Py_ssize_t _add_tags(Merge* m, const Rewrite* r, int n_extend, Py_ssize_t sent) noexcept nogil:
    """Puts what a rewrite adds after the tags that were sent; returns how many there are then."""
    cdef Py_ssize_t n = sent
    cdef int i
    for i in range(r.n_added):
        if n_extend and _is_implicit(m, r.added[i]):
            continue
        if not r.yields or not _has_key_of(m.split, sent, r.added[i]):
            m.split[n] = r.added[i]
            n += 1
    return n


cdef NormalTags normal_tags(Merge* m, Slice tags, int n_extend, const Rewrite* r) noexcept nogil:
    """The normal form of tags as sent, rewritten, so many implicit tags applied: all, or none."""
    cdef NormalTags out
    cdef Slice rest = tags, tag
    cdef Py_ssize_t n = 0, sent = 0, kept
    cdef TagWord word
    cdef bint sinks = False, were_sorted
    cdef int i
    out.sinks = 0
    out.tags = cut(tags.data, 0, 0, 0)
    if not _room_to_split(m, tags.size, r.n_added if r != NULL else 0):
        m.failed = True
        return out
    while rest.size >= 0:
        tag = next_part(&rest, c',')
        sent += 1
        word = tag_word(tag)
        sinks = sinks or word == SINK_ONLY
        if tag.size and word == PLAIN and not (n_extend and _is_implicit(m, tag)):
            if r == NULL or not removes(m.rewrites, r, tag):
                m.split[n] = tag
                n += 1
    kept = n
    if r != NULL:
        n = _add_tags(m, r, n_extend, n)
    for i in range(n_extend):
        m.split[n] = m.extend[i]
        n += 1
    were_sorted = _sort(m.split, n)
    if were_sorted and kept == sent == n:
        out.tags = tags
        return out
    out.tags = _join(m, m.split, n)
    if sinks:
        out.sinks = _sink_set(m, tags)
    return out
