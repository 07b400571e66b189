# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False
"""Applies columns to families and writes them as lines."""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset
from veneurpy.engine.native.buffer cimport buffer_view
from veneurpy.engine.native.compat cimport i64, u8, u32, u64
from veneurpy.engine.native.digits cimport NUMBER_BYTES, write_number
from veneurpy.engine.native.families cimport (
    COUNTER_KIND, GAUGE_KIND, NONE, Families, Family, ShownSeries, families_add, families_add_series, families_close,
    families_expect, families_find, families_kind, families_open, families_order, families_string, foresee_family,
    foresee_metric, foresee_series, foresee_strings, is_probably_new, stem_of,
)
from veneurpy.engine.native.hash cimport HashKey, hash_bytes
from veneurpy.engine.native.labels cimport (
    LabelScratch, label_scratch_free, put_escaped, put_labels, put_metric_name,
)
from veneurpy.engine.native.pool cimport pool_string
from veneurpy.engine.native.slice cimport Slice, cut
from veneurpy.engine.native.text cimport Text, text_byte, text_free, text_put, text_reserve
from veneurpy.engine.native.view cimport ColumnsView, row_at, string_at
cimport cython

cdef enum:
    MOST_CONFLICTS = 2000
    BLOCK = 64                          # rows that wait for memory together
    # What became of a row.
    SHOWN = -1
    TYPE_CONFLICT = 0
    TOO_MANY_SERIES = 1
    RESERVED_NAME = 2
    REASONS = 3
    NO_MEMORY = 3
    BAD_ROW = 4

# What a name or a tag set of the columns is to the families; by index in its table, known at first need.
cdef struct Names:
    u32* sent
    u32* shown[3]                       # names: the metric, by kind; tags: the labels, under 0
    u8* conflicts

cdef struct Work:
    Names names
    Names tags
    Text text
    LabelScratch scratch
    u64 rejected[REASONS]
    u32 conflicts[MOST_CONFLICTS]
    u32 n_conflicts

cdef struct Options:
    u64 max_series
    double last_s[3]                    # by kind
    Slice host
    Slice reserved


cdef inline Slice _text_slice(const Text* t) noexcept nogil:
    return cut(t.data, t.size, 0, t.size)


cdef u32* _unknown(u32 count) noexcept nogil:
    cdef u32* out = <u32*>malloc((<size_t>count + 1) * sizeof(u32))
    if out != NULL:
        memset(out, 0xFF, (<size_t>count + 1) * sizeof(u32))
    return out


cdef bint _work_open(Work* w, ColumnsView v) noexcept nogil:
    memset(w, 0, sizeof(Work))
    w.names.sent = _unknown(v.names.count)
    w.names.shown[COUNTER_KIND] = _unknown(v.names.count)
    w.names.shown[GAUGE_KIND] = _unknown(v.names.count)
    w.names.conflicts = <u8*>calloc(<size_t>v.names.count + 1, 1)
    w.tags.sent = _unknown(v.tags.count)
    w.tags.shown[0] = _unknown(v.tags.count)
    return (w.names.sent != NULL and w.names.shown[COUNTER_KIND] != NULL and w.names.shown[GAUGE_KIND] != NULL
            and w.names.conflicts != NULL and w.tags.sent != NULL and w.tags.shown[0] != NULL)


cdef void _work_close(Work* w) noexcept nogil:
    cdef int i
    free(w.names.sent)
    free(w.tags.sent)
    for i in range(3):
        free(w.names.shown[i])
        free(w.tags.shown[i])
    free(w.names.conflicts)
    text_free(&w.text)
    label_scratch_free(&w.scratch)


cdef bint _put_metric(Text* t, Slice name, int kind) noexcept nogil:
    """What a name is shown as, alone in the text."""
    t.size = 0
    if not put_metric_name(t, name) or not text_reserve(t, 6):
        return False
    if kind == COUNTER_KIND and stem_of(_text_slice(t)).size == t.size:
        text_put(t, cut(b"_total", 6, 0, 6))
    return True


cdef bint _know_name(Families* f, Work* w, Slice name, u32 index, int kind) noexcept nogil:
    """Finds the metric of a name, or makes it where it is new."""
    cdef u32 sent = families_string(f, name), metric
    if sent == NONE:
        return False
    metric = f.roles[sent].shown[kind]
    if metric == NONE:
        if not _put_metric(&w.text, name, kind):
            return False
        metric = families_string(f, _text_slice(&w.text))
        if metric == NONE:
            return False
        f.roles[sent].shown[kind] = metric
    w.names.sent[index] = sent
    w.names.shown[kind][index] = metric
    return True


cdef bint _know_tags(Families* f, Work* w, const Options* o, Slice tags, u32 index) noexcept nogil:
    cdef u32 sent = families_string(f, tags), labels
    if sent == NONE:
        return False
    labels = f.roles[sent].shown[0]
    if labels == NONE:
        w.text.size = 0
        if not put_labels(&w.text, tags, o.host, &w.scratch):
            return False
        labels = families_string(f, _text_slice(&w.text))
        if labels == NONE:
            return False
        f.roles[sent].shown[0] = labels
    w.tags.sent[index] = sent
    w.tags.shown[0][index] = labels
    return True


cdef int _new_series(Families* f, const Options* o, u32 metric, u32 labels, int kind, u32 sent_name, u32 sent_tags,
                     u32* out) noexcept nogil:
    cdef Slice text = pool_string(&f.pool, metric)
    cdef u32 family
    cdef int known
    if text.size >= o.reserved.size and memcmp(text.data, o.reserved.data, <size_t>o.reserved.size) == 0:
        return RESERVED_NAME
    known = families_kind(f, metric)
    if known != 0 and known != kind:
        return NO_MEMORY if known < 0 else TYPE_CONFLICT
    if f.n_series >= o.max_series:
        return TOO_MANY_SERIES
    family = f.roles[metric].family
    if family == NONE:
        family = families_add(f, metric, <u8>kind, sent_name)
    if family == NONE:
        return NO_MEMORY
    out[0] = families_add_series(f, family, labels)
    if out[0] == NONE:
        return NO_MEMORY
    f.series[out[0]].sent_name = sent_name
    f.series[out[0]].sent_tags = sent_tags
    return SHOWN


cdef int _find(Families* f, const Options* o, Work* w, u32 name, u32 tag, int kind, u64* collisions,
               u32* out) noexcept nogil:
    cdef u32 metric = w.names.shown[kind][name], labels = w.tags.shown[0][tag]
    cdef u32 family = f.roles[metric].family
    cdef const ShownSeries* s
    out[0] = NONE
    if family != NONE and f.families[family].kind == kind:
        out[0] = families_find(f, family, labels)
    if out[0] == NONE:
        return _new_series(f, o, metric, labels, kind, w.names.sent[name], w.tags.sent[tag], out)
    s = &f.series[out[0]]
    collisions[0] += s.sent_name != w.names.sent[name] or s.sent_tags != w.tags.sent[tag]
    return SHOWN


cdef inline int _kind(ColumnsView v, Py_ssize_t row) noexcept nogil:
    return COUNTER_KIND if v.type[row] == 0 else GAUGE_KIND


cdef int _know_row(Families* f, const Options* o, Work* w, ColumnsView v, Py_ssize_t row) noexcept nogil:
    cdef u32 name = v.name[row], tag = v.tag[row]
    cdef int kind = _kind(v, row)
    cdef Slice text
    if w.names.shown[kind][name] == NONE:
        text = string_at(&v.names, name)
        if text.data == NULL:
            return BAD_ROW
        if not _know_name(f, w, text, name, kind):
            return NO_MEMORY
    if w.tags.shown[0][tag] == NONE:
        text = string_at(&v.tags, tag)
        if text.data == NULL:
            return BAD_ROW
        if not _know_tags(f, w, o, text, tag):
            return NO_MEMORY
    return SHOWN


cdef bint _foresee_names(Families* f, Work* w, ColumnsView v, const Py_ssize_t* rows, int n) noexcept nogil:
    """Asks memory for what the names of the rows are looked up in, and the metrics of those that are new as well."""
    cdef u64 hashes[BLOCK]
    cdef Py_ssize_t unknown[BLOCK]
    cdef int i, found = 0
    cdef Slice name
    for i in range(n):
        if w.names.shown[_kind(v, rows[i])][v.name[rows[i]]] == NONE:
            name = string_at(&v.names, v.name[rows[i]])
            hashes[found] = hash_bytes(&f.pool.key, name.data, name.size, 0)
            unknown[found] = rows[i]
            found += 1
    foresee_strings(f, hashes, found)
    for i in range(found):
        if is_probably_new(f, hashes[i]):
            name = string_at(&v.names, v.name[unknown[i]])
            if not _put_metric(&w.text, name, _kind(v, unknown[i])) or not foresee_metric(f, _text_slice(&w.text)):
                return False
    return True


cdef void _foresee_tags(const Families* f, const Work* w, ColumnsView v, const Py_ssize_t* rows, int n) noexcept nogil:
    cdef u64 hashes[BLOCK]
    cdef int i, found = 0
    cdef Slice tags
    for i in range(n):
        if w.tags.shown[0][v.tag[rows[i]]] == NONE:
            tags = string_at(&v.tags, v.tag[rows[i]])
            hashes[found] = hash_bytes(&f.pool.key, tags.data, tags.size, 0)
            found += 1
    foresee_strings(f, hashes, found)


cdef int _know_block(Families* f, const Options* o, Work* w, ColumnsView v, const Py_ssize_t* rows,
                     int n) noexcept nogil:
    """Makes metrics and labels of all rows known."""
    cdef u32 metrics[BLOCK]
    cdef u32 labels[BLOCK]
    cdef int i, outcome
    if not _foresee_names(f, w, v, rows, n):
        return NO_MEMORY
    _foresee_tags(f, w, v, rows, n)
    for i in range(n):
        outcome = _know_row(f, o, w, v, rows[i])
        if outcome != SHOWN:
            return outcome
        metrics[i] = w.names.shown[_kind(v, rows[i])][v.name[rows[i]]]
        labels[i] = w.tags.shown[0][v.tag[rows[i]]]
    foresee_series(f, metrics, labels, n)
    return SHOWN


cdef int _apply_row(Families* f, const Options* o, Work* w, ColumnsView v, Py_ssize_t row, i64 start_ms, double now_s,
                    u64* collisions) noexcept nogil:
    cdef int kind = _kind(v, row), outcome
    cdef u32 number
    cdef ShownSeries* s
    outcome = _find(f, o, w, v.name[row], v.tag[row], kind, collisions, &number)
    if outcome != SHOWN:
        return outcome
    s = &f.series[number]
    s.seen_s = now_s
    if kind == COUNTER_KIND:
        s.value += v.value[row]
    elif v.timestamp_ms[row] == start_ms or v.timestamp_ms[row] >= s.timestamp_ms:
        # A sample that carried a time of its own does not replace a newer one.
        s.value = v.value[row]
        s.timestamp_ms = v.timestamp_ms[row]
    return SHOWN


cdef void _reject(Work* w, u32 name, int reason) noexcept nogil:
    w.rejected[reason] += 1
    if reason != TYPE_CONFLICT or w.names.conflicts[name]:
        return
    w.names.conflicts[name] = 1
    if w.n_conflicts < MOST_CONFLICTS:
        w.conflicts[w.n_conflicts] = name
        w.n_conflicts += 1


cdef int _apply_block(Families* f, const Options* o, Work* w, ColumnsView v, Py_ssize_t start, i64 start_ms,
                      double now_s, u64* collisions) noexcept nogil:
    """At most BLOCK rows, from `start` on."""
    cdef Py_ssize_t rows[BLOCK]
    cdef int n = 0, i, outcome
    while n < BLOCK and start + n < v.n_rows:
        rows[n] = row_at(v, start + n)
        if rows[n] < 0 or v.name[rows[n]] >= v.names.count or v.tag[rows[n]] >= v.tags.count:
            return BAD_ROW
        n += 1
    outcome = _know_block(f, o, w, v, rows, n)
    if outcome != SHOWN:
        return outcome
    for i in range(n):
        outcome = _apply_row(f, o, w, v, rows[i], start_ms, now_s, collisions)
        if outcome == NO_MEMORY:
            return outcome
        if outcome != SHOWN:
            _reject(w, v.name[rows[i]], outcome)
    return SHOWN


cdef int _apply(Families* f, const Options* o, Work* w, ColumnsView v, i64 start_ms, double now_s,
                u64* collisions) noexcept nogil:
    cdef Py_ssize_t start = 0
    cdef int outcome
    if not _work_open(w, v):
        return NO_MEMORY
    # Each row's name and tags, unless it shares them.
    families_expect(f, min(<u64>v.n_rows, <u64>v.names.count) + min(<u64>v.n_rows, <u64>v.tags.count),
                    min(<u64>v.n_rows, o.max_series))
    while start < v.n_rows:
        outcome = _apply_block(f, o, w, v, start, start_ms, now_s, collisions)
        if outcome != SHOWN:
            return outcome
        start += BLOCK
    return SHOWN


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


cdef bint _expire(Families* f, const Options* o, double now_s) noexcept nogil:
    """Builds the families anew without what has expired, if anything has. False: no memory, and nothing changed."""
    cdef Families kept
    cdef u32 i, n = 0
    for i in range(f.n_series):
        n += _is_living(f, o, &f.series[i], now_s)
    if n == f.n_series:
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
        cdef int outcome
        self._enter()
        try:
            with nogil:
                outcome = _apply(&self.families, &self.options, &work, view, start_ms, now_s, &self._collisions)
                _work_close(&work)
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
