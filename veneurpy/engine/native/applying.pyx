# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A name's metric and a tag set's labels are made at first need; rows go in blocks that wait for memory together."""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memset
from veneurpy.engine.native.families cimport (
    COUNTER_KIND, GAUGE_KIND, NONE, ShownSeries, families_add, families_add_series, families_expect, families_find,
    families_kind, families_string, foresee_metric, foresee_series, foresee_strings, is_probably_new, stem_of,
)
from veneurpy.engine.native.hash cimport hash_bytes
from veneurpy.engine.native.labels cimport label_scratch_free, put_labels, put_metric_name
from veneurpy.engine.native.pool cimport pool_string
from veneurpy.engine.native.slice cimport cut
from veneurpy.engine.native.text cimport text_free, text_put, text_reserve
from veneurpy.engine.native.view cimport row_at, string_at

cdef enum:
    BLOCK = 64                          # rows that wait for memory together


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


cdef void work_close(Work* w) noexcept nogil:
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


cdef int apply_columns(Families* f, const Options* o, Work* w, ColumnsView v, i64 start_ms, double now_s,
                       u64* collisions) noexcept nogil:
    """SHOWN, NO_MEMORY or BAD_ROW; what became of single rows is in `w`, which is to be closed in any case."""
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
