# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Writing what a closed interval hands on to the next one."""
import os

cimport cython
from libc.string cimport memcpy
from veneurpy.engine.native.arena cimport (
    ARENA_CLOSED, ARENA_FREE, ENTRY_CANONICAL, GAUGE, Entry, arena_begin, arena_close, arena_committed, arena_open,
    arena_room_low, arena_weigh, entry_at, entry_bytes, entry_key, gauge_times,
)
from veneurpy.engine.native.compat cimport barrier, u8, u16
from veneurpy.engine.native.entries cimport entry_flags
from veneurpy.engine.native.hash cimport hash_mark, hash_pair
from veneurpy.engine.native.merge cimport Series
from veneurpy.engine.native.pair cimport counted
from veneurpy.engine.native.scope cimport GLOBAL, LOCAL
from veneurpy.engine.native.slice cimport Slice, cut, next_part
from veneurpy.engine.native.weight cimport carried_flush

cdef enum:
    LONGEST_KEY = 65_535                # bytes of a name, and of tags


cdef Slice _word(int scope) noexcept nogil:
    """The tag that says so."""
    if scope == LOCAL:
        return cut(<const u8*>b"veneurlocalonly", 15, 0, 15)
    if scope == GLOBAL:
        return cut(<const u8*>b"veneurglobalonly", 16, 0, 16)
    return cut(<const u8*>b"", 0, 0, 0)


cdef u64 _tags_size(const Series* s, Slice sinks) noexcept nogil:
    """With the words for scope and sinks, at the most: each sink is a tag of its own."""
    cdef u64 size = s.tags_len + 1 + <u64>_word(s.scope).size
    cdef Slice rest = sinks
    if sinks.size:
        while rest.size >= 0:
            size += 1 + 15 + <u64>next_part(&rest, c',').size
    return size


cdef u8* _append(u8* start, u8* at, const u8* prefix, u64 prefix_len, Slice tag) noexcept nogil:
    if at != start:
        at[0] = c','
        at += 1
    memcpy(at, prefix, prefix_len)
    at += prefix_len
    if tag.size:
        memcpy(at, tag.data, <size_t>tag.size)
    return at + tag.size


cdef u64 _write_tags(u8* start, const Series* s, Slice sinks) noexcept nogil:
    """Tags as a line would have them; returns their size."""
    cdef u8* at = start
    cdef Slice word = _word(s.scope)
    if s.tags_len:
        at = _append(start, at, s.tags, s.tags_len, cut(s.tags, 0, 0, 0))
    if word.size:
        at = _append(start, at, word.data, 0, word)
    if sinks.size:
        while sinks.size >= 0:
            at = _append(start, at, <const u8*>b"veneursinkonly:", 15, next_part(&sinks, c','))
    return <u64>(at - start)


cdef bint _carry_one(Arena* a, const Series* s, Slice sinks) noexcept nogil:
    """False when there is no room."""
    cdef u64 tags_len = _tags_size(s, sinks), size = entry_bytes(GAUGE, s.name_len, tags_len, False), bits
    cdef Entry* e = entry_at(a, a.header.lo_used)
    cdef u8* key
    if tags_len > LONGEST_KEY or size >> 4 > LONGEST_KEY or not arena_room_low(a, size):
        return False
    if not arena_weigh(a, carried_flush(&a.weights, s.name_len, tags_len, sinks.size != 0)):
        return False
    e.type = GAUGE
    e.name_len = s.name_len
    key = entry_key(e)
    memcpy(key, s.name, s.name_len)
    tags_len = _write_tags(key + s.name_len, s, sinks)
    e.tags_len = <u16>tags_len
    size = entry_bytes(GAUGE, s.name_len, tags_len, False)
    e.size16 = <u16>(size >> 4)
    e.flags = entry_flags(cut(key + s.name_len, <Py_ssize_t>tags_len, 0, <Py_ssize_t>tags_len), False)
    e.hash = hash_pair(&a.header.identity.key, key, s.name_len, key + s.name_len, <Py_ssize_t>tags_len)
    e.hash ^= hash_mark(&a.header.identity.key, GAUGE)
    memcpy(&bits, &s.value, 8)
    e.lo = bits
    e.hi = counted(bits, 1)
    gauge_times(e)[0] = 0
    gauge_times(e)[1] = s.gauge_ns
    a.header.lo_used += size
    a.header.entries[GAUGE] += 1
    a.header.irregular += e.flags & ENTRY_CANONICAL == 0
    return True


cdef u64 carry_gauges(Arena* out, const Merge* m, i64 oldest_ns) noexcept nogil:
    """Carries the gauges whose last sample is younger than that; returns how many found no room."""
    cdef u64 i, forgotten = 0
    cdef const Series* s
    cdef Slice sinks
    for i in range(m.count):
        s = &m.series[i]
        if s.type != GAUGE or not s.keeps or s.timestamp or s.gauge_ns <= oldest_ns:
            continue
        sinks = cut(s.tags, 0, 0, 0)
        if s.sinks and s.sinks <= m.sink_sets.count:
            sinks = m.sink_sets.strings[s.sinks - 1]
        forgotten += not _carry_one(out, s, sinks)
    barrier()
    out.header.state = ARENA_CLOSED
    return forgotten


cdef u64 carried_limit(u64 store_max_bytes) noexcept nogil:
    """The most that a carried arena and its flush take."""
    return max(store_max_bytes // CARRIED_SHARE, <u64>LEAST_CARRIED)


# The meter must be there when the memory goes, also in a cycle that is collected.
@cython.no_gc_clear
cdef class CarriedArena:
    def __cinit__(self, MemoryMeter meter, u64 size, u64 digest_bytes, int fd=-1, object path=None):
        self._meter = meter
        self._fd = fd
        self._path = path
        if arena_open(&self.arena, &meter.meter, fd, size, digest_bytes) != 0:
            raise MemoryError("no memory to carry gauges in")

    def __dealloc__(self):
        arena_close(&self.arena)

    cdef u64 begin(self, const ArenaName* name, const HashKey* key, const Weights* weights, u64 limit) except? 0:
        """Empty, and of no use to a successor before it is carried into. Returns the bytes that it takes."""
        self.arena.weights = weights[0]
        if arena_begin(&self.arena, limit, name, key) != 0:
            raise MemoryError("no memory to carry gauges in")
        self.arena.header.state = ARENA_FREE
        return arena_committed(&self.arena)

    cdef u64 weight(self):
        """What it takes, what its flush will, and what it will take to carry it on."""
        return 2 * arena_committed(&self.arena) + self.arena.flush_bytes

    cdef forget_file(self, bint leave):
        """Closes the arena's file; removes it unless a successor is to find it. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            if not leave:
                self._path.unlink(missing_ok=True)

    cdef discard(self):
        """Gives everything back. Idempotent."""
        cdef Arena gone = self.arena
        self.arena.base = NULL
        self.forget_file(False)
        # A large one takes its time, which is no other thread's.
        with nogil:
            arena_close(&gone)
