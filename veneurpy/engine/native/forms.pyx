# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Tags as sent to their normal form."""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.compat cimport u8
from veneurpy.engine.native.slice cimport cut, equal, next_part, sort_slices
from veneurpy.engine.native.tags cimport (
    FOLDED_BYTES, FOLDED_TAG, GLOBAL_ONLY, LOCAL_ONLY, PLAIN, SINK_ONLY, SINK_WORD, TagWord, counted_key, tag_word,
)

cdef enum:
    ROOM = 64                           # for the words that a form may add to the tags it is made of


cdef bint _room(Former* f, int use, Py_ssize_t bytes_) noexcept nogil:
    """False when there is no memory."""
    cdef Text* t = &f.texts[use]
    cdef Py_ssize_t room = 2 * bytes_ + ROOM
    if t.room < bytes_ + ROOM:
        free(t.data)
        t.data = <u8*>malloc(<size_t>room)
        t.room = room if t.data != NULL else 0
    if f.most < bytes_ + 2:
        free(f.split)
        f.split = <Slice*>malloc(<size_t>room * sizeof(Slice))
        f.most = room if f.split != NULL else 0
    return t.room != 0 and f.most != 0


cdef void former_close(Former* f) noexcept nogil:
    cdef int i
    for i in range(FORM_TEXTS):
        free(f.texts[i].data)
    free(f.split)
    memset(f, 0, sizeof(Former))


cdef void _append(Slice* out, Slice tag) noexcept nogil:
    cdef u8* at = <u8*>out.data + out.size
    if out.size:
        at[0] = c','
        at += 1
        out.size += 1
    memcpy(at, tag.data, <size_t>tag.size)
    out.size += tag.size


cdef void _append_distinct(Slice* out, Slice* tags, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    sort_slices(tags, n)
    for i in range(n):
        if i == 0 or not equal(tags[i], tags[i - 1]):
            _append(out, tags[i])


cdef bint form_make(Former* f, int use, Slice tags, const Slice* without, Form* out) noexcept nogil:
    """The form of tags as sent, those counted under the key `without` left out. False when there is no memory."""
    cdef Slice rest = tags, tag
    cdef Py_ssize_t plain = 0, sinks = 0
    cdef TagWord word
    cdef bint local = False, global_ = False
    if not _room(f, use, tags.size):
        return False
    while rest.size >= 0:
        tag = next_part(&rest, c',')
        word = tag_word(tag)
        if word == PLAIN and tag.size and (without == NULL or not equal(counted_key(tag), without[0])):
            f.split[plain] = tag
            plain += 1
        elif word == SINK_ONLY and tag.size > SINK_WORD:
            sinks += 1
            f.split[f.most - sinks] = tag
        local = local or word == LOCAL_ONLY
        global_ = global_ or word == GLOBAL_ONLY
    out.text.data = f.texts[use].data
    out.text.size = 0
    out.has_sinks = sinks != 0
    out.conflict = local and global_
    _append_distinct(&out.text, f.split, plain)
    plain = out.text.size
    if local:
        _append(&out.text, cut(<const u8*>b"veneurlocalonly", 15, 0, 15))
    elif global_:
        _append(&out.text, cut(<const u8*>b"veneurglobalonly", 16, 0, 16))
    _append_distinct(&out.text, f.split + f.most - sinks, sinks)
    # The comma between the two belongs to neither.
    out.magic = cut(out.text.data, out.text.size, plain + 1 if plain else 0, out.text.size)
    return True


cdef bint form_fold(Former* f, const Form* form, Slice* out) noexcept nogil:
    """All plain tags replaced by the one. False when there is no memory."""
    if not _room(f, FORM_FOLDED, form.magic.size):
        return False
    out.data = f.texts[FORM_FOLDED].data
    out.size = 0
    _append(out, cut(<const u8*>FOLDED_TAG, FOLDED_BYTES, 0, FOLDED_BYTES))
    if form.magic.size:
        _append(out, form.magic)
    return True
