# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""From the arenas of an interval, or of imports, to Columns."""
cimport cython
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from veneurpy.engine.native.buffer cimport buffer_view
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.intern cimport Interner
from veneurpy.engine.native.merge cimport ROWS_HOST, Merge, merge_begin, merge_close, merge_open
from veneurpy.engine.native.meter cimport Meter
from veneurpy.engine.native.points cimport PlannedOutput, Points, Strings, points_free, points_make
from veneurpy.engine.native.top cimport seen_close

from veneurpy.engine import types
from veneurpy.engine.columns import Columns, StringTable


# The meter must be there when the memory goes, also in a cycle that is collected.
@cython.no_gc_clear
cdef class MergeContext:
    def __cinit__(self, MemoryMeter meter, bytes secret, tags, double compression, rewriter=None):
        cdef bytes tag
        cdef int i
        if len(secret) != sizeof(HashKey):
            raise ValueError(f"a hash's key has {sizeof(HashKey)} bytes, not {len(secret)}")
        self.meter = meter
        self.compression = compression
        self.rewriter = rewriter
        memcpy(&self.key, <const char*>secret, sizeof(HashKey))
        self._tags = sorted({t.encode() for t in tags if t})
        self.n_extend = len(self._tags)
        self.extend = <Slice*>calloc(self.n_extend + 1, sizeof(Slice))
        if self.extend == NULL:
            raise MemoryError
        for i in range(self.n_extend):
            tag = self._tags[i]
            self.extend[i].data = <const u8*><const char*>tag
            self.extend[i].size = len(tag)

    def __dealloc__(self):
        free(self.extend)
        seen_close(&self.seen)


cdef class CompiledPlan:
    def __cinit__(self, plan):
        cdef int i
        cdef bytes suffix
        self.role = int(plan.role)
        self.plan.mixed_median_only = self.role == ROWS_HOST
        qs = sorted({_quantile_of(o) for o in plan.histograms} - {None})
        self._suffixes = [o.suffix.encode() for o in plan.histograms]
        self.plan.n = len(plan.histograms)
        self.plan.n_quantiles = len(qs)
        self.plan.outputs = <PlannedOutput*>calloc(self.plan.n + 1, sizeof(PlannedOutput))
        self.plan.quantiles = <double*>calloc(self.plan.n_quantiles + 1, sizeof(double))
        if self.plan.outputs == NULL or self.plan.quantiles == NULL:
            raise MemoryError
        for i, q in enumerate(qs):
            self.plan.quantiles[i] = q
        for i, output in enumerate(plan.histograms):
            suffix = self._suffixes[i]
            self.plan.outputs[i].suffix.data = <const u8*><const char*>suffix
            self.plan.outputs[i].suffix.size = len(suffix)
            self.plan.outputs[i].statistic = int(output.statistic)
            self.plan.outputs[i].point_type = int(output.type)
            q = _quantile_of(output)
            self.plan.outputs[i].quantile = 0 if q is None else qs.index(q)

    def __dealloc__(self):
        free(self.plan.outputs)
        free(self.plan.quantiles)


def _quantile_of(output):
    if output.statistic == types.Statistic.MEDIAN:
        return 0.5
    return float(output.quantile) if output.statistic == types.Statistic.QUANTILE else None


cdef object _string_table(MemoryMeter meter, Strings* s):
    return StringTable(
        buffer_view(meter, <void**>&s.offsets, s.count + 1, 4, c"I"),
        buffer_view(meter, <void**>&s.bytes, s.used, 1, c"B"),
    )


cdef object _columns(MemoryMeter meter, Points* p, const Interner* sink_sets):
    cdef u64 n = p.rows
    cdef u32 i
    sets = [frozenset()]
    for i in range(sink_sets.count):
        text = (<const char*>sink_sets.strings[i].data)[:sink_sets.strings[i].size].decode()
        sets.append(frozenset(text.split(",")))
    if sink_sets.count >= 65534:
        sets.append(frozenset({""}))
    return Columns(
        names=_string_table(meter, &p.names),
        tags=_string_table(meter, &p.tags),
        sink_sets=tuple(sets),
        name=buffer_view(meter, <void**>&p.name, n, 4, c"I"),
        tag=buffer_view(meter, <void**>&p.tag, n, 4, c"I"),
        type=buffer_view(meter, <void**>&p.type, n, 1, c"B"),
        scope=buffer_view(meter, <void**>&p.scope, n, 1, c"B"),
        series_type=buffer_view(meter, <void**>&p.series_type, n, 1, c"B"),
        sinks=buffer_view(meter, <void**>&p.sinks, n, 2, c"H"),
        timestamp_ms=buffer_view(meter, <void**>&p.timestamp_ms, n, 8, c"q"),
        value=buffer_view(meter, <void**>&p.value, n, 8, c"d"),
        own_time=buffer_view(meter, <void**>&p.own_time, n, 1, c"B"),
    )


cdef tuple merged_columns(MergeContext context, Arena** arenas, int n, const Rewrites* rewrites, int rewrites_from,
                          MergeUse use, u32 touched_since, CompiledPlan plan, i64 start_ms):
    cdef Merge merge
    cdef Points points
    cdef Meter* meter = &context.meter.meter
    cdef bint done
    cdef u32 i
    memset(&merge, 0, sizeof(merge))
    memset(&points, 0, sizeof(points))
    try:
        with nogil:
            done = merge_open(&merge, meter, use, &context.key, context.extend, context.n_extend)
            merge.touched_since = touched_since
            merge.rewrites = rewrites
            merge.rewrites_from = rewrites_from
            done = (done and merge_begin(&merge, arenas, n)
                    and points_make(&points, &merge, &plan.plan, start_ms, context.compression))
        if not done:
            raise MemoryError("no memory to flush the interval")
        conflicts = [points.conflicts[i] for i in range(points.n_conflicts)]
        columns = _columns(context.meter, &points, &merge.sink_sets)
        return columns, merge.merged + merge.count, [columns.names[number] for number in conflicts]
    finally:
        with nogil:
            merge_close(&merge)
            points_free(&points)
