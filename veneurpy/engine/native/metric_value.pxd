"""What a metric from the wire has for a value, by its type, checked."""
from veneurpy.engine.native.compat cimport u32, u64
from veneurpy.engine.native.metric cimport Metric
from veneurpy.engine.native.protobuf cimport BYTES
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.sort cimport Centroid

cdef enum:
    # Keys of fields of a metric: number << 3 | wire type.
    COUNTER_FIELD = 5 << 3 | BYTES
    GAUGE_FIELD = 6 << 3 | BYTES
    HISTOGRAM_FIELD = 7 << 3 | BYTES
    SET_FIELD = 8 << 3 | BYTES


cdef u32 value_key(u64 type_) noexcept nogil
cdef int value_read(Slice message, Metric* out) noexcept nogil
cdef bint digest_next(Slice* digest, Centroid* out) noexcept nogil
