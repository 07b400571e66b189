# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False
"""Families that are filled, forget what has expired, and are written as lines."""
from libc.string cimport memcpy
from veneurpy.engine.native.applying cimport (
    BAD_ROW, NO_MEMORY, REASONS, RESERVED_NAME, TOO_MANY_SERIES, TYPE_CONFLICT, Options, Work, apply_columns,
    work_close,
)
from veneurpy.engine.native.buffer cimport buffer_view
from veneurpy.engine.native.compat cimport i64, u32, u64
from veneurpy.engine.native.digits cimport NUMBER_BYTES, write_number
from veneurpy.engine.native.families cimport (
    COUNTER_KIND, GAUGE_KIND, NONE, Families, Family, ShownSeries, families_add, families_add_series, families_close,
    families_open, families_order, families_string, foresee_family,
)
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.labels cimport put_escaped
from veneurpy.engine.native.pool cimport pool_string
from veneurpy.engine.native.slice cimport Slice, cut
from veneurpy.engine.native.text cimport Text, text_byte, text_free, text_put, text_reserve
from veneurpy.engine.native.view cimport ColumnsView
cimport cython


cdef inline bint _is_living(const Families* f, const Options* o, const ShownSeries* s, double now_s) noexcept nogil:
    return s.seen_s >= now_s - o.last_s[f.families[s.family].kind]


cdef bint _keep_series(const Families* old, Families* new, const ShownSeries* s) noexcept nogil:
    cdef const Family* of = &old.families[s.family]
    cdef u32 metric = families_string(new, pool_string(&old.pool, of.metric))
    cdef u32 labels = families_string(new, pool_string(&old.pool, s.labels))
    cdef u32 first_name = families_string(new, pool_string(&old.pool, of.sent_name))
    cdef u32 sent_name = families_string(new, pool_string(&old.pool, s.sent_name))
    cdef u32 sent_tags = families_string(new, pool_string(&old.pool, s.sent_tags))
    cdef u32 family, number
    cdef ShownSeries* kept
    if metric == NONE or labels == NONE or first_name == NONE or sent_name == NONE or sent_tags == NONE:
        return False
    family = new.roles[metric].family
    if family == NONE:
        family = families_add(new, metric, of.kind, first_name)
    if family == NONE:
        return False
    number = families_add_series(new, family, labels)
    if number == NONE:
        return False
    kept = &new.series[number]
    kept.value = s.value
    kept.seen_s = s.seen_s
    kept.timestamp_ms = s.timestamp_ms
    kept.sent_name = sent_name
    kept.sent_tags = sent_tags
    return True


cdef inline bint _has_strays(const Families* f) noexcept nogil:
    """More than a few for what there is: to build the families anew costs as much as they are."""
    return 4 * f.strays > f.n_series + 256


cdef bint _expire(Families* f, const Options* o, double now_s) noexcept nogil:
    """Builds the families anew without what has expired, if anything has, and without strings that nobody shows.

    False: no memory, and nothing changed.
    """
    cdef Families kept
    cdef u32 i, n = 0
    for i in range(f.n_series):
        n += _is_living(f, o, &f.series[i], now_s)
    if n == f.n_series and not _has_strays(f):
        return True
    if not families_open(&kept, &f.pool.key):
        families_close(&kept)
        return False
    for i in range(f.n_series):
        if _is_living(f, o, &f.series[i], now_s) and not _keep_series(f, &kept, &f.series[i]):
            families_close(&kept)
            return False
    families_close(f)
    f[0] = kept
    return True


cdef bint _put_head(Text* t, const Families* f, const Family* family) noexcept nogil:
    cdef Slice metric = pool_string(&f.pool, family.metric), sent = pool_string(&f.pool, family.sent_name)
    cdef Slice word = cut(b"counter", 7, 0, 7) if family.kind == COUNTER_KIND else cut(b"gauge", 5, 0, 5)
    if not text_reserve(t, 2 * metric.size + 2 * sent.size + 64):
        return False
    text_put(t, cut(b"# HELP ", 7, 0, 7))
    text_put(t, metric)
    text_put(t, cut(b" StatsD ", 8, 0, 8))
    text_put(t, word)
    text_byte(t, c" ")
    if not put_escaped(t, sent, False):
        return False
    text_put(t, cut(b"\n# TYPE ", 8, 0, 8))
    text_put(t, metric)
    text_byte(t, c" ")
    text_put(t, word)
    text_byte(t, c"\n")
    return True


cdef bint _put_family(Text* t, const Families* f, const Options* o, const Family* family, double now_s) noexcept nogil:
    cdef Slice metric = pool_string(&f.pool, family.metric), labels
    cdef u32 number = family.first
    cdef const ShownSeries* s
    cdef bint headed = False
    while number != NONE:
        s = &f.series[number]
        number = s.next
        if not _is_living(f, o, s, now_s):
            continue
        if not headed and not _put_head(t, f, family):
            return False
        headed = True
        labels = pool_string(&f.pool, s.labels)
        if not text_reserve(t, metric.size + labels.size + NUMBER_BYTES + 2):
            return False
        text_put(t, metric)
        text_put(t, labels)
        text_byte(t, c" ")
        t.size += write_number(t.data + t.size, s.value)
        text_byte(t, c"\n")
    return True


cdef bint _put_all(Text* t, Families* f, const Options* o, double now_s) noexcept nogil:
    """Families in the order of their metrics."""
    cdef u32 i
    if not families_order(f):
        return False
    for i in range(f.n_families):
        foresee_family(f, i)
        if not _put_family(t, f, o, &f.families[f.order[i]], now_s):
            return False
    return True


@cython.final
cdef class Exposition:
    cdef Families families
    cdef Options options
    cdef u64 _collisions
    cdef bytes host
    cdef bytes reserved
    cdef bint in_use

    def __cinit__(self, *, bytes key, u64 max_series, double counters_last_s, double gauges_last_s, bytes host,
                  bytes reserved):
        cdef HashKey hash_key
        if len(key) != sizeof(hash_key.secret):
            raise ValueError(f"a key of {sizeof(hash_key.secret)} bytes was expected")
        memcpy(hash_key.secret, <const char*>key, sizeof(hash_key.secret))
        self.host = host
        self.reserved = reserved
        self.options.max_series = max_series
        self.options.last_s[COUNTER_KIND] = counters_last_s
        self.options.last_s[GAUGE_KIND] = gauges_last_s
        self.options.host = cut(self.host, len(host), 0, len(host))
        self.options.reserved = cut(self.reserved, len(reserved), 0, len(reserved))
        if not families_open(&self.families, &hash_key):
            raise MemoryError("no memory for an exposition")

    def __dealloc__(self):
        families_close(&self.families)

    def __len__(self):
        return self.families.n_series

    @property
    def collisions(self):
        return self._collisions

    cdef int _enter(self) except -1:
        if self.in_use:
            raise RuntimeError("an exposition is for one thread at a time")
        self.in_use = True
        return 0

    def apply(self, ColumnsView view not None, *, i64 start_ms, double now_s):
        cdef Work work
        cdef u64 collisions = self._collisions
        cdef int outcome, i
        self._enter()
        try:
            with nogil:
                outcome = apply_columns(&self.families, &self.options, &work, view, start_ms, now_s, &self._collisions)
                self.families.strays += self._collisions - collisions
                for i in range(REASONS):
                    self.families.strays += work.rejected[i]
                if _has_strays(&self.families):
                    _expire(&self.families, &self.options, now_s)
                work_close(&work)
            if outcome == BAD_ROW:
                raise ValueError("a row is not of this schema")
            if outcome == NO_MEMORY:
                raise MemoryError("no memory for an exposition")
            rejected = work.rejected[TYPE_CONFLICT], work.rejected[TOO_MANY_SERIES], work.rejected[RESERVED_NAME]
            return rejected, [work.conflicts[i] for i in range(work.n_conflicts)]
        finally:
            self.in_use = False

    def expire(self, double now_s):
        cdef bint done
        self._enter()
        try:
            with nogil:
                done = _expire(&self.families, &self.options, now_s)
            if not done:
                raise MemoryError("no memory for an exposition")
        finally:
            self.in_use = False

    def text(self, double now_s):
        cdef Text t = Text(NULL, 0, 0)
        cdef bint done
        self._enter()
        try:
            with nogil:
                done = _put_all(&t, &self.families, &self.options, now_s)
            if not done:
                raise MemoryError("no memory for a scrape")
            return buffer_view(None, <void**>&t.data, t.size, 1, c"B")
        finally:
            text_free(&t)
            self.in_use = False
