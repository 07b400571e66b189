"""Changes of gauges (plain StatsD's signed values): a log in the arena, resolved at the merge.

A change counts where it comes after the gauge's last write, by (time, reader); without a write, all of them count.
Readers do not know what others wrote, so a change is kept with its time until all readers are merged.

The record is written whole and linked; then the gauge's count, in its pair, makes it one that counts. So a change is
there as a whole or not at all, whenever the process dies.
"""
from veneurpy.engine.native.arena cimport Arena, Entry
from veneurpy.engine.native.compat cimport i64, u64
from veneurpy.engine.native.merge cimport Merge


cdef int change_keep(Arena* a, Entry* e, double value, i64 time_ns, u64 most_bytes) noexcept nogil
cdef void change_note(Entry* e, u64 series) noexcept nogil
cdef void changes_apply(Merge* m, const Arena* a, int reader) noexcept nogil
cdef void changes_date(Merge* m, const Arena* a) noexcept nogil
cdef bint changes_salvage(Arena* a) noexcept nogil
