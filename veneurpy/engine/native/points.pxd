"""Series to points: aggregates, percentiles, and the columns that hold them."""
from veneurpy.engine.native.compat cimport i64, u8, u16, u32, u64
from veneurpy.engine.native.intern cimport Interner
from veneurpy.engine.native.merge cimport Merge, Series
from veneurpy.engine.native.meter cimport Meter
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.sort cimport Centroid

cdef enum:
    MOST_CONFLICTS = 1000

# The numbers of engine.types.PointType.
cdef enum:
    COUNTER_POINT = 0
    GAUGE_POINT = 1

cdef struct PlannedOutput:
    Slice suffix
    int statistic                       # engine.types.Statistic
    int quantile                        # index into the plan's quantiles
    u8 point_type

cdef struct PointPlan:
    PlannedOutput* outputs
    int n
    double* quantiles                   # ascending
    int n_quantiles
    bint mixed_median_only              # of mixed histograms no other quantile: whom they are forwarded to has them

# Distinct strings in a row: string i is bytes[offsets[i] : offsets[i + 1]].
cdef struct Strings:
    Meter* meter
    u32* offsets
    u8* bytes
    u32 count
    u32 capacity
    u64 used
    u64 room

cdef struct Points:
    Meter* meter
    u64 rows
    u32* name
    u32* tag
    u8* type
    u8* scope
    u8* series_type
    u16* sinks
    i64* timestamp_ms
    double* value
    u8* own_time                        # 1 where the timestamp is a T
    Strings names
    Strings tags
    u32 conflicts[MOST_CONFLICTS]       # numbers in names
    u32 n_conflicts
    bint failed


cdef bint points_make(Points* out, Merge* m, const PointPlan* plan, i64 start_ms, double compression
                      ) noexcept nogil
cdef void points_free(Points* p) noexcept nogil
