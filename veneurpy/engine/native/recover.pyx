# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Reading an arena without trusting it. The mapping is private: mending it leaves the file as it is."""
from libc.math cimport fabs, isfinite
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset
from posix.types cimport off_t
from posix.unistd cimport lseek
from veneurpy.engine.native.arena cimport (
    ARENA_CLOSED, ARENA_FREE, ARENA_MAGIC, ARENA_OPEN, ARENA_VERSION, BLOCK_CLASSES, COUNTER, DIGEST_CLASS,
    ENTRY_CANONICAL, ENTRY_CHANGED, ENTRY_TIMESTAMP, FIRST_SET_CLASS, GAUGE, HEADER_BYTES, LINE_REASONS,
    MESSAGES_AT, RECEIVES, SCOPE_MASK, SERIES_TYPES, SET, SNAPSHOT_EVERY, VALUE_REASONS, Arena, Block, Counters,
    Entry, Header, Identity, SideRecord, Snapshot, class_bytes, entry_at, entry_bytes, entry_key, gauge_times,
)
from veneurpy.engine.native.blocks cimport (
    DENSE, DIGEST, DIGEST_WEIGHTED, EXACT, RAW, WEIGHTED, Totals, block_centroids, block_pairs, block_slots,
    block_totals, block_values, digest_overhead, word_block, word_length,
)
from veneurpy.engine.native.changes cimport changes_salvage
from veneurpy.engine.native.check cimport hash_check
from veneurpy.engine.native.compat cimport BATCH, batch_fetched, empty, i64, map_file, munmap, u8, u32, u64
from veneurpy.engine.native.entries cimport entry_flags
from veneurpy.engine.native.hash cimport hash_mark, hash_pair, timestamp_mark
from veneurpy.engine.native.hll cimport HLL_REGISTERS, hll_dense_add, hll_exact_insert
from veneurpy.engine.native.pair cimport pair_count, pair_is_sound
from veneurpy.engine.native.scope cimport SCOPES
from veneurpy.engine.native.slice cimport cut
from veneurpy.engine.native.store cimport GROUP
from veneurpy.engine.native.tdigest cimport Centroid

cdef enum:
    LARGEST_REGISTER = 51
    LARGEST_DIGEST_BLOCK = 1 << 20
    LARGEST_DATAGRAM = 1 << 20          # the stretch of a stream that is fed at once, too
    MOST_SINCE = SNAPSHOT_EVERY + BATCH
    MOST_IN_VAIN = 8                    # times what there is
    SEEK_DATA = 3
    SEEK_HOLE = 4

cdef double LARGEST_WEIGHT = 1e300


cdef void salvage_close(Arena* a) noexcept nogil:
    """Unmaps it. Idempotent."""
    free(a.salvaged)
    a.salvaged = NULL
    if a.base != NULL:
        empty(a.base, a.size)
        munmap(a.base, a.size)
        a.base = NULL


cdef inline bint _is_value(double v) noexcept nogil:
    return isfinite(v)


cdef inline bint _is_weight(double w) noexcept nogil:
    return 0 < w < LARGEST_WEIGHT


cdef inline u8 _tag_flags(const Entry* e) noexcept nogil:
    """Those that follow from the tags."""
    return <u8>(e.flags & ~ENTRY_CHANGED) if e.type == GAUGE else e.flags


cdef u64 _likely_bytes(const Arena* a, u64 at) noexcept nogil:
    """The size of the entry that stands at `at`, whole as far as its lengths say; 0 where none does."""
    cdef Entry* e
    cdef u64 size
    if at > a.header.lo_used or a.header.lo_used - at < sizeof(Entry):
        return 0
    e = entry_at(a, at)
    if e.type >= SERIES_TYPES or e.flags & SCOPE_MASK >= SCOPES or e.name_len == 0:
        return 0
    size = entry_bytes(e.type, e.name_len, e.tags_len, e.flags & ENTRY_TIMESTAMP != 0)
    return size if <u64>e.size16 << 4 == size and at + size <= a.header.lo_used else 0


cdef bint _is_entry(const Arena* a, Entry* e) noexcept nogil:
    """Of a likely one: is its key as its hash says."""
    cdef u8* key = entry_key(e)
    cdef u64 h
    cdef i64 timestamp
    h = hash_pair(&a.header.identity.key, key, e.name_len, key + e.name_len, e.tags_len)
    h ^= hash_mark(&a.header.identity.key, e.type)
    if e.flags & ENTRY_TIMESTAMP:
        memcpy(&timestamp, key + e.name_len + e.tags_len, 8)
        # The hash has room for so much of it, and no T comes near.
        if timestamp < 1 or timestamp >> 48:
            return False
        h ^= timestamp_mark(&a.header.identity.key, timestamp)
    # The hash does not cover the flags; they follow from the tags.
    return h == e.hash and _tag_flags(e) == entry_flags(
        cut(key + e.name_len, e.tags_len, 0, e.tags_len), e.flags & ENTRY_TIMESTAMP != 0)


cdef Block* _block_of(const Arena* a, const Entry* e) noexcept nogil:
    """The block that an entry names, if it lies in the arena as a whole, above the entries."""
    cdef u64 at = word_block(e.lo) << 4
    cdef Block* b
    if at < a.header.lo_used or at < a.hi_ready or at + sizeof(Block) > a.size:
        return NULL
    b = <Block*>(a.base + at)
    if b.size_class >= BLOCK_CLASSES or at + class_bytes(a, b.size_class) > a.size:
        return NULL
    return b


cdef bint _is_digest(const Arena* a, Block* b) noexcept nogil:
    """The centroids and the totals, which must agree."""
    cdef Totals* t = block_totals(b)
    cdef Centroid* c = block_centroids(b)
    cdef double weight = 0
    cdef u32 i
    # A full arena has digests in smaller blocks as well.
    if b.used > (class_bytes(a, b.size_class) - digest_overhead()) // 16:
        return False
    if b.tail != digest_overhead() + 16 * b.used or not _is_weight(t.weight) or not t.samples:
        return False
    if not _is_value(t.sum) or not _is_value(t.low) or not _is_value(t.high) or t.low > t.high:
        return False
    for i in range(b.used):
        if not _is_value(c[i].mean) or not _is_weight(c[i].weight) or (i and c[i].mean < c[i - 1].mean):
            return False
        weight += c[i].weight
    return fabs(weight - t.weight) <= 1e-6 * t.weight


cdef bint _is_timer(const Arena* a, const Entry* e) noexcept nogil:
    cdef Block* b = _block_of(a, e)
    cdef u32 n = word_length(e.lo), i
    cdef bint pairs
    if b == NULL or b.size_class > DIGEST_CLASS or not RAW <= b.kind <= DIGEST_WEIGHTED:
        return False
    pairs = b.kind == WEIGHTED or b.kind == DIGEST_WEIGHTED
    if b.kind == DIGEST or b.kind == DIGEST_WEIGHTED:
        if not _is_digest(a, b):
            return False
    elif b.used or b.tail != sizeof(Block):
        return False
    if b.capacity != (class_bytes(a, b.size_class) - b.tail) // (16 if pairs else 8) or n > b.capacity:
        return False
    for i in range(n):
        if pairs:
            if not _is_value(block_pairs(b)[i].mean) or not _is_weight(block_pairs(b)[i].weight):
                return False
        elif not _is_value(block_values(b)[i]):
            return False
    return True


cdef bint _mend_set(const Arena* a, Entry* e) noexcept nogil:
    """Checks a set's block and counts its members anew."""
    cdef Block* b = _block_of(a, e)
    cdef u32 members = 0, i
    if b == NULL or e.hi == 0:
        return False
    if b.kind == DENSE:
        if class_bytes(a, b.size_class) < sizeof(Block) + HLL_REGISTERS:
            return False
        for i in range(HLL_REGISTERS):
            if (<u8*>block_slots(b))[i] > LARGEST_REGISTER:
                return False
        return True
    if b.kind != EXACT or b.size_class < FIRST_SET_CLASS:
        return False
    if b.capacity != (class_bytes(a, b.size_class) - sizeof(Block)) // 8:
        return False
    for i in range(b.capacity):
        members += block_slots(b)[i] != 0
    e.lo = (word_block(e.lo) << 32) | members
    return 0 < members < b.capacity and members <= e.hi


cdef bint _is_empty(const Entry* e) noexcept nogil:
    """An entry that was written and got no sample before the end."""
    if e.type == COUNTER or e.type == GAUGE:
        return pair_count(e.hi) == 0 and pair_is_sound(e.lo, e.hi)
    if e.type == SET:
        return e.hi == 0
    return word_block(e.lo) == 0


cdef bint _is_sound(const Arena* a, Entry* e) noexcept nogil:
    cdef double value
    cdef i64 ns = gauge_times(e)[pair_count(e.hi) & 1] if e.type == GAUGE else 1
    # A gauge's time has no check, but none was ever before 1970; one that was never written is 0, whatever changed it.
    if ns < 0 or (ns == 0 and e.lo != 0):
        return False
    if e.type == COUNTER or e.type == GAUGE:
        value = (<double*>&e.lo)[0]
        return pair_count(e.hi) > 0 and pair_is_sound(e.lo, e.hi) and _is_value(value)
    return _mend_set(a, e) if e.type == SET else _is_timer(a, e)


cdef void _finish_set_sample(Arena* a) noexcept nogil:
    """Does again what the journal says was under way; done twice is done once."""
    cdef u64 at = a.header.journal.entry
    cdef Entry* e
    cdef Block* b
    if at < HEADER_BYTES or at & 15 or _likely_bytes(a, at) == 0:
        return
    e = entry_at(a, at)
    if not _is_entry(a, e):
        return
    b = _block_of(a, e)
    if e.type != SET or e.hi != a.header.journal.samples or b == NULL:
        return
    if b.kind == DENSE and class_bytes(a, b.size_class) >= sizeof(Block) + HLL_REGISTERS:
        hll_dense_add(<u8*>block_slots(b), a.header.journal.hash)
        e.hi += 1
    elif b.kind == EXACT and b.size_class >= FIRST_SET_CLASS and _has_free_slot(a, b):
        hll_exact_insert(block_slots(b), b.capacity, a.header.journal.hash)
        e.hi += 1


cdef bint _has_free_slot(const Arena* a, Block* b) noexcept nogil:
    cdef u32 i
    if b.capacity != (class_bytes(a, b.size_class) - sizeof(Block)) // 8:
        return False
    for i in range(b.capacity):
        if block_slots(b)[i] == 0:
            return True
    return False


cdef void _salvage_entries(Arena* a, Salvage* out) noexcept nogil:
    """Lists the sound entries, and counts anew what the header says of them."""
    cdef Header* h = a.header
    cdef u64 at = HEADER_BYTES, missing = 0, vain = 0, size
    cdef u64 before = out.broken
    cdef bint lost = False
    cdef Entry* e
    cdef int i
    for i in range(SERIES_TYPES):
        missing += h.entries[i]
    memset(h.entries, 0, sizeof(h.entries))
    h.irregular = 0
    # Bytes that look like an entry at every step would have each key hashed again, all but its first bytes.
    while at + sizeof(Entry) <= h.lo_used and vain <= MOST_IN_VAIN * h.lo_used:
        e = entry_at(a, at)
        size = _likely_bytes(a, at)
        if size == 0 or not _is_entry(a, e):
            vain += size
            # The next sound entry is found by its hash; a stretch of unreadable bytes counts once.
            out.broken += not lost
            lost = True
            at += 16
            continue
        lost = False
        at += size
        missing -= missing > 0
        if _is_empty(e):
            continue
        if not _is_sound(a, e):
            out.broken += 1
            continue
        a.salvaged[a.n_salvaged] = <u32>((<u8*>e - a.base) >> 4)
        a.n_salvaged += 1
        h.entries[e.type] += 1
        h.irregular += not e.flags & ENTRY_CANONICAL or e.flags & ENTRY_TIMESTAMP != 0
    # An entry is counted after it is there: where fewer are found, the header does not tell how far they go.
    out.broken += missing > 0 and out.broken == before


cdef void _salvage_side_log(Arena* a, Salvage* out) noexcept nogil:
    """Cuts the list where a record does not lie in the arena, or not above the one that is newer."""
    cdef u64* link = &a.header.side_log
    cdef u64 at = link[0], before = HEADER_BYTES - 1
    cdef SideRecord* record
    while at:
        if at & 15 or at <= before or at < a.hi_ready or at > a.size - sizeof(SideRecord):
            break
        record = <SideRecord*>(a.base + at)
        if record.size > a.size - at - sizeof(SideRecord):
            break
        out.side_lines += 1
        before = at
        link = &record.previous
        at = link[0]
    link[0] = 0
    # A line, too, is counted after it is there.
    out.broken += out.side_lines < a.header.counters.pending
    a.header.counters.pending = out.side_lines


cdef inline bint _is_near(u64 now, u64 before, u64 most) noexcept nogil:
    """Has it grown since, and by so much at the most."""
    return before <= now <= before + most


cdef bint _are_likely(const Counters* now, const Counters* before) noexcept nogil:
    """Can it be that the one became the other within some batches, the last of which was cut short."""
    cdef const u64* words = <const u64*>now
    cdef const u64* earlier = <const u64*>before
    cdef u64 most = now.bytes - before.bytes + now.datagrams - before.datagrams
    cdef u64 settled = now.accepted + now.pending, values = 0
    cdef size_t i
    if not _is_near(now.datagrams, before.datagrams, MOST_SINCE):
        return False
    if not _is_near(now.bytes, before.bytes, MOST_SINCE * LARGEST_DATAGRAM):
        return False
    # A datagram is counted, then whether it is whole, and its lines before they are understood.
    if not _is_near(now.datagrams, now.whole + now.truncated, 1):
        return False
    for i in range(sizeof(Counters) // 8):
        # A value that finds no room is taken off `folded` again.
        if not _is_near(words[i], earlier[i], most) and words + i != &now.folded:
            return False
    for i in range(LINE_REASONS):
        settled += now.rejected[i]
    for i in range(VALUE_REASONS):
        values += now.values_rejected[i]
    return _is_near(now.lines, settled, GROUP + 1) and values <= now.values and now.folded <= now.values


cdef const Snapshot* _last_snapshot(const Header* h) noexcept nogil:
    """The newer of those that are sound; NULL when none is."""
    cdef const Snapshot* found = NULL
    cdef int i
    for i in range(2):
        if h.snapshots[i].check != hash_check(&h.snapshots[i].counters, sizeof(Counters)):
            continue
        if found == NULL or h.snapshots[i].counters.datagrams > found.counters.datagrams:
            found = &h.snapshots[i]
    return found


cdef void _check_accounts(Header* h, Salvage* out) noexcept nogil:
    """Accounts that cannot be right are taken back to the last ones that are."""
    cdef const Snapshot* before = _last_snapshot(h)
    if before == NULL:
        out.broken += 1
        memset(&h.counters, 0, sizeof(Counters))
    elif not _are_likely(&h.counters, &before.counters):
        out.broken += 1
        h.counters = before.counters


cdef inline bint _are_in_step(const Header* h) noexcept nogil:
    """Do the numbers of datagrams read, applied and counted go together."""
    if h.applied > h.read:
        # A batch was done, and not yet counted as read.
        return h.applied - h.read <= BATCH and h.counters.datagrams == h.applied
    # A datagram that somebody else received is counted as read first.
    return h.read - h.applied <= 1 and _is_near(h.counters.datagrams, h.applied, BATCH)


cdef void _count_lost(const Arena* a, Salvage* out) noexcept nogil:
    """What was in hand at the death: handed over by the last receive call, and not applied."""
    cdef const Header* h = a.header
    cdef int fetched = 0
    cdef u64 before = out.broken
    # A closed arena's successor has what was in hand.
    if h.receives == RECEIVES and h.state != ARENA_CLOSED:
        fetched = batch_fetched(a.base + MESSAGES_AT)
    elif h.receives != 0 and h.receives != RECEIVES:
        out.broken += 1
    if fetched < 0:
        out.broken += 1
        fetched = 0
    if not _are_in_step(h):
        out.broken += out.broken == before
        out.lost = <u64>fetched
    elif h.read + <u64>fetched > h.applied:
        out.lost = h.read + <u64>fetched - h.applied


cdef inline bint _is_identity(const Identity* i, u64 size) noexcept nogil:
    return (i.check == hash_check(i, sizeof(Identity) - 8) and i.size == size
            and digest_overhead() + 16 <= i.digest_bytes <= LARGEST_DIGEST_BLOCK and not i.digest_bytes & 15)


cdef int _check_header(const Arena* a, const u8* boot_id, Salvage* out) noexcept nogil:
    cdef Header* h = a.header
    # Being prepared: the file is still empty, or its arena is.
    if h.state == ARENA_FREE or (h.state == 0 and h.magic == 0):
        return NOTHING_IN_IT
    if h.magic != ARENA_MAGIC or h.version != ARENA_VERSION:
        return NOT_AN_ARENA
    if not _is_identity(&h.twin, a.size):
        out.broken += 1
        h.twin = h.identity
    if not _is_identity(&h.identity, a.size):
        out.broken += 1
        h.identity = h.twin
    if not _is_identity(&h.identity, a.size):
        return NO_NAME
    if memcmp(h.identity.name.boot_id, boot_id, 16) != 0:
        return OTHER_BOOT
    out.broken += h.state != ARENA_OPEN and h.state != ARENA_CLOSED
    return SALVAGED


cdef void _find_memory(Arena* a, int fd) noexcept nogil:
    """What lies in the hole between the file's ends was never written: to read it would take memory, or fail for it."""
    cdef off_t hole = lseek(fd, 0, SEEK_HOLE), data
    a.lo_ready = a.size if hole < HEADER_BYTES else <u64>hole
    a.hi_ready = HEADER_BYTES
    if a.lo_ready < a.size:
        data = lseek(fd, hole, SEEK_DATA)
        a.hi_ready = a.size if data < 0 else <u64>data


cdef int salvage(Arena* a, int fd, u64 size, const u8* boot_id, Salvage* out) noexcept nogil:
    """Maps a file of `size` bytes and lists what of it is sound; anything but SALVAGED leaves nothing mapped."""
    cdef int verdict
    memset(a, 0, sizeof(Arena))
    memset(out, 0, sizeof(Salvage))
    a.fd = -1
    if size == 0:
        return NOTHING_IN_IT
    if size < 2 * HEADER_BYTES or size & 4095 or size >> 36:
        return NOT_AN_ARENA
    a.base = <u8*>map_file(fd, size, False)
    if a.base == NULL:
        return NO_MEMORY
    a.size = size
    a.header = <Header*>a.base
    verdict = _check_header(a, boot_id, out)
    if verdict != SALVAGED:
        salvage_close(a)
        return verdict
    _find_memory(a, fd)
    a.header.lo_used = min(max(a.header.lo_used, <u64>HEADER_BYTES), a.lo_ready)
    a.digest_bytes = a.header.identity.digest_bytes
    a.salvaged = <u32*>malloc(4 * (a.header.lo_used // sizeof(Entry) + 1))
    if a.salvaged == NULL:
        salvage_close(a)
        return NO_MEMORY
    _check_accounts(a.header, out)
    _count_lost(a, out)
    _finish_set_sample(a)
    _salvage_entries(a, out)
    out.broken += not changes_salvage(a)
    out.series = a.n_salvaged
    _salvage_side_log(a, out)
    return SALVAGED
