"""Text that grows. Room is asked for once a line; what is put then is not checked again."""
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport u8
from veneurpy.engine.native.slice cimport Slice

cdef struct Text:
    u8* data
    Py_ssize_t size
    Py_ssize_t room


cdef inline void text_free(Text* t) noexcept nogil:
    free(t.data)
    t.data = NULL
    t.size = t.room = 0


cdef inline bint text_reserve(Text* t, Py_ssize_t more) noexcept nogil:
    """Room for so many more bytes; False when there is no memory, and then nothing has changed."""
    cdef Py_ssize_t room = 2 * t.room + 4096
    cdef void* p
    if t.room - t.size >= more:
        return True
    if room < t.size + more:
        room = t.size + more
    p = realloc(t.data, <size_t>room)
    if p == NULL:
        return False
    t.data = <u8*>p
    t.room = room
    return True


cdef inline void text_byte(Text* t, u8 byte) noexcept nogil:
    t.data[t.size] = byte
    t.size += 1


cdef inline void text_put(Text* t, Slice s) noexcept nogil:
    if s.size:
        memcpy(t.data + t.size, s.data, <size_t>s.size)
        t.size += s.size


cdef inline object text_bytes(const Text* t):
    return (<const char*>t.data)[:t.size] if t.size else b""
