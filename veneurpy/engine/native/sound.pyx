# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Every length and reference is checked before it is followed."""
from libc.math cimport fabs, isfinite
from libc.string cimport memcpy
from veneurpy.engine.native.arena cimport (
    BLOCK_CLASSES, COUNTER, DIGEST_CLASS, ENTRY_CHANGED, ENTRY_TIMESTAMP, FIRST_SET_CLASS, GAUGE, SCOPE_MASK,
    SERIES_TYPES, SET, class_bytes, entry_at, entry_bytes, entry_key, gauge_times,
)
from veneurpy.engine.native.blocks cimport (
    DENSE, DIGEST, DIGEST_WEIGHTED, EXACT, RAW, WEIGHTED, Totals, block_centroids, block_pairs, block_slots,
    block_totals, block_values, digest_overhead, word_block, word_length,
)
from veneurpy.engine.native.compat cimport i64, u8, u32
from veneurpy.engine.native.entries cimport entry_flags
from veneurpy.engine.native.hash cimport hash_mark, hash_pair, timestamp_mark
from veneurpy.engine.native.hll cimport HLL_REGISTERS
from veneurpy.engine.native.pair cimport pair_count, pair_is_sound
from veneurpy.engine.native.scope cimport SCOPES
from veneurpy.engine.native.slice cimport cut
from veneurpy.engine.native.sort cimport Centroid

cdef enum:
    LARGEST_REGISTER = 51

cdef double LARGEST_WEIGHT = 1e300


cdef inline bint _is_value(double v) noexcept nogil:
    return isfinite(v)


cdef inline bint _is_weight(double w) noexcept nogil:
    return 0 < w < LARGEST_WEIGHT


cdef inline u8 _tag_flags(const Entry* e) noexcept nogil:
    """Those that follow from the tags."""
    return <u8>(e.flags & ~ENTRY_CHANGED) if e.type == GAUGE else e.flags


cdef u64 likely_bytes(const Arena* a, u64 at) noexcept nogil:
    """The size of the entry that stands at `at`, whole as far as its lengths say; 0 where none does."""
    cdef Entry* e
    cdef u64 size
    if at > a.header.lo_used or a.header.lo_used - at < sizeof(Entry):
        return 0
    e = entry_at(a, at)
    if e.type >= SERIES_TYPES or e.flags & SCOPE_MASK >= SCOPES or e.name_len == 0:
        return 0
    size = entry_bytes(e.type, e.name_len, e.tags_len, e.flags & ENTRY_TIMESTAMP != 0)
    return size if <u64>e.size16 << 4 == size and at + size <= a.header.lo_used else 0


cdef bint is_entry(const Arena* a, Entry* e) noexcept nogil:
    """Of a likely one: is its key as its hash says."""
    cdef u8* key = entry_key(e)
    cdef u64 h
    cdef i64 timestamp
    h = hash_pair(&a.header.identity.key, key, e.name_len, key + e.name_len, e.tags_len)
    h ^= hash_mark(&a.header.identity.key, e.type)
    if e.flags & ENTRY_TIMESTAMP:
        memcpy(&timestamp, key + e.name_len + e.tags_len, 8)
        # The hash has room for so much of it, and no T comes near.
        if timestamp < 1 or timestamp >> 48:
            return False
        h ^= timestamp_mark(&a.header.identity.key, timestamp)
    # The hash does not cover the flags; they follow from the tags.
    return h == e.hash and _tag_flags(e) == entry_flags(
        cut(key + e.name_len, e.tags_len, 0, e.tags_len), e.flags & ENTRY_TIMESTAMP != 0)


cdef Block* block_of(const Arena* a, const Entry* e) noexcept nogil:
    """The block that an entry names, if it lies in the arena as a whole, above the entries."""
    cdef u64 at = word_block(e.lo) << 4
    cdef Block* b
    if at < a.header.lo_used or at < a.hi_ready or at + sizeof(Block) > a.size:
        return NULL
    b = <Block*>(a.base + at)
    if b.size_class >= BLOCK_CLASSES or at + class_bytes(a, b.size_class) > a.size:
        return NULL
    return b


cdef bint _is_digest(const Arena* a, Block* b) noexcept nogil:
    """The centroids and the totals, which must agree."""
    cdef Totals* t = block_totals(b)
    cdef Centroid* c = block_centroids(b)
    cdef double weight = 0
    cdef u32 i
    # A full arena has digests in smaller blocks as well.
    if b.used > (class_bytes(a, b.size_class) - digest_overhead()) // 16:
        return False
    if b.tail != digest_overhead() + 16 * b.used or not _is_weight(t.weight) or not t.samples:
        return False
    if not _is_value(t.sum) or not _is_value(t.low) or not _is_value(t.high) or t.low > t.high:
        return False
    for i in range(b.used):
        if not _is_value(c[i].mean) or not _is_weight(c[i].weight) or (i and c[i].mean < c[i - 1].mean):
            return False
        weight += c[i].weight
    return fabs(weight - t.weight) <= 1e-6 * t.weight


cdef bint _is_timer(const Arena* a, const Entry* e) noexcept nogil:
    cdef Block* b = block_of(a, e)
    cdef u32 n = word_length(e.lo), i
    cdef bint pairs
    if b == NULL or b.size_class > DIGEST_CLASS or not RAW <= b.kind <= DIGEST_WEIGHTED:
        return False
    pairs = b.kind == WEIGHTED or b.kind == DIGEST_WEIGHTED
    if b.kind == DIGEST or b.kind == DIGEST_WEIGHTED:
        if not _is_digest(a, b):
            return False
    elif b.used or b.tail != sizeof(Block):
        return False
    if b.capacity != (class_bytes(a, b.size_class) - b.tail) // (16 if pairs else 8) or n > b.capacity:
        return False
    for i in range(n):
        if pairs:
            if not _is_value(block_pairs(b)[i].mean) or not _is_weight(block_pairs(b)[i].weight):
                return False
        elif not _is_value(block_values(b)[i]):
            return False
    return True


cdef bint _mend_set(const Arena* a, Entry* e) noexcept nogil:
    """Checks a set's block and counts its members anew."""
    cdef Block* b = block_of(a, e)
    cdef u32 members = 0, i
    if b == NULL or e.hi == 0:
        return False
    if b.kind == DENSE:
        if class_bytes(a, b.size_class) < sizeof(Block) + HLL_REGISTERS:
            return False
        for i in range(HLL_REGISTERS):
            if (<u8*>block_slots(b))[i] > LARGEST_REGISTER:
                return False
        return True
    if b.kind != EXACT or b.size_class < FIRST_SET_CLASS:
        return False
    if b.capacity != (class_bytes(a, b.size_class) - sizeof(Block)) // 8:
        return False
    for i in range(b.capacity):
        members += block_slots(b)[i] != 0
    e.lo = (word_block(e.lo) << 32) | members
    return 0 < members < b.capacity and members <= e.hi


cdef bint has_no_sample(const Entry* e) noexcept nogil:
    """An entry that was written and got no sample before the end."""
    if e.type == COUNTER or e.type == GAUGE:
        return pair_count(e.hi) == 0 and pair_is_sound(e.lo, e.hi)
    if e.type == SET:
        return e.hi == 0
    return word_block(e.lo) == 0


cdef bint is_sound(const Arena* a, Entry* e) noexcept nogil:
    cdef double value
    cdef i64 ns = gauge_times(e)[pair_count(e.hi) & 1] if e.type == GAUGE else 1
    # A gauge's time has no check, but none was ever before 1970; one that was never written is 0, whatever changed it.
    if ns < 0 or (ns == 0 and e.lo != 0):
        return False
    if e.type == COUNTER or e.type == GAUGE:
        value = (<double*>&e.lo)[0]
        return pair_count(e.hi) > 0 and pair_is_sound(e.lo, e.hi) and _is_value(value)
    return _mend_set(a, e) if e.type == SET else _is_timer(a, e)
