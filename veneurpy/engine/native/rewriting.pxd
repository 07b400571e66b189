"""What becomes of the series of a closed interval: asked once for each name and type in it, before they are merged.

Where conditions on tags decide, once more for each combination of them.
"""
from veneurpy.engine.native.arena cimport SERIES_TYPES, Arena, Entry
from veneurpy.engine.native.compat cimport u32, u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.intern cimport Interner
from veneurpy.engine.native.meter cimport MemoryMeter
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.tag_patterns cimport Choice, TagPattern

# veneurpy.engine.rewriting.Rewrite; the bytes belong to Python objects.
cdef struct Rewrite:
    Slice name
    Slice* removed                      # keys
    TagPattern* stripped
    Slice* added                        # tags
    int n_removed
    int n_stripped
    int n_added
    bint acts                           # False: the series stay as they are
    bint dropped
    bint yields
    bint judged                         # regular expressions have a say: the tags of its series have verdicts

# A choice that was made.
cdef struct Chosen:
    u64 name                            # its number
    u64 held                            # which conditions hold

cdef struct Rewrites:
    Interner names[SERIES_TYPES]
    Rewrite* of[SERIES_TYPES]           # each name, then each choice that was made
    u32 n_of[SERIES_TYPES]
    Choice* choices[SERIES_TYPES]       # of each name; where there is none, all is zero
    Chosen* made[SERIES_TYPES]
    Interner chosen[SERIES_TYPES]       # numbers them
    Interner tags                       # those with a verdict
    u64* verdicts                       # which regular expressions are found in them
    HashKey key
    u32** numbers                       # for each arena, of its entries' rewrites, in the order of the walk
    int n_arenas
    bint any                            # does one act
    bint chooses                        # is there a choice


cdef inline const Rewrite* rewrite_of(const Rewrites* r, int arena, u64 position, int type_) noexcept nogil:
    """Of an entry; NULL when it stays as it is. Other arenas than those that were asked about stay."""
    cdef const Rewrite* found
    if r == NULL or not r.any or arena < 0 or arena >= r.n_arenas:
        return NULL
    found = &r.of[type_][r.numbers[arena][position]]
    return found if found.acts else NULL


cdef bint removes(const Rewrites* all_, const Rewrite* r, Slice tag) noexcept nogil


cdef class NativeRewrites:
    """Owns the memory."""

    cdef Rewrites rewrites
    cdef MemoryMeter meter
    cdef list _kept
    cdef dict _bits                     # of regular expressions

    cdef ask(self, object rewriter, const HashKey* key, Arena** arenas, int n)
    cdef bint _number_names(self, Arena** arenas, int n) noexcept nogil
    cdef bint _number_tags(self, Arena** arenas) noexcept nogil
    cdef bint _choose(self, Arena** arenas) noexcept nogil
    cdef bint _choose_one(self, Entry* e, u32* number) noexcept nogil
    cdef _judge_tags(self, object rewriter, Arena** arenas)
    cdef _judge(self, object rewriter, u32 start, u32 end)
    cdef _ask_chosen(self, object rewriter, Arena** arenas)
    cdef _take_answer(self, int type_, u32 number, object answer)
    cdef _take(self, Rewrite* out, object rewrite)
    cdef _take_choice(self, Choice* out, object choice)
    cdef Slice* _slices(self, tuple texts) except NULL
    cdef TagPattern* _patterns(self, tuple patterns) except NULL
    cdef void* _room(self, u64 count, u64 size) except NULL
