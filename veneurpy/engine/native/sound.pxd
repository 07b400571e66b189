"""Entries of an arena that is not trusted: whether there is one, and whether its samples can be believed."""
from veneurpy.engine.native.arena cimport Arena, Block, Entry
from veneurpy.engine.native.compat cimport u64


cdef u64 likely_bytes(const Arena* a, u64 at) noexcept nogil
cdef bint is_entry(const Arena* a, Entry* e) noexcept nogil
cdef Block* block_of(const Arena* a, const Entry* e) noexcept nogil
cdef bint has_no_sample(const Entry* e) noexcept nogil
cdef bint is_sound(const Arena* a, Entry* e) noexcept nogil
