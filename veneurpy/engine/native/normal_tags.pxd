"""Tags as sent, in normal form: rewritten, implicit tags applied, sorted, distinct. Texts are freed with the merge."""
from veneurpy.engine.native.compat cimport u16
from veneurpy.engine.native.merge cimport Merge
from veneurpy.engine.native.rewriting cimport Rewrite
from veneurpy.engine.native.slice cimport Slice

cdef struct NormalTags:
    Slice tags
    u16 sinks                           # index into sink sets; 0 is all


cdef NormalTags normal_tags(Merge* m, Slice tags, int n_extend, const Rewrite* r) noexcept nogil
cdef void texts_free(Merge* m) noexcept nogil
