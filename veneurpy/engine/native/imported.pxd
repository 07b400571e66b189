"""What an entry of an import store has beside an arena's: it ends with a tail, a histogram's also with its totals.

    | Entry | key | padding | Totals of all | Totals of the direct ones | Tail |
"""
from veneurpy.engine.native.arena cimport Arena, Entry, HISTOGRAM, TIMER
from veneurpy.engine.native.blocks cimport Totals
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.slice cimport Slice

cdef enum:
    IMPORTED_DIGESTED = 1               # centroids that are no samples came in
    IMPORTED_COARSE = 2                 # a set: the hashes stand for keys (hllwire.pxd)
    IMPORTED_VALUE = 4                  # a gauge has a value

cdef struct Tail:
    u32 touched                         # the store's epoch when it was last merged into
    u32 sender                          # of a gauge: offset / 16 of a Sender, or 0
    u32 flags
    u32 unused

# The bytes follow.
cdef struct Sender:
    u64 size


cdef inline bint has_totals(int type_) noexcept nogil:
    return type_ == HISTOGRAM or type_ == TIMER


cdef inline u64 tail_bytes(int type_) noexcept nogil:
    return sizeof(Tail) + (2 * sizeof(Totals) if has_totals(type_) else 0)


cdef inline Tail* entry_tail(const Entry* e) noexcept nogil:
    return <Tail*>(<u8*>e + (<u64>e.size16 << 4) - sizeof(Tail))


cdef inline Totals* entry_totals(const Entry* e) noexcept nogil:
    """Of all samples; those of the direct ones follow."""
    return <Totals*>(<u8*>entry_tail(e) - 2 * sizeof(Totals))


cdef inline Slice sender_of(const Arena* a, const Entry* e) noexcept nogil:
    """Who wrote a gauge."""
    cdef u64 at = <u64>entry_tail(e).sender << 4
    cdef Slice out
    out.data = a.base + at + sizeof(Sender)
    out.size = <Py_ssize_t>(<Sender*>(a.base + at)).size if at else 0
    return out


cdef inline void totals_join(Totals* into, const Totals* t) noexcept nogil:
    """Adds the samples of others."""
    into.samples += t.samples
    into.weight += t.weight
    into.sum += t.sum
    into.reciprocal += t.reciprocal
    into.zeros += t.zeros
    into.low = t.low if t.low < into.low else into.low
    into.high = t.high if t.high > into.high else into.high
