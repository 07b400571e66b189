"""Blocks of any size within an arena. What is freed is joined with its free neighbours.

Series of one kind tend to grow at the same time, so what small blocks leave behind must serve as large ones: joined,
it does, and a growing population takes little more than its blocks of the day.

Each chunk of memory, free or not, starts with a `Block`; the next one follows. A free chunk's size stands in it, and
again in its last four bytes, so that the next finds its beginning; `after_free` says that there is one. A region ends
with a chunk of 16 bytes that is never free. Recovery needs nothing of this.
"""
from veneurpy.engine.native.compat cimport u8, u16, u32, u64

cdef enum:
    HEAP_BINS = 64                      # four for each power of two

# What follows the header of a block depends on its kind (blocks.pxd).
cdef struct Block:
    u32 capacity                        # of a free chunk: its size in units of 16 bytes
    u8 kind
    u8 size_class
    u16 used
    u16 size16                          # of a block in use
    u8 is_free
    u8 after_free
    u32 tail                            # offset of the first sample, from the block's start

cdef struct Heap:
    u64 lowest                          # offset where the newest region starts
    u64 filled                          # bit i: bin i is not empty
    u32 bins[HEAP_BINS]                 # lists of free chunks: offset / 16 of the first


cdef u64 heap_take(Heap* h, u8* base, u64 bytes_) noexcept nogil
cdef void heap_give(Heap* h, u8* base, Block* b) noexcept nogil
cdef void heap_add(Heap* h, u8* base, u64 at, u64 bytes_) noexcept nogil
cdef void heap_mark(u8* base, u64 at, u64 bytes_) noexcept nogil


cdef inline u64 heap_extra(const Heap* h, u64 end) noexcept nogil:
    """What a block that ends at `end` needs behind it: nothing where it lies before the newest region."""
    return 0 if end == h.lowest else 16
