# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""An interner that copies what is new into chunks. Nothing moves, and nothing is forgotten but all at once."""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.hash cimport hash_bytes
from veneurpy.engine.native.intern cimport INTERN_FAILED, intern, interner_close, interner_open

cdef enum:
    CHUNK_BYTES = 65536


cdef bint pool_open(Pool* p, const HashKey* key) noexcept nogil:
    """False when there is no memory."""
    memset(p, 0, sizeof(Pool))
    p.key = key[0]
    return interner_open(&p.strings, NULL, 256)


cdef void pool_close(Pool* p) noexcept nogil:
    cdef Chunk* next_
    interner_close(&p.strings)
    while p.chunks != NULL:
        next_ = p.chunks.next
        free(p.chunks)
        p.chunks = next_


cdef u8* _copy(Pool* p, Slice s) noexcept nogil:
    cdef Chunk* chunk
    cdef u8* out
    cdef Py_ssize_t room = CHUNK_BYTES if s.size < CHUNK_BYTES else s.size
    if p.chunks == NULL or p.room - p.used < s.size:
        chunk = <Chunk*>malloc(sizeof(Chunk) + <size_t>room)
        if chunk == NULL:
            return NULL
        chunk.next = p.chunks
        p.chunks = chunk
        p.room = room
        p.used = 0
    out = p.chunks.data + p.used
    if s.size:
        memcpy(out, s.data, <size_t>s.size)
    p.used += s.size
    return out


cdef u32 pool_number(Pool* p, Slice s) noexcept nogil:
    """The string's number, a new one where it is new; INTERN_FAILED when there is no memory."""
    cdef u32 before = p.strings.count
    cdef u32 number = intern(&p.strings, hash_bytes(&p.key, s.data, s.size, 0), s)
    cdef u8* own
    if number == INTERN_FAILED or number != before:
        return number
    own = _copy(p, s)
    if own == NULL:
        # It must not stay there without bytes; the pool is of no use any more.
        p.strings.strings[number].size = 0
        return INTERN_FAILED
    p.strings.strings[number].data = own
    return number
