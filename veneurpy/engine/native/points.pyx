# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One pass over the merged series, one row per point."""
from libc.math cimport isfinite
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport COUNTER, GAUGE, HISTOGRAM, SERIES_TYPES, SET, TIMER
from veneurpy.engine.native.blocks cimport Totals
from veneurpy.engine.native.compat cimport i64, u8, u16, u32, u64
from veneurpy.engine.native.hash cimport hash_bytes
from veneurpy.engine.native.intern cimport (
    INTERN_FAILED, Interner, intern, intern_foresee, interner_close, interner_open,
)
from veneurpy.engine.native.merge cimport Merge, Series, merge_next
from veneurpy.engine.native.meter cimport Meter, meter_free, meter_malloc, meter_realloc
from veneurpy.engine.native.scope cimport MIXED
from veneurpy.engine.native.slice cimport Slice, cut
from veneurpy.engine.native.summary cimport Workspace, set_value, summarise, workspace_close, workspace_open

# The numbers of engine.types.Statistic.
cdef enum:
    MIN = 0
    MAX = 1
    SUM = 2
    AVG = 3
    COUNT = 4
    MEDIAN = 5
    HMEAN = 6
    QUANTILE = 7
    ABSENT = 0xFFFFFFFF
    BLOCK = 32                          # series that wait for memory together

# What the points of one name are called, made at first need.
cdef struct NameUse:
    u32 plain
    u32 first_output
    u8 types                            # 1 counter, 2 gauge, 4 set

cdef struct Naming:
    Interner bases
    NameUse* uses
    u32 capacity

# Series that wait for memory together, and the hashes of their names and tags.
cdef struct Waiting:
    Series* series[BLOCK]
    u64 names[BLOCK]
    u64 tags[BLOCK]
    int n


cdef bint _strings_open(Strings* s, Meter* meter, u64 room) noexcept nogil:
    s.meter = meter
    s.room = room + 64
    s.bytes = <u8*>meter_malloc(meter, s.room)
    s.capacity = 256
    s.offsets = <u32*>meter_malloc(meter, (s.capacity + 1) * sizeof(u32))
    if s.bytes == NULL or s.offsets == NULL:
        return False
    s.offsets[0] = 0
    return True


cdef u32 _strings_add(Strings* s, Slice a, Slice b) noexcept nogil:
    """Appends a + b; its number, or ABSENT when there is no memory or 4 GiB are full."""
    cdef u64 need = s.used + <u64>a.size + <u64>b.size
    cdef void* p
    if need >> 32:
        return ABSENT
    if need > s.room:
        p = meter_realloc(s.meter, s.bytes, 2 * need)
        if p == NULL:
            return ABSENT
        s.bytes = <u8*>p
        s.room = 2 * need
    if s.count == s.capacity:
        p = meter_realloc(s.meter, s.offsets, (2 * <size_t>s.capacity + 1) * sizeof(u32))
        if p == NULL:
            return ABSENT
        s.offsets = <u32*>p
        s.capacity *= 2
    if a.size:
        memcpy(s.bytes + s.used, a.data, <size_t>a.size)
    if b.size:
        memcpy(s.bytes + s.used + a.size, b.data, <size_t>b.size)
    s.used = need
    s.count += 1
    s.offsets[s.count] = <u32>need
    return s.count - 1


cdef bint _naming_open(Naming* naming, Meter* meter, u64 names) noexcept nogil:
    naming.capacity = <u32>(names if names > 256 else 256)
    naming.uses = <NameUse*>meter_malloc(meter, naming.capacity * sizeof(NameUse))
    return naming.uses != NULL and interner_open(&naming.bases, meter, naming.capacity)


cdef bint _more_uses(Naming* naming, Meter* meter) noexcept nogil:
    cdef void* p = meter_realloc(meter, naming.uses, 2 * <u64>naming.capacity * sizeof(NameUse))
    if p == NULL:
        return False
    naming.uses = <NameUse*>p
    naming.capacity *= 2
    return True


cdef NameUse* _use_of(Points* out, Naming* naming, u64 name_hash, const Series* s) noexcept nogil:
    cdef u32 before = naming.bases.count
    cdef u32 number = intern(&naming.bases, name_hash, cut(s.name, s.name_len, 0, s.name_len))
    cdef NameUse* use
    if number == INTERN_FAILED or (number >= naming.capacity and not _more_uses(naming, out.meter)):
        out.failed = True
        return NULL
    use = &naming.uses[number]
    if number == before:
        use.plain = use.first_output = ABSENT
        use.types = 0
    return use


cdef bint _name_plain(Points* out, NameUse* use, const Series* s) noexcept nogil:
    cdef u8 kind = 1 if s.type == COUNTER else (2 if s.type == GAUGE else 4)
    cdef Slice name = cut(s.name, s.name_len, 0, s.name_len)
    if use.plain == ABSENT:
        use.plain = _strings_add(&out.names, name, cut(s.name, 0, 0, 0))
    if use.types & (use.types - 1) == 0 and use.types | kind != use.types and use.types != 0:
        if out.n_conflicts < MOST_CONFLICTS:
            out.conflicts[out.n_conflicts] = use.plain
            out.n_conflicts += 1
    use.types |= kind
    return use.plain != ABSENT


cdef bint _name_outputs(Points* out, NameUse* use, const Series* s, const PointPlan* plan) noexcept nogil:
    cdef Slice name = cut(s.name, s.name_len, 0, s.name_len)
    cdef int i
    if use.first_output != ABSENT:
        return True
    use.first_output = out.names.count
    for i in range(plan.n):
        if _strings_add(&out.names, name, plan.outputs[i].suffix) == ABSENT:
            return False
    return True


cdef inline void _row(Points* out, u32 name, u32 tag, u8 point_type, const Series* s, i64 start_ms, double value
                      ) noexcept nogil:
    cdef u64 r = out.rows
    out.name[r] = name
    out.tag[r] = tag
    out.type[r] = point_type
    out.scope[r] = s.scope
    out.series_type[r] = s.type
    out.sinks[r] = s.sinks
    out.timestamp_ms[r] = s.timestamp * 1000 if s.timestamp else start_ms
    out.value[r] = value
    out.own_time[r] = s.timestamp != 0
    out.rows = r + 1


cdef bint _statistic(const Totals* y, const double* quantiles, const PlannedOutput* o, double* value) noexcept nogil:
    """False where the statistic does not exist: the harmonic mean whose reciprocals add up to 0, and what is made of
    direct samples where there are none."""
    cdef int what = o.statistic
    if what == MEDIAN or what == QUANTILE:
        value[0] = quantiles[o.quantile]
    elif y.weight == 0:
        return False
    elif what == MIN:
        value[0] = y.low
    elif what == MAX:
        value[0] = y.high
    elif what == SUM:
        value[0] = y.sum
    elif what == AVG:
        value[0] = y.sum / y.weight
    elif what == COUNT:
        value[0] = y.weight
    elif y.zeros > 0:
        value[0] = 0.0
    else:
        value[0] = y.weight / y.reciprocal
        return isfinite(value[0])
    return True


cdef bint _histogram_rows(Points* out, NameUse* use, u32 tag, const Series* s, const Merge* m, const PointPlan* plan,
                          Workspace* w, i64 start_ms) noexcept nogil:
    cdef Totals y
    cdef double value
    cdef int i
    if not summarise(w, m, s, plan.quantiles, plan.n_quantiles, &y):
        return False
    if not _name_outputs(out, use, s, plan):
        return False
    for i in range(plan.n):
        if plan.mixed_median_only and s.scope == MIXED and plan.outputs[i].statistic == QUANTILE:
            continue
        if _statistic(&y, w.quantiles, &plan.outputs[i], &value):
            _row(out, use.first_output + i, tag, plan.outputs[i].point_type, s, start_ms, value)
    return True


cdef bint _series_rows(Points* out, NameUse* use, u32 tag, const Series* s, const Merge* m, const PointPlan* plan,
                       Workspace* w, i64 start_ms) noexcept nogil:
    cdef double value = s.value
    if s.type == HISTOGRAM or s.type == TIMER:
        return _histogram_rows(out, use, tag, s, m, plan, w, start_ms)
    if not _name_plain(out, use, s):
        return False
    if s.type == SET:
        value = set_value(w, m, s)
    _row(out, use.plain, tag, COUNTER_POINT if s.type == COUNTER else GAUGE_POINT, s, start_ms, value)
    return True


cdef inline u64 _most_rows(int type_, const PointPlan* plan) noexcept nogil:
    return <u64>plan.n if type_ == HISTOGRAM or type_ == TIMER else 1


cdef u64 _all_rows(const Merge* m, const PointPlan* plan) noexcept nogil:
    """At the most."""
    cdef u64 rows = 0
    cdef u32 i
    cdef int t
    if m.walk.arena != NULL:
        for t in range(SERIES_TYPES):
            rows += m.entries[t] * _most_rows(t, plan)
        return rows
    for i in range(m.count):
        if m.series[i].shown:
            rows += _most_rows(m.series[i].type, plan)
    return rows


cdef bint _columns_open(Points* out, const Merge* m, const PointPlan* plan) noexcept nogil:
    cdef u64 rows = _all_rows(m, plan) + 1
    out.name = <u32*>meter_malloc(out.meter, 4 * rows)
    out.tag = <u32*>meter_malloc(out.meter, 4 * rows)
    out.type = <u8*>meter_malloc(out.meter, rows)
    out.scope = <u8*>meter_malloc(out.meter, rows)
    out.series_type = <u8*>meter_malloc(out.meter, rows)
    out.sinks = <u16*>meter_malloc(out.meter, 2 * rows)
    out.timestamp_ms = <i64*>meter_malloc(out.meter, 8 * rows)
    out.value = <double*>meter_malloc(out.meter, 8 * rows)
    out.own_time = <u8*>meter_malloc(out.meter, rows)
    return (out.name != NULL and out.tag != NULL and out.type != NULL and out.scope != NULL
            and out.series_type != NULL and out.sinks != NULL and out.timestamp_ms != NULL and out.value != NULL
            and out.own_time != NULL and _strings_open(&out.names, out.meter, 8 * m.total))


cdef bint _write_tags(Points* out, const Interner* tags) noexcept nogil:
    cdef u32 i
    if not _strings_open(&out.tags, out.meter, tags.bytes):
        return False
    for i in range(tags.count):
        if _strings_add(&out.tags, tags.strings[i], cut(tags.strings[i].data, 0, 0, 0)) == ABSENT:
            return False
    return True


cdef u32 _await(Waiting* some, const Naming* naming, const Interner* tags, const Merge* m, u32 i) noexcept nogil:
    """Asks memory for what the rows of the next series take, from i on. Returns where to go on."""
    cdef Series* s
    some.n = 0
    while some.n < BLOCK and i < m.count:
        s = &m.series[i]
        i += 1
        if s.shown:
            some.series[some.n] = s
            some.names[some.n] = hash_bytes(&m.key, s.name, s.name_len, 0)
            some.tags[some.n] = hash_bytes(&m.key, s.tags, s.tags_len, 1)
            some.n += 1
    intern_foresee(&naming.bases, some.names, some.n)
    intern_foresee(tags, some.tags, some.n)
    return i


cdef bint _fill(Points* out, Naming* naming, Interner* tags, const Merge* m, const PointPlan* plan, Workspace* w,
                i64 start_ms) noexcept nogil:
    cdef Waiting some
    cdef Series* s
    cdef NameUse* use
    cdef u32 at = 0, tag
    cdef int i
    while at < m.count:
        at = _await(&some, naming, tags, m, at)
        for i in range(some.n):
            s = some.series[i]
            tag = intern(tags, some.tags[i], cut(s.tags, s.tags_len, 0, s.tags_len))
            use = _use_of(out, naming, some.names[i], s)
            if tag == INTERN_FAILED or use == NULL or not _series_rows(out, use, tag, s, m, plan, w, start_ms):
                return False
    return True


cdef bint _fill_all(Points* out, Naming* naming, Merge* m, const PointPlan* plan, Workspace* w, i64 start_ms
                    ) noexcept nogil:
    cdef Interner tags
    cdef bint done = interner_open(&tags, m.meter, 256) and _fill(out, naming, &tags, m, plan, w, start_ms)
    while done and merge_next(m):
        done = _fill(out, naming, &tags, m, plan, w, start_ms)
    done = done and _write_tags(out, &tags)
    interner_close(&tags)
    return done


cdef bint points_make(Points* out, Merge* m, const PointPlan* plan, i64 start_ms, double compression) noexcept nogil:
    """Fills the columns from all pieces of a merge; False when there is no memory (points_free is then still to be
    called)."""
    cdef Naming naming
    cdef Workspace w
    cdef bint done
    memset(out, 0, sizeof(Points))
    out.meter = m.meter
    memset(&naming, 0, sizeof(Naming))
    memset(&w, 0, sizeof(Workspace))
    done = (_naming_open(&naming, m.meter, m.names) and workspace_open(&w, m.meter, plan.n_quantiles, compression)
            and _columns_open(out, m, plan) and _fill_all(out, &naming, m, plan, &w, start_ms) and not out.failed)
    interner_close(&naming.bases)
    meter_free(m.meter, naming.uses)
    workspace_close(&w)
    return done


cdef void points_free(Points* p) noexcept nogil:
    meter_free(p.meter, p.name)
    meter_free(p.meter, p.tag)
    meter_free(p.meter, p.type)
    meter_free(p.meter, p.scope)
    meter_free(p.meter, p.series_type)
    meter_free(p.meter, p.sinks)
    meter_free(p.meter, p.timestamp_ms)
    meter_free(p.meter, p.value)
    meter_free(p.meter, p.own_time)
    meter_free(p.meter, p.names.offsets)
    meter_free(p.meter, p.names.bytes)
    meter_free(p.meter, p.tags.offsets)
    meter_free(p.meter, p.tags.bytes)
    memset(p, 0, sizeof(Points))
