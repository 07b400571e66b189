"""What becomes of the series of a closed interval: asked once for each name and type in it, before they are merged."""
from veneurpy.engine.native.arena cimport SERIES_TYPES, Arena
from veneurpy.engine.native.compat cimport u32, u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.intern cimport Interner
from veneurpy.engine.native.meter cimport MemoryMeter
from veneurpy.engine.native.slice cimport Slice

# veneurpy.engine.rewriting.Rewrite; the bytes belong to Python objects.
cdef struct Rewrite:
    Slice name
    Slice* removed                      # keys
    Slice* stripped                     # patterns
    Slice* unwanted                     # patterns
    Slice* added                        # tags
    int n_removed
    int n_stripped
    int n_unwanted
    int n_added
    bint acts                           # False: the series stay as they are
    bint dropped
    bint yields

cdef struct Rewrites:
    Interner names[SERIES_TYPES]
    Rewrite* of[SERIES_TYPES]           # each name
    u32** numbers                       # for each arena, of its entries' names, in the order of the walk
    int n_arenas
    bint any                            # does one act


cdef inline const Rewrite* rewrite_of(const Rewrites* r, int arena, u64 position, int type_) noexcept nogil:
    """Of an entry; NULL when it stays as it is. Other arenas than those that were asked about stay."""
    cdef const Rewrite* found
    if r == NULL or not r.any or arena < 0 or arena >= r.n_arenas:
        return NULL
    found = &r.of[type_][r.numbers[arena][position]]
    return found if found.acts else NULL


cdef bint drops(const Rewrite* r, Slice tags) noexcept nogil
cdef bint removes(const Rewrite* r, Slice tag) noexcept nogil


cdef class NativeRewrites:
    """Owns the memory."""

    cdef Rewrites rewrites
    cdef MemoryMeter meter
    cdef list _kept

    cdef ask(self, object rewriter, const HashKey* key, Arena** arenas, int n)
    cdef bint _number_names(self, const HashKey* key, Arena** arenas, int n) noexcept nogil
    cdef _take(self, Rewrite* out, object rewrite)
    cdef Slice* _slices(self, tuple texts) except NULL
