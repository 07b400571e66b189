"""One series' samples, from all its parts: totals, quantiles, the size of a set."""
from veneurpy.engine.native.blocks cimport Totals
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.merge cimport Merge, Series
from veneurpy.engine.native.meter cimport Meter
from veneurpy.engine.native.sort cimport Centroid

# What a series is made of. The pairs of a Workspace are its samples and centroids, ascending.
cdef struct Gathered:
    u64 n                               # pairs
    double weight                       # of the pairs
    bint exact                          # every pair is a sample
    Totals all
    Totals published                    # what aggregates are made of: not what hosts publish themselves

# A set's members: hashes in open addressing, or registers. They stay where they are, or are in a Workspace.
cdef struct Members:
    const u64* slots
    u32 capacity
    u32 count
    const u8* registers                 # NULL while the hashes are known
    bint coarse                         # hashes that stand for keys

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
cdef bint gather(Workspace* w, const Merge* m, const Series* s, Gathered* out) noexcept nogil
cdef bint summarise(Workspace* w, const Merge* m, const Series* s, const double* qs, int n_qs, Totals* published
                    ) noexcept nogil
cdef void set_members(Workspace* w, const Merge* m, const Series* s, Members* out) noexcept nogil
cdef double set_value(Workspace* w, const Merge* m, const Series* s) noexcept nogil
