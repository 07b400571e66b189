# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One walk over the closed arenas, added up by name."""
import ipaddress
from array import array

from libc.string cimport memset
from veneurpy.engine.native.arena cimport (
    COUNTER, GAUGE, Block, Entry, Walk, block_at, class_bytes, entry_at, entry_key, next_entry, walk_entries,
)
from veneurpy.engine.native.blocks cimport word_block
from veneurpy.engine.native.clients cimport (
    IP4, IP6, NOBODY, OTHER_CLIENTS, Client, Made, MadeBlock, clients_of,
)
from veneurpy.engine.native.compat cimport u8, u32
from veneurpy.engine.native.counting cimport TagKey, Watch, watch_at, watch_worst
from veneurpy.engine.native.hash cimport hash_bytes
from veneurpy.engine.native.intern cimport INTERN_FAILED, Interner, intern, interner_close, interner_open
from veneurpy.engine.native.meter cimport Meter, meter_calloc, meter_free, meter_malloc
from veneurpy.engine.native.samples cimport samples_of
from veneurpy.engine.native.slice cimport Slice, cut

from veneurpy.engine import types
from veneurpy.engine.ranking import leading
from veneurpy.engine.types import ClientTop, NameTop, add_clients

cdef enum:
    SLOT_BYTES = 16                     # of the table, at a load of a half
    LEAST_BITS = 1 << 16
    MOST_BITS = 1 << 26                 # 8 MiB

# What a list can be sorted by.
cdef enum:
    SAMPLES = 0
    SERIES = 1
    NEW = 2
    BYTES = 3
    VALUES = 4
    FOLDED = 5
    REJECTED = 6
    FIGURES = 7

cdef struct Sum:
    u64 figures[FIGURES]
    TagKey* tag
    bint picked

cdef struct Sums:
    Meter* meter
    Interner names
    Sum* sums
    u64 room


cdef void seen_close(Seen* s) noexcept nogil:
    if s.words != NULL:
        meter_free(s.meter, s.words)
    s.words = NULL


cdef bint _seen_open(Seen* s, Meter* meter, u64 entries) noexcept nogil:
    cdef u64 bits = LEAST_BITS
    while bits < MOST_BITS and bits < 16 * entries:
        bits *= 2
    s.meter = meter
    s.words = <u64*>meter_calloc(meter, bits // 64, 8)
    s.mask = bits - 1
    return s.words != NULL


cdef inline bint _has(const Seen* s, u64 bit) noexcept nogil:
    bit &= s.mask
    return s.words[bit >> 6] >> (bit & 63) & 1


cdef inline void _mark(Seen* s, u64 bit) noexcept nogil:
    bit &= s.mask
    s.words[bit >> 6] |= <u64>1 << (bit & 63)


cdef inline bint _was_seen(const Seen* s, u64 hash_) noexcept nogil:
    return s.words != NULL and _has(s, hash_) and _has(s, hash_ >> 32) and _has(s, hash_ >> 16)


cdef Sum* _sum_of(Sums* all_, const HashKey* key, Slice name) noexcept nogil:
    """NULL when there is no memory."""
    cdef u32 number = intern(&all_.names, hash_bytes(key, name.data, name.size, 0), name)
    if number == INTERN_FAILED or number >= all_.room:
        return NULL
    return &all_.sums[number]


cdef u64 _bytes_of(const Arena* a, const Entry* e) noexcept nogil:
    cdef u64 bytes_ = (<u64>e.size16 << 4) + SLOT_BYTES
    if e.type != COUNTER and e.type != GAUGE and word_block(e.lo):
        bytes_ += class_bytes(a, block_at(a, word_block(e.lo)).size_class)
    return bytes_


cdef void _add_entries(Sums* all_, const Arena* a, const HashKey* key, const Seen* before, Seen* now) noexcept nogil:
    cdef Walk walk = walk_entries(a)
    cdef Entry* e = next_entry(&walk)
    cdef Sum* s
    while e != NULL:
        s = _sum_of(all_, key, cut(entry_key(e), e.name_len, 0, e.name_len))
        if s != NULL:
            s.figures[SAMPLES] += samples_of(a, e)
            s.figures[SERIES] += 1
            s.figures[NEW] += not _was_seen(before, e.hash)
            s.figures[BYTES] += _bytes_of(a, e)
        _mark(now, e.hash)
        _mark(now, e.hash >> 32)
        _mark(now, e.hash >> 16)
        e = next_entry(&walk)


cdef void _add_watches(Sums* all_, const Arena* a, const HashKey* key) noexcept nogil:
    cdef u32 reference = a.names.newest_watch
    cdef Watch* w
    cdef Entry* e
    cdef Sum* s
    cdef TagKey* worst
    while reference:
        w = watch_at(a, reference)
        e = entry_at(a, <u64>w.entry << 4)
        s = _sum_of(all_, key, cut(entry_key(e), e.name_len, 0, e.name_len))
        if s != NULL:
            s.figures[FOLDED] += w.folded
            s.figures[REJECTED] += w.rejected
            worst = watch_worst(a, w)
            if worst != NULL and worst.distinct > s.figures[VALUES]:
                s.figures[VALUES] = worst.distinct
                s.tag = worst
        reference = w.next


cdef void _sift(const Sum* sums, u32* heap, int n, int figure) noexcept nogil:
    """Lets the first of a heap, whose least is the first, sink to its place."""
    cdef int root = 0, child = 1
    cdef u32 top = heap[0]
    while child < n:
        if child + 1 < n and sums[heap[child + 1]].figures[figure] < sums[heap[child]].figures[figure]:
            child += 1
        if sums[top].figures[figure] <= sums[heap[child]].figures[figure]:
            break
        heap[root] = heap[child]
        root = child
        child = 2 * root + 1
    heap[root] = top


cdef void _pick(Sums* all_, u32* heap, int most, int figure) noexcept nogil:
    """Marks the names of the largest figures."""
    cdef u32 i
    cdef int n = 0, at
    for i in range(all_.names.count):
        if all_.sums[i].figures[figure] == 0:
            continue
        if n < most:
            at = n
            n += 1
            while at > 0 and all_.sums[heap[(at - 1) // 2]].figures[figure] > all_.sums[i].figures[figure]:
                heap[at] = heap[(at - 1) // 2]
                at = (at - 1) // 2
            heap[at] = i
        elif all_.sums[i].figures[figure] > all_.sums[heap[0]].figures[figure]:
            heap[0] = i
            _sift(all_.sums, heap, n, figure)
    for at in range(n):
        all_.sums[heap[at]].picked = True


cdef bint _add_up(Sums* all_, Arena** arenas, int n, const HashKey* key, Seen* before, int most) noexcept nogil:
    cdef Meter* meter = all_.meter
    cdef u64 entries = 0
    cdef Seen now
    cdef u32* heap
    cdef int i, t
    for i in range(n):
        for t in range(5):
            entries += arenas[i].header.entries[t]
    all_.room = entries
    all_.sums = <Sum*>meter_calloc(meter, entries + 1, sizeof(Sum))
    heap = <u32*>meter_malloc(meter, (<u64>most + 1) * sizeof(u32))
    if all_.sums == NULL or heap == NULL or not interner_open(&all_.names, meter, 256) or \
            not _seen_open(&now, meter, entries):
        meter_free(meter, heap)
        return False
    for i in range(n):
        _add_entries(all_, arenas[i], key, before, &now)
        _add_watches(all_, arenas[i], key)
    seen_close(before)
    before[0] = now
    for i in range(FIGURES):
        _pick(all_, heap, most, i)
    meter_free(meter, heap)
    return True


cdef object _name_top(const Sum* s, Slice name):
    tag = "" if s.tag == NULL else (<const char*>s.tag.text)[:s.tag.size].decode()
    text = (<const char*>name.data)[:name.size].decode("utf-8", "replace")
    return NameTop(text, s.figures[SAMPLES], s.figures[SERIES], s.figures[NEW], s.figures[BYTES], tag,
                   s.figures[VALUES], s.figures[FOLDED], s.figures[REJECTED])


cdef str _client_name(const Client* c):
    """As people write it; "" for all that had no account of their own."""
    raw = (<const char*>c.name)[:c.size]
    if c.kind == IP4 or c.kind == IP6:
        return str(ipaddress.ip_address(raw))
    return raw.decode("utf-8", "replace")


cdef void _add_made(const Arena* a, const Seen* before, u64* new, u64* bytes_) noexcept nogil:
    """What the series are that each client made."""
    cdef u32 reference = a.clients.made, i
    cdef MadeBlock* block
    cdef Made* made
    cdef Entry* e
    while reference:
        block = <MadeBlock*>(<u8*>block_at(a, reference) + sizeof(Block))
        for i in range(block.n):
            made = &block.made[i]
            e = entry_at(a, <u64>made.entry << 4)
            new[made.client] += made.weight * (not _was_seen(before, e.hash))
            bytes_[made.client] += made.weight * _bytes_of(a, e)
        reference = block.next


cdef dict _clients_of(const Arena* a, const Seen* before):
    """ClientTop by name, of one reader."""
    cdef const Client* table = clients_of(a)
    cdef const Client* c
    cdef u64[:] new = array("Q", bytes(8 * a.clients.size))
    cdef u64[:] bytes_ = array("Q", bytes(8 * a.clients.size))
    cdef u32 i
    if table == NULL:
        return {}
    with nogil:
        _add_made(a, before, &new[0], &bytes_[0])
    out = {}
    for i in range(a.clients.size):
        c = &table[i]
        if c.kind != NOBODY or (i == OTHER_CLIENTS and c.datagrams):
            name = _client_name(c)
            out[name] = ClientTop(name, c.datagrams, c.samples, c.series, new[i], bytes_[i], c.folded, c.rejected,
                                  c.over)
    return out


cdef tuple _clients(Arena** arenas, int n, const Seen* before, int most):
    cdef int i
    sums = {}
    for i in range(n):
        for name, top in _clients_of(arenas[i], before).items():
            sums[name] = add_clients(sums[name], top) if name in sums else top
    return leading(sums.values(), types.CLIENT_FIGURES, most)


cdef object top_of(Meter* meter, Arena** arenas, int n, const HashKey* key, Seen* before, int most):
    """The names that are among the first `most` by any figure, and the clients that are.

    `before` becomes what was seen in this interval.
    """
    cdef Sums all_
    cdef bint done
    cdef u32 i
    memset(&all_, 0, sizeof(all_))
    all_.meter = meter
    clients = _clients(arenas, n, before, most)
    try:
        with nogil:
            done = _add_up(&all_, arenas, n, key, before, most)
        if not done:
            raise MemoryError("no memory to add up the interval by name")
        out = []
        for i in range(all_.names.count):
            if all_.sums[i].picked:
                out.append(_name_top(&all_.sums[i], all_.names.strings[i]))
        return tuple(out), clients
    finally:
        interner_close(&all_.names)
        meter_free(meter, all_.sums)
