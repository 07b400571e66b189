"""How many spellings each metric name has in the open interval: an open-addressing table in the arena.

It is looked at only when a spelling is new, and need not outlive the process. It holds a bounded number of names: one
that comes when it is full has no budget.
"""
from veneurpy.engine.native.compat cimport u32, u64

cdef struct Name:
    u32 mark                            # upper half of the name's hash
    u32 entry                           # offset / 16 of its first entry, which has its bytes; 0: an empty slot
    u32 spellings
    u32 watch                           # reference of its Watch, or 0

cdef struct Names:
    Name* slots                         # NULL: there was no memory for a table
    u64 count
    u64 watch_bytes                     # what the watches take
    u64 most_watch_bytes
    u32 bits
    u32 last_bits
    u32 watches                         # how many there are
    u32 newest_watch                    # reference, or 0


cdef inline u32 name_home(const Names* t, u64 hash_) noexcept nogil:
    """The slot where the search for a name begins."""
    return <u32>(hash_ >> 32) >> (32 - t.bits)


cdef inline u64 names_wanted(const Names* t) noexcept nogil:
    """What the next table takes, when it will be needed within milliseconds; else 0."""
    cdef u64 size = <u64>1 << t.bits
    if t.slots == NULL or t.bits >= t.last_bits or t.count < size // 128 * 63:
        return 0
    return 2 * size * sizeof(Name)
