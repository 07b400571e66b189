# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The last datagrams of a reader (see ring.pxd for the picture)."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport (
    Batch, batch_cut, batch_data, batch_len, copy_line, fence, i64, likely, load_acquire, map_memory, munmap,
    store_release, u8, u32, u64,
)
from veneurpy.engine.native.meter cimport Meter, meter_count

cdef enum:
    LF = 10
    HEAD = sizeof(i64) + 2 * sizeof(u32)
    LENGTH = sizeof(u32)
    PAGE = 4096
    READ_AT_ONCE = 1 << 20

cdef struct BlockHead:
    i64 now_ns
    u32 bytes_
    u32 count


cdef bint ring_open(Ring* r, Meter* meter, u64 size) noexcept nogil:
    """Of `size` bytes, whole pages; of 0 it keeps nothing. False when there is no address space.

    Memory comes behind it as it is written for the first time.
    """
    r.base = NULL
    r.size = size // PAGE * PAGE
    r.tail = r.head = r.lap = 0
    if r.size == 0:
        return True
    r.base = <u8*>map_memory(r.size)
    if r.base == NULL:
        return False
    meter_count(meter, <i64>r.size)
    return True


cdef void ring_close(Ring* r, Meter* meter) noexcept nogil:
    if r.base != NULL:
        munmap(r.base, r.size)
        meter_count(meter, -<i64>r.size)
        r.base = NULL


cdef inline u64 _put(Ring* r, u64 offset, const void* source, u64 n) noexcept nogil:
    """Copies to an offset within the ring; returns the offset after it."""
    cdef u64 first = r.size - offset
    if likely(n < first):
        copy_line(r.base + offset, source, n)
        return offset + n
    memcpy(r.base + offset, source, first)
    memcpy(r.base, <const u8*>source + first, n - first)
    return n - first


cdef void _get(const Ring* r, u64 offset, u8* out, u64 n) noexcept nogil:
    cdef u64 first = r.size - offset
    if n <= first:
        memcpy(out, r.base + offset, n)
        return
    memcpy(out, r.base + offset, first)
    memcpy(out + first, r.base, n - first)


cdef inline u64 _block_bytes(u64 content) noexcept nogil:
    return (HEAD + content + 7) & ~<u64>7


cdef u64 _begin(Ring* r, i64 now_ns, u32 count, u64 bytes_) noexcept nogil:
    """Makes room for a block and writes its head; returns the offset after it."""
    cdef BlockHead head
    cdef u64 tail = r.tail
    while r.head + bytes_ - tail > r.size:
        _get(r, tail - r.lap if tail >= r.lap else tail + r.size - r.lap, <u8*>&head, HEAD)
        tail += head.bytes_
    if tail != r.tail:
        store_release(&r.tail, tail)
        # A reader that sees a byte of what follows must see the tail too.
        fence()
    head.now_ns = now_ns
    head.bytes_ = <u32>bytes_
    head.count = count
    return _put(r, r.head - r.lap, &head, HEAD)


cdef inline void _end(Ring* r, u64 bytes_) noexcept nogil:
    """Shows the block. To divide by the size takes a part of a datagram's time that shows."""
    store_release(&r.head, r.head + bytes_)
    if r.head - r.lap >= r.size:
        r.lap += r.size


cdef inline u64 _whole(const u8* data, u64 size, bint is_cut) noexcept nogil:
    """The bytes of it that count: of one that was cut, its complete lines."""
    if is_cut:
        while size > 0 and data[size - 1] != LF:
            size -= 1
    return size


cdef inline u64 _put_datagram(Ring* r, u64 offset, const u8* data, u32 size) noexcept nogil:
    return _put(r, _put(r, offset, &size, LENGTH), data, size)


cdef void ring_take(Ring* r, const u8* data, u64 size, bint is_cut, i64 now_ns) noexcept nogil:
    """Keeps one datagram, if it is not larger than a quarter of the ring."""
    cdef u64 offset, bytes_
    if r.base == NULL:
        return
    size = _whole(data, size, is_cut)
    bytes_ = _block_bytes(LENGTH + size)
    if bytes_ > r.size // 4:
        return
    offset = _begin(r, now_ns, 1, bytes_)
    _put_datagram(r, offset, data, <u32>size)
    _end(r, bytes_)


cdef void ring_take_batch(Ring* r, const Batch* batch, int n, i64 now_ns) noexcept nogil:
    """Keeps the first n datagrams of a batch, in blocks of at most a quarter of the ring."""
    cdef u32 sizes[64]
    cdef u64 content, most = r.size // 4
    cdef u64 offset
    cdef int i = 0, first, j
    if r.base == NULL or n > <int>(sizeof(sizes) // sizeof(u32)):
        return
    while i < n:
        first, content = i, 0
        while i < n:
            sizes[i] = <u32>_whole(batch_data(batch, i), batch_len(batch, i), batch_cut(batch, i))
            if _block_bytes(content + LENGTH + sizes[i]) > most:
                break
            content += LENGTH + sizes[i]
            i += 1
        if i == first:
            i += 1
            continue
        offset = _begin(r, now_ns, <u32>(i - first), _block_bytes(content))
        for j in range(first, i):
            offset = _put_datagram(r, offset, batch_data(batch, j), sizes[j])
        _end(r, _block_bytes(content))


cdef u64 _copy(Ring* r, u64* start, u8* out, u64 most) noexcept nogil:
    """Copies from `start` on; returns the bytes, and in `start` where what is good of them begins."""
    cdef u64 n = load_acquire(&r.head) - start[0]
    cdef u64 tail
    if n > most:
        n = most
    # The writer may have gone round since the tail was read: what it overwrote is left out below.
    if n > r.size:
        n = r.size
    _get(r, start[0] % r.size, out, n)
    fence()
    tail = load_acquire(&r.tail)
    if tail > start[0]:
        start[0] = tail
    return n


cdef u64 _read_block(const u8* data, u64 left, list out) except? 0:
    """Adds the datagrams of the block at `data`; returns its bytes, 0 if it is not all there."""
    cdef BlockHead head
    cdef u64 at = HEAD
    cdef u32 size
    if left < HEAD:
        return 0
    memcpy(&head, data, HEAD)
    if head.bytes_ < HEAD or head.bytes_ > left:
        return 0
    for _ in range(head.count):
        if at + LENGTH > head.bytes_:
            break
        memcpy(&size, data + at, LENGTH)
        at += LENGTH
        if size > head.bytes_ - at:
            break
        out.append((head.now_ns, PyBytes_FromStringAndSize(<const char*>data + at, size)))
        at += size
    return head.bytes_


cdef tuple ring_read(Ring* r, i64 mark):
    """Datagrams from a mark on (below 0: from the oldest), the next mark, and the bytes overwritten in between."""
    cdef list out = []
    cdef u64 tail = load_acquire(&r.tail), most = READ_AT_ONCE
    cdef u64 begin = tail if mark < 0 or <u64>mark < tail else <u64>mark
    cdef u64 start = begin, n, at, taken
    cdef i64 missed = 0 if mark < 0 else <i64>begin - mark
    cdef u8* copy
    if r.base == NULL or start >= load_acquire(&r.head):
        return out, <i64>start, missed
    if most < r.size // 4:
        most = r.size // 4
    copy = <u8*>malloc(most)
    if copy == NULL:
        raise MemoryError
    try:
        with nogil:
            n = _copy(r, &start, copy, most)
        missed += <i64>(start - begin)
        at = start - begin
        while at < n:
            taken = _read_block(copy + at, n - at, out)
            if taken == 0:
                break
            at += taken
        return out, <i64>(begin + at), missed
    finally:
        free(copy)
