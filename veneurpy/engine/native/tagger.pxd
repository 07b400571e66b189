"""Tags of a metric that came over the wire, brought into normal form: sorted, distinct, joined by ','.

They are given as they come, between `tagger_begin` and `tagger_text`. Sinks are only counted: they are read again where
there are any.
"""
from veneurpy.engine.native.compat cimport u8
from veneurpy.engine.native.protobuf cimport BYTES
from veneurpy.engine.native.slice cimport Slice

cdef enum:
    LONGEST_KEY = 0xFF00                # as in the reference
    LONGEST_RAW = 2 * LONGEST_KEY
    SINK_FIELD = 101 << 3 | BYTES       # its key in a metric: number << 3 | wire type

cdef struct Tagger:
    Slice* parts                        # the tags as they came; then as they are cut and sorted
    Py_ssize_t room
    u8* text
    Py_ssize_t bytes                    # of tags and sinks that came, with a comma each
    Py_ssize_t tags
    Py_ssize_t sinks


cdef bint tagger_open(Tagger* t) noexcept nogil
cdef void tagger_close(Tagger* t) noexcept nogil
cdef bint tagger_grow(Tagger* t, Py_ssize_t parts) noexcept nogil
cdef int tagger_text(Tagger* t, Slice message, Slice* tags, bint* has_sinks) noexcept nogil


cdef inline void tagger_begin(Tagger* t) noexcept nogil:
    t.bytes = 0
    t.tags = 0
    t.sinks = 0


cdef inline bint tagger_tag(Tagger* t, Slice tag) noexcept nogil:
    """False when there is no memory."""
    t.bytes += tag.size + 1
    if t.bytes <= LONGEST_RAW:
        if t.tags == t.room and not tagger_grow(t, t.tags + 1):
            return False
        t.parts[t.tags] = tag
        t.tags += 1
    return True


cdef inline void tagger_sink(Tagger* t, Slice sinks) noexcept nogil:
    t.bytes += sinks.size + 1
    t.sinks += 1
