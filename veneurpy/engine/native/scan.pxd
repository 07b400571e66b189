"""One vector pass over a datagram: where the colons and the ends of fields are.

Two bitmaps, bit i standing for byte i. `ends` has a bit for '|' and LF and a sentinel at `size`, so that a search
for the next end always succeeds. The pass loads 64 bytes at a time and never reads past the end: the last load
overlaps the one before it.
"""
from veneurpy.engine.native.compat cimport ctz64, likely, scan_bytes, u8, u64


cdef struct Scan:
    u64* colons
    u64* ends
    Py_ssize_t size          # bytes scanned
    Py_ssize_t capacity      # bytes that the bitmaps have room for


cdef inline Py_ssize_t scan_words(Py_ssize_t bytes) noexcept nogil:
    """Words of a bitmap for so many bytes and the sentinel."""
    return bytes // 64 + 1


cdef inline bint scan(Scan* s, const u8* data, Py_ssize_t size) noexcept nogil:
    """Fills the bitmaps; False when they are too small."""
    if size > s.capacity:
        return False
    scan_bytes(data, <size_t>size, s.colons, s.ends)
    s.ends[size >> 6] |= (<u64>1) << (size & 63)
    s.size = size
    return True


# A walk over the ends, from the first to the sentinel.
cdef struct Ends:
    const u64* words
    Py_ssize_t word
    u64 bits                 # those of the word that are still to come


cdef inline Ends first_ends(const Scan* s) noexcept nogil:
    cdef Ends walk
    walk.words = s.ends
    walk.word = 0
    walk.bits = s.ends[0]
    return walk


cdef inline Py_ssize_t next_end(Ends* walk) noexcept nogil:
    """The next end: at most `size`, which is the last. Not to be called after that."""
    cdef Py_ssize_t end
    while walk.bits == 0:
        walk.word += 1
        walk.bits = walk.words[walk.word]
    end = (walk.word << 6) + ctz64(walk.bits)
    walk.bits &= walk.bits - 1
    return end


cdef inline Py_ssize_t next_colon(const Scan* s, Py_ssize_t at, Py_ssize_t limit) noexcept nogil:
    """The first colon in [at, limit), or `limit` (at and limit are at most `size`)."""
    cdef Py_ssize_t word = at >> 6, found
    cdef u64 bits = s.colons[word] >> (at & 63)
    if likely(bits != 0):
        found = at + ctz64(bits)
        return found if found < limit else limit
    while True:
        word += 1
        if word << 6 >= limit:
            return limit
        bits = s.colons[word]
        if bits != 0:
            found = (word << 6) + ctz64(bits)
            return found if found < limit else limit
