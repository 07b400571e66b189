"""One `metricpb.Metric` from the wire, checked: the fields are described in engine/reference_metric.py.

The bytes stay where they came; only the tags in normal form are a text of their own, valid until the next metric is
read with the same Tagger.
"""
from veneurpy.engine.native.blocks cimport Totals
from veneurpy.engine.native.compat cimport i64, u8, u32, u64
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.tagger cimport Tagger

# Why a metric was rejected: positions in engine.exchange.IMPORT_REASONS.
cdef enum:
    METRIC_MALFORMED = 0
    METRIC_BAD_TYPE = 1
    METRIC_BAD_NAME = 2
    METRIC_BAD_TAGS = 3
    METRIC_BAD_SCOPE = 4
    METRIC_NO_VALUE = 5
    METRIC_BAD_VALUE = 6
    METRIC_BAD_DIGEST = 7
    METRIC_BAD_SET = 8
    METRIC_REASONS = 9
    METRIC_GOOD = 9
    METRIC_NO_MEMORY = 10

cdef enum SetForm:
    SET_HASHES = 0
    SET_KEYS = 1
    SET_REGISTERS = 2

cdef struct Metric:
    Slice name
    Slice tags                          # sorted, distinct, joined by ','; then the sinks, as magic tags
    u64 samples
    double number                       # counter: sum · gauge: value
    i64 time_ns                         # of a gauge; -1: not told
    Slice sender
    Slice digest                        # its message: the centroids are in it
    u32 n                               # centroids, or members of the set as far as they are told
    bint exact                          # the centroids are the samples
    Totals total
    Totals direct
    SetForm form
    Slice hashes
    Slice sketch
    Slice excess
    u8 type
    u8 scope
    bint has_sinks


cdef int metric_read(Tagger* t, Slice message, bint foreign, Metric* out) noexcept nogil
