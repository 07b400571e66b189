"""Names and tags as Prometheus allows them. The rules are those of `veneurpy.sinks._labels`, byte for byte."""
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.text cimport Text

# Memory that is used again from one tag set to the next.
cdef struct LabelScratch:
    Text text
    Slice* pairs
    Py_ssize_t room


cdef void label_scratch_free(LabelScratch* s) noexcept nogil
cdef bint put_metric_name(Text* t, Slice name) noexcept nogil
cdef bint put_labels(Text* t, Slice tags, Slice host, LabelScratch* scratch) noexcept nogil
cdef bint put_escaped(Text* t, Slice s, bint in_quotes) noexcept nogil
