"""Series in an arena: writing a new one, and finding one by any of its spellings."""
from veneurpy.engine.native.arena cimport Arena, Entry
from veneurpy.engine.native.compat cimport u8
from veneurpy.engine.native.forms cimport Former
from veneurpy.engine.native.names cimport Name
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.store cimport Item


cdef void reserve_begin(Arena* a) noexcept nogil
cdef u8 entry_flags(Slice tags, bint has_timestamp) noexcept nogil
cdef Entry* entry_write(Arena* a, Former* f, const Item* it, const Name* name, bint folded) noexcept nogil
cdef Entry* entry_of_form(const Arena* a, Former* f, const Item* it, Slice text) noexcept nogil
cdef void respell(const Arena* a, Item* out, const Item* it, Slice tags) noexcept nogil
