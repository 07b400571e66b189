"""As much of protocol buffers as a batch needs: fields of a message one by one, and writing them.

Reading is bounds-checked at every step and never recurses: a field of bytes is a Slice, to be read in its turn.
"""
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.slice cimport Slice

cdef enum:
    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5
    LAST_FIELD = (1 << 29) - 1

cdef enum:
    PB_END = 0
    PB_FIELD = 1
    PB_MALFORMED = -1

cdef struct Field:
    u32 key                             # number << 3 | wire type
    u64 number                          # of VARINT and FIXED64, as it came
    Slice data                          # of BYTES


cdef inline bint pb_varint(Slice* rest, u64* out) noexcept nogil:
    """Takes a number of up to 64 bits off `rest`; False when there is none."""
    cdef u64 value = 0, byte
    cdef Py_ssize_t i
    if rest.size and rest.data[0] < 0x80:
        out[0] = rest.data[0]
        rest.data += 1
        rest.size -= 1
        return True
    for i in range(10 if rest.size > 10 else rest.size):
        byte = rest.data[i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if i == 9 and byte > 1:
                return False
            rest.data += i + 1
            rest.size -= i + 1
            out[0] = value
            return True
    return False


cdef inline int pb_next(Slice* rest, Field* f) noexcept nogil:
    """Takes the next field off a message: PB_FIELD, PB_END or PB_MALFORMED."""
    cdef u64 tag, size
    if rest.size == 0:
        return PB_END
    if not pb_varint(rest, &tag) or tag >> 3 == 0 or tag >> 3 > LAST_FIELD:
        return PB_MALFORMED
    f.key = <u32>tag
    tag &= 7
    if tag == VARINT:
        return PB_FIELD if pb_varint(rest, &f.number) else PB_MALFORMED
    if tag == BYTES:
        if not pb_varint(rest, &size):
            return PB_MALFORMED
    elif tag == FIXED64:
        size = 8
    elif tag == FIXED32:
        size = 4
    else:
        return PB_MALFORMED
    if size > <u64>rest.size:
        return PB_MALFORMED
    f.data.data = rest.data
    f.data.size = <Py_ssize_t>size
    if tag == FIXED64:
        memcpy(&f.number, rest.data, 8)
    rest.data += size
    rest.size -= <Py_ssize_t>size
    return PB_FIELD


cdef inline double pb_double(const Field* f) noexcept nogil:
    cdef double value
    memcpy(&value, &f.number, 8)
    return value


# Writing: into memory that is known to be large enough; returns where to go on.

cdef inline Py_ssize_t varint_size(u64 value) noexcept nogil:
    cdef Py_ssize_t n = 1
    while value > 0x7F:
        value >>= 7
        n += 1
    return n


cdef inline u8* put_varint(u8* at, u64 value) noexcept nogil:
    while value > 0x7F:
        at[0] = <u8>(value | 0x80)
        value >>= 7
        at += 1
    at[0] = <u8>value
    return at + 1


cdef inline u8* put_bytes(u8* at, Slice s) noexcept nogil:
    if s.size:
        memcpy(at, s.data, <size_t>s.size)
    return at + s.size


cdef inline u8* put_field(u8* at, u32 number, Slice s) noexcept nogil:
    """A field of bytes, also where it is empty."""
    at = put_varint(at, <u64>number << 3 | BYTES)
    return put_bytes(put_varint(at, <u64>s.size), s)


cdef inline u8* put_number(u8* at, u32 number, u64 value) noexcept nogil:
    """Nothing for 0, which is what a missing field means."""
    if value == 0:
        return at
    return put_varint(put_varint(at, <u64>number << 3 | VARINT), value)


cdef inline u8* put_fixed(u8* at, u32 number, const void* value) noexcept nogil:
    """Eight bytes as they are."""
    at = put_varint(at, <u64>number << 3 | FIXED64)
    memcpy(at, value, 8)
    return at + 8


cdef inline u8* put_double(u8* at, u32 number, double value) noexcept nogil:
    """Nothing for 0."""
    return at if value == 0 else put_fixed(at, number, &value)
