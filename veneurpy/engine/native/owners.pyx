# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""Hashing series and asking the table."""
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.hll cimport metrohash64
from veneurpy.engine.native.slice cimport Slice, cut, equal, find, next_part

from veneurpy.engine.owners import member_hashes, member_ranks, ring

cdef extern from *:
    """
    #include <stdint.h>
    static const char *const vnp_type_words[5] = {"counter", "gauge", "histogram", "set", "timer"};
    static const uint8_t vnp_type_sizes[5] = {7, 5, 9, 3, 5};

    /* CRC-32 (IEEE), half a byte at a time. */
    static uint32_t vnp_crc32(const uint8_t *p, size_t n) {
        static const uint32_t table[16] = {
            0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
            0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
        uint32_t crc = 0xffffffff;
        for (size_t i = 0; i < n; i++) {
            crc ^= p[i];
            crc = crc >> 4 ^ table[crc & 15];
            crc = crc >> 4 ^ table[crc & 15];
        }
        return ~crc;
    }
    """
    const char* TYPE_WORDS "vnp_type_words"[5]
    const u8 TYPE_SIZES "vnp_type_sizes"[5]
    u32 crc32 "vnp_crc32"(const u8*, size_t) noexcept nogil


cdef class CompiledOwners:
    def __cinit__(self, table, int shards=0):
        cdef Owners* o = &self.owners
        cdef bytes value
        cdef u32 i
        o.shards = <u32>shards
        if table is None:
            return
        o.n = len(table.members)
        o.n_ignored = len(table.ignore_tags)
        points = ring(table.members) if table.hash == "veneur" else ()
        o.n_points = len(points)
        o.hashes = <u64*>calloc(o.n + 1, sizeof(u64))
        o.ranks = <u32*>calloc(o.n + 1, sizeof(u32))
        o.ignored = <Matcher*>calloc(o.n_ignored + 1, sizeof(Matcher))
        if o.hashes == NULL or o.ranks == NULL or o.ignored == NULL:
            raise MemoryError
        for i in range(o.n):
            o.hashes[i] = member_hashes(table.members)[i]
            o.ranks[i] = member_ranks(table.members)[i]
        self._bytes = [matcher.value.encode() for matcher in table.ignore_tags]
        for i in range(o.n_ignored):
            value = self._bytes[i]
            o.ignored[i].value.data = <const u8*><const char*>value
            o.ignored[i].value.size = len(value)
            o.ignored[i].prefix = table.ignore_tags[i].kind == "prefix"
        if points:
            o.points = <RingPoint*>calloc(o.n_points, sizeof(RingPoint))
            if o.points == NULL:
                raise MemoryError
            for i in range(o.n_points):
                o.points[i].hash = points[i][0]
                o.points[i].member = points[i][1]

    def __dealloc__(self):
        free(self.owners.hashes)
        free(self.owners.ranks)
        free(self.owners.points)
        free(self.owners.ignored)
        free(self.owners.text)

    def owner(self, bytes name, int type_, bytes tags):
        """The index of the owner; the tags are sorted, distinct and joined by ','."""
        cdef int owner
        if not 0 <= type_ <= 4:
            raise ValueError(type_)
        owner = owner_of(&self.owners, cut(<const u8*><const char*>name, len(name), 0, len(name)), type_,
                         cut(<const u8*><const char*>tags, len(tags), 0, len(tags)))
        if owner < 0:
            raise MemoryError
        return owner


cdef inline bint _is_ignored(const Owners* o, Slice tag) noexcept nogil:
    cdef Slice key = cut(tag.data, tag.size, 0, find(tag, c':'))
    cdef Slice value
    cdef u32 i
    for i in range(o.n_ignored):
        value = o.ignored[i].value
        if o.ignored[i].prefix and key.size > value.size:
            if equal(cut(key.data, key.size, 0, value.size), value):
                return True
        elif equal(key, value):
            return True
    return False


cdef inline u8* _put_part(u8* at, const void* data, u32 size) noexcept nogil:
    memcpy(at, &size, 4)
    memcpy(at + 4, data, size)
    return at + 4 + size


cdef inline u64 _mixed(u64 x) noexcept nogil:
    """The finalizer of splitmix64."""
    x = (x ^ x >> 30) * <u64>0xBF58476D1CE4E5B9u
    x = (x ^ x >> 27) * <u64>0x94D049BB133111EBu
    return x ^ x >> 31


cdef u64 _series_hash(Owners* o, Slice name, int type_, Slice tags) noexcept nogil:
    cdef u8* at = _put_part(o.text, name.data, <u32>name.size)
    cdef Slice tag
    at = _put_part(at, TYPE_WORDS[type_], TYPE_SIZES[type_])
    while tags.size > 0:
        tag = next_part(&tags, c',')
        if not _is_ignored(o, tag):
            at = _put_part(at, tag.data, <u32>tag.size)
    return metrohash64(o.text, <size_t>(at - o.text))


cdef int _rendezvous(const Owners* o, u64 series) noexcept nogil:
    cdef u64 best = 0, score
    cdef u32 i, owner = 0
    for i in range(o.n):
        score = _mixed(series ^ o.hashes[i])
        if i == 0 or score > best or (score == best and o.ranks[i] < o.ranks[owner]):
            best = score
            owner = i
    return <int>owner


cdef int _ring(Owners* o, Slice name, int type_, Slice tags) noexcept nogil:
    cdef u8* at = o.text
    cdef u32 low = 0, high = o.n_points, middle, hash_
    cdef bint first = True
    cdef Slice tag
    memcpy(at, name.data, <size_t>name.size)
    at += name.size
    memcpy(at, TYPE_WORDS[type_], TYPE_SIZES[type_])
    at += TYPE_SIZES[type_]
    while tags.size > 0:
        tag = next_part(&tags, c',')
        if _is_ignored(o, tag):
            continue
        if not first:
            at[0] = c','
            at += 1
        first = False
        memcpy(at, tag.data, <size_t>tag.size)
        at += tag.size
    hash_ = crc32(o.text, <size_t>(at - o.text))
    while low < high:
        middle = (low + high) // 2
        if o.points[middle].hash > hash_:
            high = middle
        else:
            low = middle + 1
    return <int>o.points[low if low < o.n_points else 0].member


cdef int owner_of(Owners* o, Slice name, int type_, Slice tags) noexcept nogil:
    """The index of the owner, or -1 when there is no memory. `tags` are without sinks."""
    # A tag of one byte and its comma become five.
    cdef u64 need = <u64>name.size + 3 * <u64>tags.size + 64
    cdef void* p
    if need > o.room:
        p = realloc(o.text, 2 * need)
        if p == NULL:
            return -1
        o.text = <u8*>p
        o.room = 2 * need
    if o.points != NULL:
        return _ring(o, name, type_, tags)
    if o.shards:
        return <int>(_series_hash(o, name, type_, tags) % o.shards)
    return _rendezvous(o, _series_hash(o, name, type_, tags))
