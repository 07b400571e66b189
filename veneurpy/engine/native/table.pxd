"""Open addressing over arena offsets.

A slot is 8 bytes: the upper 32 bits of the spelling's hash over the entry's offset / 16 (so an arena may have 64 GiB);
0 is empty. A slot's home is the top `bits` of those 32, so a table is moved to a larger one without touching an entry.

Growing never stops the reader: the next table is zeroed a piece at a time (`next`), then the slots are moved a piece
at a time (`old`), while look-ups try the current table first and the old one after it.
"""
from veneurpy.engine.native.compat cimport u32, u64

cdef enum:
    LARGE_TABLE_BITS = 17               # a megabyte


cdef struct Table:
    u64* slots
    u64* next                # being zeroed, or NULL
    u64* old                 # being emptied, or NULL
    u64 count                # entries in slots and old together
    u64 zeroed               # slots of next that are zero already
    u64 swept                # slots of old that have moved already
    u32 bits
    u32 next_bits
    u32 old_bits
    bint stuck               # no memory for a larger table: fill this one


cdef inline u64 table_home(u64 hash_, u32 bits) noexcept nogil:
    return hash_ >> (64 - bits)


cdef inline void table_put(u64* slots, u32 bits, u64 slot) noexcept nogil:
    """Writes a slot into a table that has a free one."""
    cdef u64 mask = (<u64>1 << bits) - 1
    cdef u64 i = table_home(slot, bits)
    while slots[i] != 0:
        i = (i + 1) & mask
    slots[i] = slot


cdef inline u64 slot_of(u64 hash_, u64 offset) noexcept nogil:
    return (hash_ >> 32 << 32) | (offset >> 4)


cdef inline u64 slot_offset(u64 slot) noexcept nogil:
    return <u64><u32>slot << 4


cdef inline u64 table_room(u32 bits) noexcept nogil:
    """How many entries a table that can grow may hold: half of a small one, so that searches are short.

    Of a large one it is three quarters: it is not in the caches, where fewer bytes count for more than the slots that
    are looked at, which lie side by side.
    """
    return <u64>1 << (bits - 1) if bits < LARGE_TABLE_BITS else <u64>3 << (bits - 2)


cdef inline u64 table_limit(const Table* t) noexcept nogil:
    """How many entries the current table may hold: seven eighths when it cannot grow."""
    return <u64>7 << (t.bits - 3) if t.stuck else table_room(t.bits)
