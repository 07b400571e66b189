# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The table of names, and the watches on those of many spellings. All of their memory is the arena's."""
from libc.string cimport memcmp, memcpy, memset
from veneurpy.engine.native.arena cimport (
    FIRST_SET_CLASS, LAST_SET_CLASS, arena_reuse, arena_take_high, block_free, block_new, block_reference, class_bytes,
    entry_at, entry_key, set_class_after,
)
from veneurpy.engine.native.blocks cimport members_limit
from veneurpy.engine.native.hll cimport (
    hll_dense_add, hll_dense_estimate, hll_dense_from_exact, hll_exact_contains, hll_exact_insert, hll_exact_rehash,
    metrohash64,
)
from veneurpy.engine.native.names cimport Names, name_home
from veneurpy.engine.native.slice cimport compare, cut
from veneurpy.engine.native.tags cimport counted_key, next_plain

cdef enum:
    FIRST_BITS = 10
    LAST_BITS = 18                      # 4 MiB
    SHARE = 32                          # of the arena, at the most: one for the names, one for the watches
    WATCH_CLASS = 0
    KEY_CLASS = 1
    ESTIMATE_EVERY = 256


cdef void names_begin(Arena* a) noexcept nogil:
    """An empty table, of the size that the interval before needed."""
    cdef Names* t = &a.names
    cdef u64 count = t.count, at
    memset(t, 0, sizeof(Names))
    t.most_watch_bytes = a.limit // SHARE
    t.bits = FIRST_BITS
    t.last_bits = FIRST_BITS
    while t.last_bits < LAST_BITS and sizeof(Name) << (t.last_bits + 1) <= a.limit // SHARE:
        t.last_bits += 1
    while t.bits < t.last_bits and (<u64>1 << t.bits) < 2 * count + 2:
        t.bits += 1
    at = arena_take_high(a, sizeof(Name) << t.bits)
    if at:
        t.slots = <Name*>(a.base + at)
        memset(t.slots, 0, sizeof(Name) << t.bits)


cdef Name* name_find(const Arena* a, u64 hash_, Slice name) noexcept nogil:
    """NULL when it is not in the table. What it returns is valid until a name is added."""
    cdef const Names* t = &a.names
    cdef u32 mask = (<u32>1 << t.bits) - 1, mark = <u32>(hash_ >> 32)
    cdef u32 i = name_home(t, hash_)
    cdef Entry* e
    if t.slots == NULL:
        return NULL
    while t.slots[i].entry != 0:
        if t.slots[i].mark == mark:
            e = entry_at(a, <u64>t.slots[i].entry << 4)
            if e.name_len == name.size and memcmp(entry_key(e), name.data, <size_t>name.size) == 0:
                return &t.slots[i]
        i = (i + 1) & mask
    return NULL


cdef Name* _put(Name* slots, u32 bits, const Name* name) noexcept nogil:
    cdef u32 mask = (<u32>1 << bits) - 1
    cdef u32 i = name.mark >> (32 - bits)
    while slots[i].entry != 0:
        i = (i + 1) & mask
    slots[i] = name[0]
    return &slots[i]


cdef bint _grow_names(Arena* a) noexcept nogil:
    """A table of twice the size; the largest is moved within a millisecond or two."""
    cdef Names* t = &a.names
    cdef u64 at = arena_take_high(a, sizeof(Name) << (t.bits + 1)), i
    cdef Name* old = t.slots
    if at == 0:
        t.last_bits = t.bits
        return False
    t.slots = <Name*>(a.base + at)
    memset(t.slots, 0, sizeof(Name) << (t.bits + 1))
    for i in range(<u64>1 << t.bits):
        if old[i].entry != 0:
            _put(t.slots, t.bits + 1, &old[i])
    arena_reuse(a, <u64>(<u8*>old - a.base), sizeof(Name) << t.bits)
    t.bits += 1
    return True


cdef Name* name_add(Arena* a, u64 hash_, const Entry* e) noexcept nogil:
    """A name by its first entry; NULL when the table is full."""
    cdef Names* t = &a.names
    cdef u64 size = <u64>1 << t.bits
    cdef Name name
    if t.slots == NULL:
        return NULL
    # Beyond that a search for a name that is not in it, of which there are many then, would take long.
    if t.count >= size // 2 and (t.bits >= t.last_bits or not _grow_names(a)) and t.count >= size // 8 * 5:
        return NULL
    name.mark = <u32>(hash_ >> 32)
    name.entry = <u32>(<u64>(<const u8*>e - a.base) >> 4)
    name.spellings = 1
    name.watch = 0
    t.count += 1
    return _put(t.slots, t.bits, &name)


cdef Block* _take(Arena* a, int size_class) noexcept nogil:
    """A zeroed block for a watch; NULL beyond their share of the arena."""
    cdef u64 bytes_ = class_bytes(a, size_class)
    cdef Block* b
    if a.names.watch_bytes + bytes_ > a.names.most_watch_bytes:
        return NULL
    b = block_new(a, size_class)
    if b == NULL:
        return NULL
    a.names.watch_bytes += bytes_
    memset(<u8*>b + sizeof(Block), 0, <size_t>(bytes_ - sizeof(Block)))
    b.kind = 0
    b.capacity = <u32>((bytes_ - sizeof(Block)) // 8)
    return b


cdef Watch* watch_open(Arena* a, Name* name) noexcept nogil:
    """The watch on a name, made if need be; NULL when there are too many."""
    cdef Block* b
    cdef Watch* w
    if name.watch:
        return watch_at(a, name.watch)
    if a.names.watches >= MOST_WATCHES:
        return NULL
    b = _take(a, WATCH_CLASS)
    if b == NULL:
        return NULL
    name.watch = <u32>block_reference(a, b)
    w = watch_at(a, name.watch)
    w.entry = name.entry
    w.next = a.names.newest_watch
    a.names.newest_watch = name.watch
    a.names.watches += 1
    return w


cdef inline u64 _value_hash(Slice tag, Slice key) noexcept nogil:
    """The hash of what follows the key."""
    cdef Py_ssize_t start = key.size
    if start < tag.size and tag.data[start] == c':':
        start += 1
    return metrohash64(tag.data + start, <size_t>(tag.size - start))


cdef TagKey* _find_key(const Arena* a, const Watch* w, Slice key) noexcept nogil:
    cdef u32 reference = w.keys
    cdef TagKey* k
    while reference:
        k = tag_key_at(a, reference)
        if k.size == key.size and memcmp(k.text, key.data, <size_t>key.size) == 0:
            return k
        reference = k.next
    return NULL


cdef TagKey* _open_key(Arena* a, Watch* w, Slice key) noexcept nogil:
    """NULL when it is too long, or one too many."""
    cdef TagKey* k = _find_key(a, w, key)
    cdef Block* b
    if k != NULL or w.n_keys >= MOST_KEYS or key.size > LONGEST_KEY:
        return k
    b = _take(a, KEY_CLASS)
    if b == NULL:
        return NULL
    k = tag_key_at(a, <u32>block_reference(a, b))
    k.size = <u16>key.size
    memcpy(k.text, key.data, <size_t>key.size)
    k.next = w.keys
    w.keys = <u32>block_reference(a, b)
    w.n_keys += 1
    return k


cdef inline u64* _words(Block* b) noexcept nogil:
    return <u64*>(<u8*>b + sizeof(Block))


cdef inline bint _is_exact(const Block* b) noexcept nogil:
    return b.kind == 0


cdef Block* _room_for_value(Arena* a, TagKey* k) noexcept nogil:
    """The block, grown if it is at its limit; NULL when there is no memory for that."""
    cdef Block* old = block_at(a, k.values) if k.values else NULL
    cdef Block* b
    if old == NULL:
        b = _take(a, FIRST_SET_CLASS)
    elif not _is_exact(old) or k.distinct < members_limit(old):
        return old
    else:
        b = _take(a, set_class_after(old.size_class))
    if b == NULL:
        return NULL
    if old != NULL:
        if old.size_class == LAST_SET_CLASS:
            hll_dense_from_exact(_words(old), old.capacity, <u8*>_words(b))
            b.kind = 1
        else:
            hll_exact_rehash(_words(old), old.capacity, _words(b), b.capacity)
        a.names.watch_bytes -= class_bytes(a, old.size_class)
        block_free(a, old)
    k.values = <u32>block_reference(a, b)
    return b


cdef void _take_value(Arena* a, TagKey* k, u64 hash_) noexcept nogil:
    cdef Block* b = block_at(a, k.values) if k.values else NULL
    if b != NULL and _is_exact(b) and hll_exact_contains(_words(b), b.capacity, hash_):
        return
    b = _room_for_value(a, k)
    if b == NULL:
        return
    if _is_exact(b):
        k.distinct += hll_exact_insert(_words(b), b.capacity, hash_)
        return
    hll_dense_add(<u8*>_words(b), hash_)
    k.news += 1
    if k.news == ESTIMATE_EVERY:
        k.news = 0
        k.distinct = <u32>(hll_dense_estimate(<u8*>_words(b)) + 0.5)


cdef void watch_take(Arena* a, Watch* w, Slice tags, u32 most) noexcept nogil:
    """Counts the values of a line's tags; of a key that has `most` values (if not 0) no more."""
    cdef Slice tag, key
    cdef TagKey* k
    while next_plain(&tags, &tag):
        key = counted_key(tag)
        k = _open_key(a, w, key)
        if k != NULL and (most == 0 or k.distinct < most):
            _take_value(a, k, _value_hash(tag, key))


cdef bint watch_refuses(const Arena* a, const Watch* w, Slice tags, u32 most) noexcept nogil:
    """Has one of the tags a key of `most` values already, and a value that is not known to be one of them."""
    cdef Slice tag, key
    cdef const TagKey* k
    cdef Block* b
    while next_plain(&tags, &tag):
        key = counted_key(tag)
        k = _find_key(a, w, key)
        if k == NULL or k.distinct < most or k.values == 0:
            continue
        b = block_at(a, k.values)
        if not _is_exact(b) or not hll_exact_contains(_words(b), b.capacity, _value_hash(tag, key)):
            return True
    return False


cdef TagKey* watch_worst(const Arena* a, const Watch* w) noexcept nogil:
    """The key of the most values, of equal ones the first by its bytes; NULL where none was seen."""
    cdef u32 reference = w.keys
    cdef TagKey* worst = NULL
    cdef TagKey* k
    while reference:
        k = tag_key_at(a, reference)
        if worst == NULL or k.distinct > worst.distinct or (
                k.distinct == worst.distinct
                and compare(cut(k.text, k.size, 0, k.size), cut(worst.text, worst.size, 0, worst.size)) < 0):
            worst = k
        reference = k.next
    return worst
