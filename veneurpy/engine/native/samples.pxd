"""How many samples a series of an arena stands for."""
from veneurpy.engine.native.arena cimport COUNTER, GAUGE, SET, Arena, Block, Entry, block_at
from veneurpy.engine.native.blocks cimport DIGEST, DIGEST_WEIGHTED, block_totals, word_block, word_length
from veneurpy.engine.native.compat cimport u64
from veneurpy.engine.native.pair cimport pair_count


cdef inline u64 samples_of(const Arena* a, const Entry* e) noexcept nogil:
    cdef u64 n
    cdef Block* b
    if e.type == COUNTER or e.type == GAUGE:
        return pair_count(e.hi)
    if e.type == SET:
        return e.hi
    if word_block(e.lo) == 0:
        return 0
    n = word_length(e.lo)
    b = block_at(a, word_block(e.lo))
    if b.kind == DIGEST or b.kind == DIGEST_WEIGHTED:
        n += block_totals(b).samples
    return n
