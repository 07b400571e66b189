"""What timers, histograms and sets keep: the values behind an entry's 64-bit word (block reference << 32 | length).

A timer's samples stay as they came while they are few (RAW, or WEIGHTED once a sample rate was sent), then become a
DIGEST: totals and centroids that never change, and a tail of new samples. Growing and compacting build another block
and publish it by the one word; the old block is freed after.

A set keeps its members' 64-bit hashes in an open-addressing table (EXACT), then one-byte HyperLogLog registers
(DENSE); every insert is one store, completed after a death by the journal in the header.
"""
from veneurpy.engine.native.arena cimport LAST_SET_CLASS, Arena, Block, Entry
from veneurpy.engine.native.compat cimport u32, u64
from veneurpy.engine.native.hll cimport HLL_EXACT_MAX
from veneurpy.engine.native.sort cimport Centroid

cdef enum BlockKind:
    RAW = 1
    WEIGHTED = 2
    DIGEST = 3
    DIGEST_WEIGHTED = 4
    EXACT = 5
    DENSE = 6

cdef enum:
    EXACT_SAMPLES = 512                 # a timer of more samples is a digest
    PAIRS_FLAG = 1 << 30                # in a timer's `hi`: capacity << 32 | this flag | offset of the first sample
    TAIL_MASK = (1 << 30) - 1

# The totals of a digest's centroids; its tail is not in them.
cdef struct Totals:
    u64 samples
    double weight
    double sum
    double reciprocal
    double low
    double high
    double zeros                        # weight of samples that are 0

# Room to compact in, and what the compaction needs to know. One a reader.
cdef struct Scratch:
    double compression
    int capacity                        # most centroids of a digest
    double* values
    double* more_values
    Centroid* pairs
    Centroid* more_pairs
    Centroid* merged


cdef inline u32 word_length(u64 word) noexcept nogil:
    return <u32>word


cdef inline u64 word_block(u64 word) noexcept nogil:
    return word >> 32


cdef inline u32 digest_overhead() noexcept nogil:
    """Bytes of a digest's block before its centroids."""
    return sizeof(Block) + sizeof(Totals) + 8


cdef inline Totals* block_totals(Block* b) noexcept nogil:
    return <Totals*>(<char*>b + sizeof(Block))


cdef inline Centroid* block_centroids(Block* b) noexcept nogil:
    return <Centroid*>(<char*>b + digest_overhead())


cdef inline double* block_values(Block* b) noexcept nogil:
    """The tail of a RAW or DIGEST block."""
    return <double*>(<char*>b + b.tail)


cdef inline Centroid* block_pairs(Block* b) noexcept nogil:
    """The tail of a WEIGHTED or DIGEST_WEIGHTED block."""
    return <Centroid*>(<char*>b + b.tail)


cdef inline u64* block_slots(Block* b) noexcept nogil:
    """The hashes of an EXACT set: `capacity` slots."""
    return <u64*>(<char*>b + sizeof(Block))


cdef inline u32 members_limit(const Block* b) noexcept nogil:
    """The most hashes in a block of a set's class: 15/16 of the slots, of the last class 3/4."""
    if b.size_class == LAST_SET_CLASS:
        return HLL_EXACT_MAX
    return b.capacity - (b.capacity // 16 if b.capacity >= 16 else 1)


cdef inline void* samples_at(const Arena* a, const Entry* e) noexcept nogil:
    """Where a timer's new samples go."""
    return <void*>(a.base + (word_block(e.lo) << 4) + (e.hi & TAIL_MASK))


cdef u64 digest_block_bytes(double compression) noexcept nogil
cdef bint scratch_open(Scratch* s, double compression) noexcept nogil
cdef void scratch_close(Scratch* s) noexcept nogil
cdef bint timer_add(Arena* a, Entry* e, Scratch* s, double value, double weight) noexcept nogil
cdef bint set_add(Arena* a, Entry* e, u64 hash_) noexcept nogil
cdef void totals_clear(Totals* t) noexcept nogil
cdef void totals_add(Totals* t, double value, double weight) noexcept nogil
cdef void totals_add_values(Totals* t, const double* values, u64 n) noexcept nogil
