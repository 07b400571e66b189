"""A span of bytes. Beside scan.pxd the only way bytes from a client are addressed: length before pointer, no NUL."""
from libc.string cimport memcmp, memcpy
from veneurpy.engine.native.compat cimport byte_in8, equal16, u8, u64


cdef struct Slice:
    const u8* data
    Py_ssize_t size


cdef inline Slice cut(const u8* data, Py_ssize_t size, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """data[start:end], empty where the bounds are not 0 <= start <= end <= size."""
    cdef Slice out
    if start < 0 or end > size or start >= end:
        out.data = data
        out.size = 0
    else:
        out.data = data + start
        out.size = end - start
    return out


cdef inline int compare(Slice a, Slice b) noexcept nogil:
    """Bytewise order: negative, 0 or positive."""
    cdef Py_ssize_t n = a.size if a.size < b.size else b.size
    cdef int order = 0
    if n:
        # Tags mostly differ in their first byte.
        order = <int>a.data[0] - <int>b.data[0] if a.data[0] != b.data[0] else memcmp(a.data, b.data, <size_t>n)
    if order != 0:
        return order
    return (a.size > b.size) - (a.size < b.size)


cdef inline bint equal(Slice a, Slice b) noexcept nogil:
    return a.size == b.size and (a.size == 0 or memcmp(a.data, b.data, <size_t>a.size) == 0)


cdef inline bint same_bytes(const u8* a, const u8* b, Py_ssize_t n) noexcept nogil:
    """Are n bytes equal. Keys are short: a call of memcmp would cost more than the comparison.

    The last step reads the last bytes again rather than one after the end.
    """
    cdef u64 x, y, x2, y2
    cdef Py_ssize_t i = 0
    if n >= 16:
        while i + 16 < n:
            if not equal16(a + i, b + i):
                return False
            i += 16
        return equal16(a + n - 16, b + n - 16)
    if n >= 8:
        memcpy(&x, a, 8)
        memcpy(&y, b, 8)
        memcpy(&x2, a + n - 8, 8)
        memcpy(&y2, b + n - 8, 8)
        return x == y and x2 == y2
    for i in range(n):
        if a[i] != b[i]:
            return False
    return True


cdef inline Py_ssize_t find(Slice s, u8 byte) noexcept nogil:
    """Index of the first such byte, or the size."""
    cdef Py_ssize_t i = 0
    cdef int found
    while i + 8 <= s.size:
        found = byte_in8(s.data + i, byte)
        i += found
        if found < 8:
            return i
    while i < s.size and s.data[i] != byte:
        i += 1
    return i


cdef inline Slice next_part(Slice* rest, u8 separator) noexcept nogil:
    """Takes the bytes up to the separator off `rest`, and the separator with them. `rest.size` is -1 after the last."""
    cdef Py_ssize_t i = find(rest[0], separator)
    cdef Slice part
    part.data = rest.data
    part.size = i
    if i == rest.size:
        rest.size = -1
    else:
        rest.data += i + 1
        rest.size -= i + 1
    return part


cdef inline void sort_slices(Slice* s, Py_ssize_t n) noexcept nogil:
    """Heap sort: tags come from clients, so no input may be slow."""
    cdef Py_ssize_t start = n // 2, end = n, root, child
    cdef Slice top
    while end > 1:
        if start > 0:
            start -= 1
        else:
            end -= 1
            top = s[end]
            s[end] = s[0]
            s[0] = top
        root = start
        top = s[root]
        child = 2 * root + 1
        while child < end:
            if child + 1 < end and compare(s[child], s[child + 1]) < 0:
                child += 1
            if compare(top, s[child]) >= 0:
                break
            s[root] = s[child]
            root = child
            child = 2 * root + 1
        s[root] = top
