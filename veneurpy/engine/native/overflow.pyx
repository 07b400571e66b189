# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""New spellings: within the budgets of their name, or folded, reduced or rejected."""
from libc.string cimport memset
from veneurpy.engine.native.arena cimport ENTRY_CONFLICT, GAUGE, VALUE_OVER_BUDGET, VALUE_STORE_FULL, Arena
from veneurpy.engine.native.budget cimport DROP_TAG, REJECT, Rule, rule_of
from veneurpy.engine.native.clients cimport client_made, clients_of
from veneurpy.engine.native.compat cimport u32
from veneurpy.engine.native.counting cimport (
    MOST_SINK_FOLDS, TagKey, Watch, name_add, name_find, watch_open, watch_refuses, watch_take, watch_worst,
)
from veneurpy.engine.native.entries cimport entry_of_form, entry_write, respell
from veneurpy.engine.native.forms cimport FORM_LINE, FORM_REDUCED, Form, form_fold, form_make
from veneurpy.engine.native.lookup cimport find_spelling
from veneurpy.engine.native.names cimport Name
from veneurpy.engine.native.slice cimport Slice, cut

# What is known of a new line's name.
cdef struct Case:
    const Rule* rule
    Slice name
    Slice tags
    Name* entry
    u32 spellings
    Watch* watch
    bint client_over                    # a series of its own is not the client's to begin


cdef Case _case_of(Store* s, const Item* it) noexcept nogil:
    cdef Case k
    k.name = cut(it.name, it.name_len, 0, it.name_len)
    k.tags = cut(it.tags, it.tags_len, 0, it.tags_len)
    k.rule = rule_of(&s.budget, k.name)
    k.entry = name_find(s.arena, it.name_hash, k.name)
    k.spellings = k.entry.spellings if k.entry != NULL else 0
    k.watch = NULL
    k.client_over = False
    if k.entry != NULL and k.spellings >= k.rule.watch_from:
        k.watch = watch_open(s.arena, k.entry)
    return k


cdef inline bint _is_client_over(const Store* s) noexcept nogil:
    return (s.client != NULL and s.client_series != 0 and s.client.series >= s.client_series
            and s.client != clients_of(s.arena))


cdef bint _is_over(const Arena* a, const Case* k) noexcept nogil:
    if k.rule.max_series and k.spellings >= k.rule.max_series:
        return True
    return (k.rule.max_values != 0 and k.watch != NULL
            and watch_refuses(a, k.watch, k.tags, k.rule.max_values))


cdef inline bint _may_stand_in(const Store* s, const Case* k) noexcept nogil:
    """Beyond its bound a client may begin so many folded or reduced series again: it can make up names."""
    return not k.client_over or s.client.stand_ins < s.client_series


cdef Entry* _stand_in(Store* s, const Case* k, const Item* it, bint folded) noexcept nogil:
    """A new series that stands for others; NULL when the store is full."""
    cdef Entry* e = entry_write(s.arena, &s.former, it, k.entry, folded)
    if e != NULL and k.client_over:
        s.client.stand_ins += 1
    return e


cdef bint _may_reduce(const Store* s, const Case* k, Slice tags) noexcept nogil:
    """May another series be made by leaving a tag out: not where what remains has too many values as well."""
    if k.rule.max_series != 0 and k.watch.reduced >= k.rule.max_series:
        return False
    if k.rule.max_values != 0 and watch_refuses(s.arena, k.watch, tags, k.rule.max_values):
        return False
    return _may_stand_in(s, k)


cdef Entry* _admit(Store* s, Case* k, const Item* it) noexcept nogil:
    """A series of its own, and counted; NULL when the store is full."""
    cdef Entry* e = entry_write(s.arena, &s.former, it, k.entry, False)
    if e == NULL:
        return NULL
    if k.entry == NULL:
        k.entry = name_add(s.arena, it.name_hash, e)
        if k.entry != NULL and k.rule.watch_from == 0:
            k.watch = watch_open(s.arena, k.entry)
    else:
        k.entry.spellings += 1
    if k.watch != NULL:
        watch_take(s.arena, k.watch, k.tags, k.rule.max_values)
    if s.client != NULL:
        client_made(s.arena, s.client, e, s.client_weight)
    return e


cdef Entry* _reduce(Store* s, Case* k, const Item* it, const Form* whole) noexcept nogil:
    """The series without the tag that has the most values; NULL where there is none, or no more may be made."""
    cdef Arena* a = s.arena
    cdef TagKey* worst = watch_worst(a, k.watch) if k.watch != NULL else NULL
    cdef Slice key
    cdef Form form
    cdef Item reduced
    cdef Entry* e
    if worst == NULL:
        return NULL
    key = cut(worst.text, worst.size, 0, worst.size)
    if not form_make(&s.former, FORM_REDUCED, k.tags, &key, &form) or form.text.size == whole.text.size:
        return NULL
    e = entry_of_form(a, &s.former, it, form.text)
    if e == NULL and _may_reduce(s, k, form.text):
        respell(a, &reduced, it, form.text)
        e = _stand_in(s, k, &reduced, False)
        if e != NULL:
            k.watch.reduced += 1
    return e


cdef Entry* _fold(Store* s, const Case* k, const Item* it, const Form* form, int* reason) noexcept nogil:
    """The series that stands for what its name may not have; NULL when there cannot be one."""
    cdef Arena* a = s.arena
    cdef Slice tags
    cdef Item folded
    cdef Entry* e
    if not form_fold(&s.former, form, &tags):
        return NULL
    respell(a, &folded, it, tags)
    e = find_spelling(a, &folded)
    if e != NULL:
        return e
    if not _may_stand_in(s, k):
        reason[0] = VALUE_OVER_BUDGET
        return NULL
    if form.has_sinks and k.watch != NULL:
        # Any client can make up sinks.
        if k.watch.sink_folds >= MOST_SINK_FOLDS:
            reason[0] = VALUE_OVER_BUDGET
            return NULL
        k.watch.sink_folds += 1
    return _stand_in(s, k, &folded, True)


cdef void _place_excess(Store* s, Case* k, const Item* it, bint full, Place* p) noexcept nogil:
    """The name or the client is at a bound, or the store is full."""
    cdef Form form
    p.reason = VALUE_STORE_FULL if full else VALUE_OVER_BUDGET
    if not form_make(&s.former, FORM_LINE, k.tags, NULL, &form):
        return
    p.conflict = form.conflict
    p.entry = entry_of_form(s.arena, &s.former, it, form.text)
    if p.entry != NULL:
        return
    if k.client_over:
        s.client.over += it.n
    if k.watch != NULL:
        watch_take(s.arena, k.watch, k.tags, k.rule.max_values)
    if it.type != GAUGE and (full or k.rule.on_overflow != REJECT):
        if not full and k.rule.on_overflow == DROP_TAG:
            p.entry = _reduce(s, k, it, &form)
        if p.entry == NULL:
            p.reason = VALUE_STORE_FULL
            p.entry = _fold(s, k, it, &form, &p.reason)
    p.folded = p.entry != NULL
    if k.watch != NULL:
        if p.folded:
            k.watch.folded += it.n
        else:
            k.watch.rejected += it.n


cdef Place place_new(Store* s, const Item* it) noexcept nogil:
    """A spelling that is not in the store; its name and tags are text."""
    cdef Case k = _case_of(s, it)
    cdef Place p
    cdef bint over
    k.client_over = _is_client_over(s)
    over = k.client_over or _is_over(s.arena, &k)
    memset(&p, 0, sizeof(Place))
    if not over:
        p.entry = _admit(s, &k, it)
        if p.entry != NULL:
            p.conflict = p.entry.flags & ENTRY_CONFLICT != 0
            return p
    _place_excess(s, &k, it, not over, &p)
    return p


cdef Entry* place_folded(Store* s, const Item* it) noexcept nogil:
    """Where a sample goes for which its own series, which is known, has no room to grow; NULL: nowhere."""
    cdef Case k = _case_of(s, it)
    cdef Form form
    cdef int reason
    if not form_make(&s.former, FORM_LINE, k.tags, NULL, &form):
        return NULL
    return _fold(s, &k, it, &form, &reason)
