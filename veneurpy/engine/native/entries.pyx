# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Writing entries.

A spelling that is not in normal form has a second slot in the table, under the hash of its form: so a series is found
whichever spelling brought it.
"""
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport (
    COUNTER, DIGEST_CLASS, ENTRY_CANONICAL, ENTRY_CONFLICT, ENTRY_TIMESTAMP, GAUGE, Block, Header, Weights,
    arena_room_low, arena_take_high, arena_weigh, block_new, block_reference, entry_at, entry_bytes, entry_key,
    table_step,
)
from veneurpy.engine.native.compat cimport barrier, prefetch, store_pair, u16, u32, u64
from veneurpy.engine.native.forms cimport FORM_OTHER, Form, form_make
from veneurpy.engine.native.hash cimport hash_mark, hash_tags, timestamp_mark
from veneurpy.engine.native.names cimport Name
from veneurpy.engine.native.pair cimport counted
from veneurpy.engine.native.reserve cimport Reserve
from veneurpy.engine.native.rewriting cimport Chosen, Rewrite
from veneurpy.engine.native.scope cimport GLOBAL, LOCAL, MIXED
from veneurpy.engine.native.slice cimport Slice, cut, equal, next_part, same_bytes
from veneurpy.engine.native.table cimport slot_of, slot_offset, table_home, table_limit, table_put
from veneurpy.engine.native.tag_patterns cimport Choice
from veneurpy.engine.native.tags cimport TagFacts, tag_facts
from veneurpy.engine.native.weight cimport carried_weight, is_distribution, name_weight, new_name_weight, series_weight

cdef enum:
    ENTRIES_SHARE = 128                 # of the limit, kept for entries of folded series, and again for their blocks
    MOST_FOR_ENTRIES = 1 << 19          # some 5,000 folded series
    FOLD_FLUSH_SHARE = 16               # of the limit, kept for the flush of folded series
    MOST_FOR_FLUSH = 1 << 22
    GROWTH_SHARE = 32                   # of the limit, for series that are known when it comes near
    REWRITE_TEXT_BYTES = 120            # of a key, a pattern or a tag of one: slices, Python objects
    REWRITE_BYTES = 320                 # of a rewrite's other Python objects
    NUMBER_BYTES = 4                    # of the series' name, among those that are rewritten
    VERDICT_BYTES = 8                   # on one of its tags
    FIRST_KEPT = 2                      # smaller blocks cannot hold a digest
    WRITE_AHEAD = 512                   # bytes: some four entries


cdef void reserve_begin(Arena* a) noexcept nogil:
    """Sets aside, in an arena that has just begun, what `Reserve` describes."""
    cdef u64 share = a.limit // ENTRIES_SHARE
    cdef Block* b
    cdef int k
    memset(&a.reserve, 0, sizeof(Reserve))
    a.reserve.growth = a.limit // GROWTH_SHARE
    share = (share if share < MOST_FOR_ENTRIES else MOST_FOR_ENTRIES) & ~<u64>15
    if arena_room_low(a, share):
        a.reserve.entries = share
    a.reserve.pool = arena_take_high(a, share)
    a.reserve.pool_end = a.reserve.pool + share if a.reserve.pool else 0
    share = a.limit // FOLD_FLUSH_SHARE
    share = share if share < MOST_FOR_FLUSH else MOST_FOR_FLUSH
    if arena_weigh(a, share):
        a.reserve.flush = share
    for k in range(FIRST_KEPT, DIGEST_CLASS + 1):
        b = block_new(a, k)
        if b != NULL:
            a.reserve.kept[k] = <u32>block_reference(a, b)


cdef u64 _hash_of(const Arena* a, const Item* it, const u8* tags, Py_ssize_t size) noexcept nogil:
    """The hash of the item with other tags."""
    cdef const Header* h = a.header
    cdef u64 hash_ = hash_tags(&h.identity.key, it.name_hash, tags, size) ^ hash_mark(&h.identity.key, it.type)
    if it.has_timestamp:
        hash_ ^= timestamp_mark(&h.identity.key, it.timestamp)
    return hash_


cdef void respell(const Arena* a, Item* out, const Item* it, Slice tags) noexcept nogil:
    """The same line with other tags."""
    out[0] = it[0]
    out.tags = tags.data
    out.tags_len = <u32>tags.size
    out.hash = _hash_of(a, it, tags.data, tags.size)


cdef bint _is_series(Former* f, Entry* e, const Item* it, Slice text) noexcept nogil:
    """Is it the item's series, if the item's tags have this form."""
    cdef u8* key = entry_key(e)
    cdef Slice tags = cut(key, <Py_ssize_t>e.name_len + e.tags_len, e.name_len, <Py_ssize_t>e.name_len + e.tags_len)
    cdef Form form
    if e.name_len != it.name_len or e.type != it.type or not same_bytes(key, it.name, it.name_len):
        return False
    if ((e.flags & ENTRY_TIMESTAMP) != 0) != (it.has_timestamp != 0):
        return False
    if it.has_timestamp and not same_bytes(key + e.name_len + e.tags_len, <const u8*>&it.timestamp, 8):
        return False
    if e.flags & ENTRY_CANONICAL:
        return equal(tags, text)
    return form_make(f, FORM_OTHER, tags, NULL, &form) and equal(form.text, text)


cdef Entry* _search(const Arena* a, const u64* slots, u32 bits, Former* f, const Item* it, Slice text, u64 hash_
                    ) noexcept nogil:
    cdef u64 mask = (<u64>1 << bits) - 1
    cdef u64 i = table_home(hash_, bits)
    cdef Entry* e
    while slots[i] != 0:
        if slots[i] >> 32 == hash_ >> 32:
            e = entry_at(a, slot_offset(slots[i]))
            if _is_series(f, e, it, text):
                return e
        i = (i + 1) & mask
    return NULL


cdef Entry* entry_of_form(const Arena* a, Former* f, const Item* it, Slice text) noexcept nogil:
    """The item's series by whichever spelling it came; NULL when it is not in the store. `text` is its tags' form."""
    cdef u64 hash_ = _hash_of(a, it, text.data, text.size)
    cdef Entry* e = _search(a, a.table.slots, a.table.bits, f, it, text, hash_)
    if e == NULL and a.table.old != NULL:
        e = _search(a, a.table.old, a.table.old_bits, f, it, text, hash_)
    return e


cdef u8 _flags(TagFacts facts, bint has_timestamp) noexcept nogil:
    cdef u8 flags = LOCAL if facts.local else GLOBAL if facts.global_ else MIXED
    if facts.canonical:
        flags |= ENTRY_CANONICAL
    if facts.local and facts.global_:
        flags |= ENTRY_CONFLICT
    if has_timestamp:
        flags |= ENTRY_TIMESTAMP
    return flags


cdef u8 entry_flags(Slice tags, bint has_timestamp) noexcept nogil:
    """What an entry says of its tags."""
    return _flags(tag_facts(tags), has_timestamp)


cdef u64 _rewrite_bytes(const Weights* w, Slice tags, u64 name_len, u64 added, const Name* name) noexcept nogil:
    """What the rewrite of an item's series takes at the flush. `added`: the most bytes of new tags."""
    cdef u64 each = sizeof(Rewrite) + REWRITE_BYTES + name_len + 2 * added + w.rewrite_slices * REWRITE_TEXT_BYTES
    cdef u64 total = NUMBER_BYTES
    if name == NULL:
        total += new_name_weight() + each
    if w.rewrites_chosen:
        total += sizeof(Chosen)
        if name == NULL:
            total += sizeof(Choice)
        if name == NULL or name.spellings < w.rewrites_chosen:
            # The array of rewrites is there twice while it gets longer.
            total += new_name_weight() + each + 2 * sizeof(Rewrite)
    if w.judges:
        while tags.size >= 0:
            next_part(&tags, c',')
            total += new_name_weight() + VERDICT_BYTES
    return total


cdef u64 _flush_bytes(const Arena* a, const Item* it, TagFacts facts, const Name* name) noexcept nogil:
    """What the item's series takes at the flush. `name` is what is known of its metric name, or NULL."""
    cdef const Weights* w = &a.weights
    cdef bint rewritten = not facts.canonical or w.implicit_bytes != 0 or w.rewrites
    cdef u64 added = w.rewrite_bytes + w.rewrite_ratio * <u64>it.name_len
    cdef u64 tags_len = it.tags_len + added
    cdef u64 total = series_weight(w, it.type, tags_len, rewritten, facts.sinks)
    cdef u64 name_len = it.name_len
    cdef bint named = False
    if w.rewrites:
        if name_len < w.name_bytes + w.name_ratio * it.name_len:
            name_len = w.name_bytes + w.name_ratio * it.name_len
        total += _rewrite_bytes(w, cut(it.tags, it.tags_len, 0, it.tags_len), name_len, added, name)
    if name == NULL:
        total += new_name_weight()
    else:
        named = is_distribution(entry_at(a, <u64>name.entry << 4).type) == is_distribution(it.type)
    if not named:
        total += name_weight(w, it.type, name_len)
    if it.type == GAUGE and w.carries and not it.has_timestamp:
        total += carried_weight(w, name_len, tags_len, facts.sinks)
    return total


cdef bint _room_in_table(Arena* a, bint folded) noexcept nogil:
    """Room for two slots; a table that cannot grow keeps some for folded series."""
    cdef u64 size
    while a.table.count + 1 >= table_limit(&a.table):
        if a.table.stuck and a.table.next == NULL and a.table.old == NULL:
            size = <u64>1 << a.table.bits
            return folded and a.table.count + 2 <= size - size // 16
        table_step(a)
    return True


cdef bint _room_for_new(Arena* a, u64 size, u64 flush_bytes) noexcept nogil:
    """A new series leaves alone what is kept for folded ones, and what known ones may grow into."""
    cdef bint room
    a.flush_bytes += a.reserve.growth
    room = arena_weigh(a, flush_bytes)
    if room and not arena_room_low(a, size + a.reserve.entries):
        a.flush_bytes -= flush_bytes
        room = False
    a.flush_bytes -= a.reserve.growth
    return room


cdef bint _room_for_folded(Arena* a, u64 size, u64 flush_bytes) noexcept nogil:
    """What is kept for folded series is for a full store: those that a budget asks for before do not use it up."""
    if _room_for_new(a, size, flush_bytes):
        return True
    if not arena_room_low(a, size):
        return False
    if a.reserve.flush >= flush_bytes:
        a.reserve.flush -= flush_bytes
        return True
    return arena_weigh(a, flush_bytes)


cdef inline bint _room_for_entry(Arena* a, u64 size, u64 flush_bytes, bint folded) noexcept nogil:
    return _room_for_folded(a, size, flush_bytes) if folded else _room_for_new(a, size, flush_bytes)


cdef void _add_form_slot(Arena* a, Former* f, const Item* it, u64 at) noexcept nogil:
    cdef Form form
    if form_make(f, FORM_OTHER, cut(it.tags, it.tags_len, 0, it.tags_len), NULL, &form):
        table_put(a.table.slots, a.table.bits, slot_of(_hash_of(a, it, form.text.data, form.text.size), at))
        a.table.count += 1


cdef Entry* entry_write(Arena* a, Former* f, const Item* it, const Name* name, bint folded) noexcept nogil:
    """A new entry with no values, published to the walk and to the table; NULL when full."""
    cdef Header* h = a.header
    cdef u64 at = h.lo_used
    cdef Entry* e = entry_at(a, at)
    cdef u64 size = entry_bytes(it.type, it.name_len, it.tags_len, it.has_timestamp != 0)
    cdef TagFacts facts = tag_facts(cut(it.tags, it.tags_len, 0, it.tags_len))
    cdef u8 flags = _flags(facts, it.has_timestamp != 0)
    cdef u64 flush_bytes = _flush_bytes(a, it, facts, name)
    cdef u8* key
    if not _room_in_table(a, folded) or not _room_for_entry(a, size, flush_bytes, folded):
        return NULL
    # The next ones go behind it.
    prefetch(<u8*>e + WRITE_AHEAD)
    prefetch(<u8*>e + WRITE_AHEAD + 64)
    memset(e, 0, sizeof(Entry))
    if it.type == GAUGE:
        memset(<u8*>e + sizeof(Entry), 0, 16)
    e.hash = it.hash
    e.name_len = <u16>it.name_len
    e.tags_len = <u16>it.tags_len
    e.type = it.type
    e.flags = flags
    e.size16 = <u16>(size >> 4)
    if it.type == COUNTER or it.type == GAUGE:
        store_pair(&e.lo, 0, counted(0, 0))
    key = entry_key(e)
    memcpy(key, it.name, it.name_len)
    if it.tags_len:
        memcpy(key + it.name_len, it.tags, it.tags_len)
    if it.has_timestamp:
        memcpy(key + it.name_len + it.tags_len, &it.timestamp, 8)
    barrier()
    h.lo_used = at + size
    barrier()
    table_put(a.table.slots, a.table.bits, slot_of(it.hash, at))
    a.table.count += 1
    h.entries[it.type] += 1
    if not flags & ENTRY_CANONICAL or it.has_timestamp:
        h.irregular += 1
    if not flags & ENTRY_CANONICAL:
        _add_form_slot(a, f, it, at)
    return e
