"""Is it text: valid UTF-8 (RFC 3629) without the control characters U+0000-001F and U+007F."""
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport u8, u32, u64

cdef enum:
    WORD = 8


cdef inline int _sequence(const u8* p, Py_ssize_t n) noexcept nogil:
    """Length of the well-formed multi-byte sequence at p, or 0."""
    cdef u8 b = p[0]
    cdef u32 low = 0x80, high = 0xBF
    cdef int size, i
    if 0xC2 <= b <= 0xDF:
        size = 2
    elif 0xE0 <= b <= 0xEF:
        size = 3
        if b == 0xE0:
            low = 0xA0          # no overlong forms
        elif b == 0xED:
            high = 0x9F         # no surrogates
    elif 0xF0 <= b <= 0xF4:
        size = 4
        if b == 0xF0:
            low = 0x90
        elif b == 0xF4:
            high = 0x8F         # nothing beyond U+10FFFF
    else:
        return 0
    if n < size or p[1] < low or p[1] > high:
        return 0
    for i in range(2, size):
        if p[i] < 0x80 or p[i] > 0xBF:
            return 0
    return size


cdef inline bint _is_plain(const u8* p) noexcept nogil:
    """Are 8 bytes all printable ASCII: none has the high bit, nor gets it by adding 1 or by taking 0x20 off."""
    cdef u64 ones = 0x0101010101010101u, text
    memcpy(&text, p, WORD)
    return (text | (text + ones) | (text - 0x20 * ones)) & (0x80 * ones) == 0


cdef inline bint is_text(const u8* p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0
    cdef int step
    while i + WORD <= n and _is_plain(p + i):
        i += WORD
    if WORD <= n < i + WORD and _is_plain(p + n - WORD):
        return True
    while i < n:
        if p[i] < 0x80:
            if p[i] < 0x20 or p[i] == 0x7F:
                return False
            i += 1
        else:
            step = _sequence(p + i, n - i)
            if step == 0:
                return False
            i += step
    return True
