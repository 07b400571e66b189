"""Tags in normal form as one text: what makes two spellings of a series one.

    a:1,b:2,veneurlocalonly,veneursinkonly:kafka
    ^       ^               ^
    plain, sorted, distinct | the sinks, sorted, distinct
            the scope's word, if there is one
"""
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.slice cimport Slice

cdef enum:
    FORM_LINE = 0
    FORM_OTHER = 1
    FORM_REDUCED = 2
    FORM_FOLDED = 3
    FORM_TEXTS = 4

cdef struct Text:
    u8* data
    Py_ssize_t room

# Room to make forms in: one text for each use, valid until the same use is made again.
cdef struct Former:
    Slice* split
    Py_ssize_t most
    Text texts[FORM_TEXTS]

cdef struct Form:
    Slice text
    Slice magic                         # the end of the text: scope and sinks
    bint has_sinks
    bint conflict                       # both scopes were named: local wins


cdef bint form_make(Former* f, int use, Slice tags, const Slice* without, Form* out) noexcept nogil
cdef bint form_fold(Former* f, const Form* form, Slice* out) noexcept nogil
cdef void former_close(Former* f) noexcept nogil
