"""Changes of gauges (plain StatsD's signed values): a log in the arena, resolved at the merge.

A change counts where it comes after the gauge's last write, by (time, reader); without a write, all of them count.
Readers do not know what others wrote, so a change is kept with its time until all readers are merged.

The record is written whole and linked; then the gauge's count, in its pair, makes it one that counts. So a change is
there as a whole or not at all, whenever the process dies.
"""
from libc.string cimport memcpy
from veneurpy.engine.native.arena cimport Arena, Entry, gauge_times
from veneurpy.engine.native.compat cimport barrier, i64, store_pair, u8, u64, unlikely
from veneurpy.engine.native.merge cimport Merge
from veneurpy.engine.native.pair cimport counted, pair_count
from veneurpy.engine.native.scan cimport Scan
from veneurpy.engine.native.store cimport Group, Item, Store


cdef inline void _gauge_write(Store* s, Entry* e, const double* value, u64 n, i64 now_ns) noexcept nogil:
    """The last of an odd number of values. Its time goes to the place that the new count's last bit names, which is not
    that of the value before: the pair publishes both.
    """
    cdef u64 count = pair_count(e.hi) + n
    cdef u64 bits
    s.last_gauge_ns = (now_ns if now_ns > s.last_gauge_ns else s.last_gauge_ns + 1) + <i64>n - 1
    gauge_times(e)[count & 1] = s.last_gauge_ns
    memcpy(&bits, value, 8)
    barrier()
    store_pair(&e.lo, bits, counted(bits, count))


cdef inline void gauge_set(Store* s, Entry* e, const Item* it, const double* values, i64 now_ns) noexcept nogil:
    """The last of the values, as if they came one after the other."""
    cdef u64 odd = it.n - 1 + (it.n & 1)
    _gauge_write(s, e, &values[odd - 1], odd, now_ns)
    if unlikely(odd < it.n):
        _gauge_write(s, e, &values[odd], 1, now_ns)


# Called from the hot path where signs mean something, and apart from it so that it stays as small as it is.
cdef void changes_take(Group* g, Item* it, const Scan* marks, char* scratch, const u8* data, Py_ssize_t at,
                       Py_ssize_t end) noexcept nogil
cdef void gauge_change(Store* s, Entry* e, const Item* it, const double* values, i64 now_ns) noexcept nogil
cdef void change_note(Entry* e, u64 series) noexcept nogil
cdef void changes_apply(Merge* m, const Arena* a, int reader) noexcept nogil
cdef void changes_date(Merge* m, const Arena* a) noexcept nogil
cdef bint changes_salvage(Arena* a) noexcept nogil
