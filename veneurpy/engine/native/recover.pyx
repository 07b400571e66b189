# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Reading an arena without trusting it. The mapping is private: mending it leaves the file as it is."""
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset
from posix.types cimport off_t
from posix.unistd cimport lseek
from veneurpy.engine.native.arena cimport (
    ARENA_CLOSED, ARENA_FREE, ARENA_MAGIC, ARENA_OPEN, ARENA_VERSION, ENTRY_CANONICAL, ENTRY_TIMESTAMP,
    FIRST_SET_CLASS, HEADER_BYTES, LINE_REASONS, MESSAGES_AT, RECEIVES, SERIES_TYPES, SET, SNAPSHOT_EVERY,
    VALUE_REASONS, Block, Counters, Entry, Header, Identity, SideRecord, Snapshot, class_bytes, entry_at,
)
from veneurpy.engine.native.blocks cimport DENSE, EXACT, block_slots, digest_overhead
from veneurpy.engine.native.changes cimport changes_salvage
from veneurpy.engine.native.check cimport hash_check
from veneurpy.engine.native.compat cimport BATCH, batch_fetched, empty, map_file, munmap, u8, u32, u64
from veneurpy.engine.native.hll cimport HLL_REGISTERS, hll_dense_add, hll_exact_insert
from veneurpy.engine.native.sound cimport block_of, has_no_sample, is_entry, is_sound, likely_bytes
from veneurpy.engine.native.store cimport GROUP

cdef enum:
    LARGEST_DIGEST_BLOCK = 1 << 20
    LARGEST_DATAGRAM = 1 << 20          # the stretch of a stream that is fed at once, too
    MOST_SINCE = SNAPSHOT_EVERY + BATCH
    MOST_IN_VAIN = 8                    # times what there is
    SEEK_DATA = 3
    SEEK_HOLE = 4


cdef void salvage_close(Arena* a) noexcept nogil:
    """Unmaps it. Idempotent."""
    free(a.salvaged)
    a.salvaged = NULL
    if a.base != NULL:
        empty(a.base, a.size)
        munmap(a.base, a.size)
        a.base = NULL


cdef void _finish_set_sample(Arena* a) noexcept nogil:
    """Does again what the journal says was under way; done twice is done once."""
    cdef u64 at = a.header.journal.entry
    cdef Entry* e
    cdef Block* b
    if at < HEADER_BYTES or at & 15 or likely_bytes(a, at) == 0:
        return
    e = entry_at(a, at)
    if not is_entry(a, e):
        return
    b = block_of(a, e)
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
        size = likely_bytes(a, at)
        if size == 0 or not is_entry(a, e):
            vain += size
            # The next sound entry is found by its hash; a stretch of unreadable bytes counts once.
            out.broken += not lost
            lost = True
            at += 16
            continue
        lost = False
        at += size
        missing -= missing > 0
        if has_no_sample(e):
            continue
        if not is_sound(a, e):
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
