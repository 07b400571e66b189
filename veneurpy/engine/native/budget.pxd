"""What a metric name may have in one interval and one reader, and what becomes of the rest."""
from libc.string cimport memcmp
from veneurpy.engine.native.compat cimport u32
from veneurpy.engine.native.slice cimport Slice

# The numbers of engine.types.Overflow.
cdef enum:
    FOLD = 0
    DROP_TAG = 1
    REJECT = 2

cdef struct Rule:
    Slice prefix                        # of the names it is for
    u32 max_series                      # spellings of a name; 0: no bound
    u32 max_values                      # values of a tag key; 0: no bound
    u32 watch_from                      # spellings from which on a name's tags are counted
    int on_overflow

# The first rule whose prefix fits; the last one's is empty.
cdef struct Budget:
    const Rule* rules
    int n


cdef inline const Rule* rule_of(const Budget* b, Slice name) noexcept nogil:
    cdef int i, last = b.n - 1
    cdef Slice prefix
    for i in range(last):
        prefix = b.rules[i].prefix
        if name.size >= prefix.size and memcmp(name.data, prefix.data, <size_t>prefix.size) == 0:
            return &b.rules[i]
    return &b.rules[last]


cdef class CompiledRules:
    """The budgets of an EngineOptions in C, and the Python bytes that they point to."""

    cdef Budget budget
    cdef Rule* _rules
    cdef list _prefixes
