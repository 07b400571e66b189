"""Finding a spelling in the table of an arena."""
from veneurpy.engine.native.arena cimport ENTRY_TIMESTAMP, Arena, Entry, entry_at, entry_key
from veneurpy.engine.native.compat cimport likely, u8, u32, u64, unlikely
from veneurpy.engine.native.slice cimport same_bytes
from veneurpy.engine.native.store cimport Item
from veneurpy.engine.native.table cimport slot_offset, table_home


cdef inline bint is_spelling(Entry* e, const Item* it) noexcept nogil:
    cdef u8* key
    if e.name_len != it.name_len or e.tags_len != it.tags_len or e.type != it.type:
        return False
    if ((e.flags & ENTRY_TIMESTAMP) != 0) != (it.has_timestamp != 0):
        return False
    key = entry_key(e)
    if not same_bytes(key, it.name, it.name_len):
        return False
    key += it.name_len
    if it.tags_len and not same_bytes(key, it.tags, it.tags_len):
        return False
    return not it.has_timestamp or same_bytes(key + it.tags_len, <const u8*>&it.timestamp, 8)


cdef inline Entry* _find_in(const Arena* a, const u64* slots, u32 bits, const Item* it) noexcept nogil:
    cdef u64 mask = (<u64>1 << bits) - 1
    cdef u64 i = table_home(it.hash, bits)
    cdef u64 slot = slots[i]
    cdef Entry* e
    while slot != 0:
        if slot >> 32 == it.hash >> 32:
            e = entry_at(a, slot_offset(slot))
            if likely(e.hash == it.hash and is_spelling(e, it)):
                return e
        i = (i + 1) & mask
        slot = slots[i]
    return NULL


cdef inline Entry* find_spelling(const Arena* a, const Item* it) noexcept nogil:
    cdef Entry* e = _find_in(a, a.table.slots, a.table.bits, it)
    if unlikely(e == NULL and a.table.old != NULL):
        e = _find_in(a, a.table.old, a.table.old_bits, it)
    return e


cdef inline Entry* probable_entry(const Arena* a, u64 hash_) noexcept nogil:
    """The entry that the current table leads to, which was not looked at: `confirmed` tells whether it is the one."""
    cdef const u64* slots = a.table.slots
    cdef u64 mask = (<u64>1 << a.table.bits) - 1
    cdef u64 i = table_home(hash_, a.table.bits)
    while slots[i] != 0:
        if slots[i] >> 32 == hash_ >> 32:
            return entry_at(a, slot_offset(slots[i]))
        i = (i + 1) & mask
    return NULL


cdef inline Entry* confirmed(const Arena* a, Entry* probable, const Item* it) noexcept nogil:
    """What `find_spelling` returns, its first steps done by `probable_entry`."""
    if likely(probable != NULL and probable.hash == it.hash and is_spelling(probable, it)):
        return probable
    if probable == NULL and a.table.old == NULL:
        return NULL
    return find_spelling(a, it)
