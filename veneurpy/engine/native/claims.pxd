"""What a line says of where it comes from: its fields `c:`, `e:` and `card:`, and where its tags are."""
from libc.string cimport memcmp
from veneurpy.engine.native.compat cimport u8
from veneurpy.engine.native.slice cimport Slice

# As they were sent; of repeated ones the last.
cdef struct Claims:
    Slice local                         # c:
    Slice external                      # e:
    Slice cardinality                   # card:
    Py_ssize_t fields_at                # where the fields begin, -1 where there can be none
    Py_ssize_t tags_end                 # of the last tags, 0 without any
    bint has_tags                       # there is at least a byte of them


cdef inline bint begins(const u8* data, Py_ssize_t size, const char* word, Py_ssize_t length) noexcept nogil:
    return size >= length and memcmp(data, word, <size_t>length) == 0


cdef void read_claims(Claims* c, const u8* line, Py_ssize_t size) noexcept nogil
