"""One series' samples, from all its parts: totals, quantiles, the size of a set."""
from veneurpy.engine.native.compat cimport u8, u64
from veneurpy.engine.native.merge cimport Merge, Series
from veneurpy.engine.native.meter cimport Meter
from veneurpy.engine.native.sort cimport Centroid

cdef struct Summary:
    u64 samples
    double weight
    double sum
    double reciprocal
    double zeros
    double low
    double high

# Room for one series at a time: of bounded size, however many parts it has.
cdef struct Workspace:
    Meter* meter
    double compression
    Centroid* pairs
    Centroid* more_pairs
    double* values
    double* more_values
    u64 capacity
    double* quantiles
    u64* slots                          # a set's hashes from several parts
    u8* registers


cdef bint workspace_open(Workspace* w, Meter* meter, int n_quantiles, double compression) noexcept nogil
cdef void workspace_close(Workspace* w) noexcept nogil
cdef bint summarise(Workspace* w, const Merge* m, const Series* s, const double* qs, int n_qs, Summary* out
                    ) noexcept nogil
cdef double set_value(Workspace* w, const Merge* m, const Series* s) noexcept nogil
