# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""What a reader did, as Accounts."""
from libc.string cimport memset
from veneurpy.engine.native.arena cimport (
    IGNORED_KINDS, LINE_REASONS, SERIES_TYPES, VALUE_REASONS, Entry, Walk, next_entry, walk_entries,
)
from veneurpy.engine.native.compat cimport u64
from veneurpy.engine.native.rewriting cimport Rewrite, rewrite_of
from veneurpy.engine.native.samples cimport samples_of

from veneurpy.engine import types


cdef u64 _count_samples(const Arena* a, const Rewrites* rewrites, int number, u64* by_type) noexcept nogil:
    """Adds up, series by series, the samples that the arena holds: the ledger's "aggregated".

    Returns those of series that are dropped, which are not among them.
    """
    cdef Walk walk = walk_entries(a)
    cdef Entry* e = next_entry(&walk)
    cdef const Rewrite* r
    cdef u64 position = 0, filtered = 0
    while e != NULL:
        r = rewrite_of(rewrites, number, position, e.type)
        if r != NULL and r.dropped:
            filtered += samples_of(a, e)
        else:
            by_type[e.type] += samples_of(a, e)
        position += 1
        e = next_entry(&walk)
    return filtered


cdef void _mend(Counters* c, const u64* by_type) noexcept nogil:
    """A dead process's counters were ahead of its store, or behind it, by the batch under way: the store is right."""
    cdef int i
    c.datagrams = c.whole + c.truncated
    c.lines = c.accepted + c.pending
    for i in range(LINE_REASONS):
        c.lines += c.rejected[i]
    c.values = 0
    for i in range(SERIES_TYPES):
        c.values += by_type[i]
    for i in range(VALUE_REASONS):
        c.values += c.values_rejected[i]


cdef object counters_accounts(const Counters* c):
    """An Accounts of what the counters say, nothing aggregated yet."""
    cdef int i
    out = types.Accounts(
        datagrams=c.datagrams, bytes=c.bytes, whole=c.whole, truncated=c.truncated,
        lines=c.lines, accepted=c.accepted, pending=c.pending, values=c.values, folded=c.folded,
    )
    for i in range(LINE_REASONS):
        out.rejected[types.LINE_REASONS[i]] = c.rejected[i]
    for i in range(VALUE_REASONS):
        out.values_rejected[types.VALUE_REASONS[i]] = c.values_rejected[i]
    for i in range(IGNORED_KINDS):
        out.ignored[types.IGNORED_FIELDS[i]] = c.ignored[i]
    return out


cdef object arena_accounts(const Arena* a, u32 kernel_drops, const Rewrites* rewrites, int number):
    """What one reader did, its store added up series by series."""
    cdef u64 by_type[SERIES_TYPES]
    cdef Counters counters = a.header.counters
    cdef u64 filtered
    cdef int i
    memset(by_type, 0, sizeof(by_type))
    with nogil:
        filtered = _count_samples(a, rewrites, number, by_type)
        if a.salvaged != NULL:
            _mend(&counters, by_type)
            counters.values += filtered
    out = counters_accounts(&counters)
    out.kernel_drops = kernel_drops
    out.filtered = filtered
    for i in range(SERIES_TYPES):
        out.aggregated[types.MetricType(i)] = by_type[i]
    return out
