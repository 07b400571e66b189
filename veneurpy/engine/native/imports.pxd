"""Merging metrics from the wire into an arena of their own.

A frame is read twice. The first time everything is checked and what it may take at the most is added up; then so
much is reserved, and the second time nothing can fail.
"""
from veneurpy.engine.native.arena cimport Arena
from veneurpy.engine.native.blocks cimport Scratch
from veneurpy.engine.native.compat cimport i64, u32, u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.metric cimport METRIC_REASONS
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.tagger cimport Tagger

cdef enum ImportVerdict:
    IMPORT_READ = 0
    IMPORT_BROKEN = 1
    IMPORT_COMPRESSED = 2
    IMPORT_TOO_LONG = 3
    IMPORT_NO_MEMORY = 4

# What a frame is, and what becomes of it.
cdef struct Frame:
    Slice bytes
    bint stream                         # single messages with their prefixes, not a list
    bint foreign
    Slice sender
    i64 received_ns
    Py_ssize_t consumed                 # bytes of whole messages
    u64 metrics
    u64 samples
    u64 rejected[METRIC_REASONS]
    u64 low                             # bytes that it may take at either end of the arena
    u64 high
    u64 new_entries

cdef struct Imports:
    Arena arena
    Scratch scratch
    Tagger tagger
    HashKey key
    u32 epoch
    u32 last_sender                     # the Sender written last, or 0


cdef bint imports_open(Imports* im, double compression, u64 digest_bytes, u64 limit, const HashKey* key) noexcept nogil
cdef void imports_close(Imports* im) noexcept nogil
cdef ImportVerdict imports_check(Imports* im, Frame* f) noexcept nogil
cdef bint imports_reserve(Imports* im, Frame* f) noexcept nogil
cdef void imports_apply(Imports* im, Frame* f) noexcept nogil
