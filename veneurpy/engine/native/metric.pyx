# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Reading and checking, in the order of METRIC_*: the first thing that is wrong counts."""
from libc.string cimport memset
from veneurpy.engine.native.arena cimport COUNTER, GAUGE, TIMER
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.metric_value cimport (
    COUNTER_FIELD, GAUGE_FIELD, HISTOGRAM_FIELD, SET_FIELD, value_key, value_read,
)
from veneurpy.engine.native.protobuf cimport BYTES, PB_FIELD, PB_MALFORMED, VARINT, Field, pb_next
from veneurpy.engine.native.scope cimport GLOBAL, LOCAL, SCOPES
from veneurpy.engine.native.slice cimport cut
from veneurpy.engine.native.tagger cimport (
    LONGEST_KEY, SINK_FIELD, tagger_begin, tagger_sink, tagger_tag, tagger_text,
)
from veneurpy.engine.native.utf8 cimport is_text

cdef enum:
    # Keys of fields: number << 3 | wire type.
    NAME_FIELD = 1 << 3 | BYTES
    TAG_FIELD = 2 << 3 | BYTES
    TYPE_FIELD = 3 << 3 | VARINT
    SCOPE_FIELD = 9 << 3 | VARINT
    SAMPLES_FIELD = 100 << 3 | VARINT

cdef extern from *:
    """
    #define VNP_MOST_SAMPLES 0xFFFFFFFFu
    """
    u64 MOST_SAMPLES "VNP_MOST_SAMPLES"

# Fields as they came.
cdef struct Raw:
    u64 type
    u64 scope
    u32 value_key
    Slice value


cdef int _read_raw(Tagger* t, Slice message, Raw* raw, Metric* out) noexcept nogil:
    """The outermost fields."""
    cdef Field f
    cdef int step = pb_next(&message, &f)
    while step == PB_FIELD:
        if f.key == NAME_FIELD:
            out.name = f.data
        elif f.key == TAG_FIELD:
            if not tagger_tag(t, f.data):
                return METRIC_NO_MEMORY
        elif f.key == TYPE_FIELD:
            raw.type = f.number
        elif f.key == SCOPE_FIELD:
            raw.scope = f.number
        elif f.key == SAMPLES_FIELD:
            out.samples = f.number if f.number < MOST_SAMPLES else MOST_SAMPLES
        elif f.key == SINK_FIELD:
            tagger_sink(t, f.data)
        elif f.key in (COUNTER_FIELD, GAUGE_FIELD, HISTOGRAM_FIELD, SET_FIELD):
            raw.value_key = f.key
            raw.value = f.data
        step = pb_next(&message, &f)
    return METRIC_MALFORMED if step == PB_MALFORMED else METRIC_GOOD


cdef int metric_read(Tagger* t, Slice message, bint foreign, Metric* out) noexcept nogil:
    """METRIC_GOOD, METRIC_NO_MEMORY, or why not. `foreign`: it is Veneur's."""
    cdef Raw raw
    cdef int reason
    memset(&raw, 0, sizeof(Raw))
    tagger_begin(t)
    memset(out, 0, sizeof(Metric))
    out.name = cut(message.data, 0, 0, 0)
    out.samples = 1
    out.time_ns = -1
    reason = _read_raw(t, message, &raw, out)
    if reason != METRIC_GOOD:
        return reason
    if raw.type > TIMER:
        return METRIC_BAD_TYPE
    out.type = <u8>raw.type
    if out.name.size == 0 or out.name.size > LONGEST_KEY or not is_text(out.name.data, out.name.size):
        return METRIC_BAD_NAME
    reason = tagger_text(t, message, &out.tags, &out.has_sinks)
    if reason != METRIC_GOOD:
        return reason
    if raw.scope >= SCOPES or (foreign and raw.scope == LOCAL):
        return METRIC_BAD_SCOPE
    out.scope = GLOBAL if foreign and (out.type == COUNTER or out.type == GAUGE) else <u8>raw.scope
    if raw.value_key != value_key(out.type):
        return METRIC_NO_VALUE
    return value_read(raw.value, out)
