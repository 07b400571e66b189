"""Counting what each name has: spellings, and the values of each tag key once there are many spellings.

A watch is a note on such a name. It counts the distinct values of some of its tag keys, exactly while they are few
and by HyperLogLog beyond, and what was folded or rejected of the name. Tags without a colon count as values of the
empty key.
"""
from veneurpy.engine.native.arena cimport Arena, Block, Entry, block_at
from veneurpy.engine.native.compat cimport u8, u16, u32, u64
from veneurpy.engine.native.names cimport Name
from veneurpy.engine.native.slice cimport Slice

cdef enum:
    MOST_WATCHES = 1024
    MOST_KEYS = 16
    LONGEST_KEY = 100
    MOST_SINK_FOLDS = 64

cdef struct Watch:
    u64 folded                          # values
    u64 rejected
    u32 entry                           # offset / 16 of an entry with the name
    u32 next                            # reference of the watch made before
    u32 reduced                         # series made by leaving a tag out
    u32 sink_folds                      # folded series that name sinks
    u32 keys                            # reference of the newest TagKey
    u32 n_keys

cdef struct TagKey:
    u32 next
    u32 values                          # reference of the block that knows them, or 0
    u32 distinct                        # an estimate when there are many
    u32 news                            # values since the last estimate
    u16 size
    u8 text[LONGEST_KEY]


cdef inline Watch* watch_at(const Arena* a, u32 reference) noexcept nogil:
    return <Watch*>(<u8*>block_at(a, reference) + sizeof(Block))


cdef inline TagKey* tag_key_at(const Arena* a, u32 reference) noexcept nogil:
    return <TagKey*>(<u8*>block_at(a, reference) + sizeof(Block))


cdef void names_begin(Arena* a) noexcept nogil
cdef Name* name_find(const Arena* a, u64 hash_, Slice name) noexcept nogil
cdef Name* name_add(Arena* a, u64 hash_, const Entry* e) noexcept nogil
cdef Watch* watch_open(Arena* a, Name* name) noexcept nogil
cdef void watch_take(Arena* a, Watch* w, Slice tags, u32 most) noexcept nogil
cdef bint watch_refuses(const Arena* a, const Watch* w, Slice tags, u32 most) noexcept nogil
cdef TagKey* watch_worst(const Arena* a, const Watch* w) noexcept nogil
