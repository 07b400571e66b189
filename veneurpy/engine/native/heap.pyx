# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Free chunks in bins by size, the neighbours found by marks at the chunks' ends."""
from veneurpy.engine.native.compat cimport clz64, ctz64, u8, u16, u32, u64

cdef enum:
    LEAST_UNITS = 2                     # a free chunk has its links behind its header
    LAST_BIN = HEAP_BINS - 1

cdef struct Links:
    u32 next
    u32 previous


cdef inline Block* _chunk(u8* base, u32 reference) noexcept nogil:
    return <Block*>(base + (<u64>reference << 4))


cdef inline Links* _links(Block* b) noexcept nogil:
    return <Links*>(<u8*>b + sizeof(Block))


cdef inline u32 _reference(const u8* base, const Block* b) noexcept nogil:
    return <u32>(<u64>(<const u8*>b - base) >> 4)


cdef inline Block* _after(Block* b, u32 units) noexcept nogil:
    return <Block*>(<u8*>b + (<u64>units << 4))


cdef inline u32* _end_mark(Block* b, u32 units) noexcept nogil:
    return <u32*>(<u8*>_after(b, units) - 4)


cdef inline int _bin_of(u32 units) noexcept nogil:
    """The bin that a free chunk of this size lies in."""
    cdef int e, bin_
    if units < 8:
        return <int>units
    e = 63 - clz64(units)
    bin_ = 4 * (e - 1) + <int>(units >> (e - 2) & 3)
    return bin_ if bin_ < LAST_BIN else LAST_BIN


cdef void _put(Heap* h, u8* base, Block* b, u32 units) noexcept nogil:
    """Makes a free chunk of memory whose neighbours are in use."""
    cdef int bin_ = _bin_of(units)
    cdef u32 reference = _reference(base, b), first = h.bins[bin_]
    b.is_free = 1
    b.after_free = 0
    b.capacity = units
    _end_mark(b, units)[0] = units
    _after(b, units).after_free = 1
    _links(b).next = first
    _links(b).previous = 0
    if first:
        _links(_chunk(base, first)).previous = reference
    h.bins[bin_] = reference
    h.filled |= <u64>1 << bin_


cdef void _remove(Heap* h, u8* base, Block* b) noexcept nogil:
    """Takes a free chunk off its list."""
    cdef Links* links = _links(b)
    cdef int bin_ = _bin_of(b.capacity)
    if links.next:
        _links(_chunk(base, links.next)).previous = links.previous
    if links.previous:
        _links(_chunk(base, links.previous)).next = links.next
        return
    h.bins[bin_] = links.next
    if links.next == 0:
        h.filled &= ~(<u64>1 << bin_)


cdef Block* _find(Heap* h, u8* base, u32 units) noexcept nogil:
    """A free chunk of that size or more, off its list; NULL when there is none, or none is found at once."""
    cdef int bin_ = _bin_of(units)
    cdef Block* b = _chunk(base, h.bins[bin_]) if h.bins[bin_] else NULL
    cdef u64 larger
    if b == NULL or b.capacity < units:
        # In the bins above, whichever comes first is large enough.
        larger = h.filled & ~((<u64>2 << bin_) - 1) if bin_ < LAST_BIN else 0
        if larger == 0:
            return NULL
        b = _chunk(base, h.bins[ctz64(larger)])
    _remove(h, base, b)
    return b


cdef u64 heap_take(Heap* h, u8* base, u64 bytes_) noexcept nogil:
    """The offset of a block of so many bytes, a multiple of 16; 0 when no free chunk is that large."""
    cdef u32 units = <u32>(bytes_ >> 4), rest
    cdef Block* b = _find(h, base, units)
    if b == NULL:
        return 0
    rest = b.capacity - units
    if rest < LEAST_UNITS:
        units += rest
    else:
        # What remains is before the block, as the arena grows downwards: series that grow in the order in which they
        # came free what lies before it next.
        _put(h, base, b, rest)
        b = _after(b, rest)
    b.is_free = 0
    b.size16 = <u16>units
    _after(b, units).after_free = 0
    return <u64>(<u8*>b - base)


cdef void heap_give(Heap* h, u8* base, Block* b) noexcept nogil:
    """Frees a block that nothing refers to any more."""
    cdef u32 units = b.size16
    cdef Block* neighbour = _after(b, units)
    if neighbour.is_free:
        _remove(h, base, neighbour)
        units += neighbour.capacity
    if b.after_free:
        neighbour = <Block*>(<u8*>b - (<u64>(<u32*>b - 1)[0] << 4))
        _remove(h, base, neighbour)
        units += neighbour.capacity
        b = neighbour
    _put(h, base, b, units)


cdef void heap_mark(u8* base, u64 at, u64 bytes_) noexcept nogil:
    """Makes a block in use of new memory; what lies before it is no chunk."""
    cdef Block* b = <Block*>(base + at)
    b.is_free = 0
    b.after_free = 0
    b.size16 = <u16>(bytes_ >> 4)


cdef void heap_add(Heap* h, u8* base, u64 at, u64 bytes_) noexcept nogil:
    """Adds a region, a multiple of 16 bytes, as one free chunk and its end."""
    if bytes_ < 16 * (LEAST_UNITS + 1):
        return
    heap_mark(base, at + bytes_ - 16, 16)
    _put(h, base, <Block*>(base + at), <u32>(bytes_ - 16 >> 4))
