# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The receive loop: a batch of datagrams a system call, no GIL, no Python object."""
from libc.errno cimport EAGAIN, EBADF, EINTR, ENOTSOCK
from veneurpy.engine.native.arena cimport (
    ARENA_CLOSED, MESSAGES_AT, RECEIVES, SNAPSHOT_EVERY, Arena, Counters, Header, arena_snapshot,
)
from veneurpy.engine.native.clients cimport IP4, IP6, TEXT, Client, client_of, client_settle
from veneurpy.engine.native.compat cimport (
    BATCH, MEM_DROPS, MEM_WORDS, barrier, batch_ask_credentials, batch_clear, batch_credentials, batch_cut,
    batch_data, batch_len, batch_move, batch_name, batch_new, batch_receive, batch_sender, clz64, i64, is_unix,
    load_acquire, meminfo, realtime_ns, receive_buffer, sleep_ns, store_release, u32, u64, u8, unlikely,
    wait_for_ever, wake,
)
from veneurpy.engine.native.origin cimport NAME_BYTES, Sender, origin_name, origin_take
from veneurpy.engine.native.parser cimport parse_datagram, parser_flush
from veneurpy.engine.native.ring cimport ring_fetch, ring_take, ring_take_batch
from veneurpy.engine.native.store cimport Store, store_begin

cdef enum:
    WAKE_AGAIN_NS = 100_000
    ERROR_PAUSE_NS = 1_000_000
    NAP_NS = 1_000_000
    SHORTEST_NAP_NS = 100_000
    DATAGRAM_BYTES = 2304               # what a small datagram takes of the receive buffer, at the most

# A nap is worth it when it saves some calls of the kernel; below so many a millisecond it would only add one.
cdef double LEAST_PACE = 4.0
cdef double LATELY_NS = 32e6            # bursts and the pauses between them count together


cdef inline void _receive_into(Receiver* r, Arena* arena) noexcept nogil:
    """Has the kernel tell the arena what it hands over, so that a death within the receive call is no secret."""
    batch_move(r.batch, arena.base + MESSAGES_AT)
    barrier()
    arena.header.receives = RECEIVES
    barrier()


cdef bint receiver_attach(Receiver* r, int fd, Py_ssize_t max_bytes) noexcept nogil:
    """Gives the reader a socket; False when there is no memory for its buffers."""
    cdef u32 words[MEM_WORDS]
    r.fd = fd
    r.batch = batch_new(<size_t>max_bytes)
    if r.batch == NULL:
        return False
    batch_ask_credentials(r.batch, fd)
    _receive_into(r, r.arena)
    wait_for_ever(fd)
    # A quarter of the buffer may fill up during a nap; the rest is for the unexpected.
    # A Unix socket queues a few datagrams only, and then its senders wait.
    r.most_asleep = 0.0 if is_unix(fd) else receive_buffer(fd) / DATAGRAM_BYTES / 4
    if meminfo(fd, words) == 0:
        r.drops_seen = words[MEM_DROPS]
    return True


cdef u32 receiver_new_drops(Receiver* r) noexcept nogil:
    """Datagrams that the kernel dropped on this socket since the last call (its counter is a u32 and wraps)."""
    cdef u32 words[MEM_WORDS]
    cdef u32 before = r.drops_seen
    cdef u32 left = r.drops_left
    r.drops_left = 0
    if r.fd < 0 or meminfo(r.fd, words) != 0:
        return left
    r.drops_seen = words[MEM_DROPS]
    return left + r.drops_seen - before


cdef void receiver_detach(Receiver* r) noexcept nogil:
    """Asks the kernel for the last time: the descriptor may be closed, and its number be another's, from now on."""
    r.drops_left = receiver_new_drops(r)
    r.fd = -1


cdef void receiver_swap(Receiver* r) noexcept nogil:
    """Closes the open arena and goes on in the spare one, with the datagrams in hand."""
    # Where both are open, between these two stores, what is in hand is counted in both.
    if r.batch != NULL:
        _receive_into(r, r.spare)
    r.arena.header.state = ARENA_CLOSED
    r.closed = r.arena
    r.arena = r.spare
    r.spare = NULL
    store_begin(&r.store, r.arena)
    store_release(&r.asked, NOTHING_ASKED)


cdef inline bint _is_named(const Receiver* r) noexcept nogil:
    """Is the next batch one whose clients are accounted for."""
    return r.all_clients or r.batches % SAMPLED == 0


cdef void _settle(Receiver* r, Counters* seen) noexcept nogil:
    """Applies what waits and credits the client whose it was."""
    cdef Store* s = &r.store
    parser_flush(&r.parser)
    if s.client != NULL:
        client_settle(s.client, seen, &r.arena.header.counters, s.client_weight)
    seen[0] = r.arena.header.counters


cdef inline Client* _client_of(Receiver* r, const Sender* sender, u8 kind, const u8* address, u64 size,
                               const u8* data, Py_ssize_t n) noexcept nogil:
    """Whose account a datagram is for; NULL where nothing is known. A bound does not go by what a client claims."""
    cdef u8 name[NAME_BYTES]
    cdef Py_ssize_t named = 0
    n = n if n < r.parser.max_bytes else r.parser.max_bytes
    if size or sender.is_known:
        named = origin_name(&r.origins, sender, data, n, r.store.client_series == 0, r.parser.now_ns, name)
    if named:
        return client_of(r.arena, TEXT, name, <u64>named)
    return client_of(r.arena, kind, address, size) if size else NULL


cdef inline void _take_one(Receiver* r, const u8* data, Py_ssize_t n, bint cut, const Sender* sender) noexcept nogil:
    if r.origins.wanted:
        origin_take(&r.origins, &r.parser, data, n, cut, sender)
    else:
        parse_datagram(&r.parser, data, n, cut)


cdef void _take_by_client(Receiver* r, int n) noexcept nogil:
    """Takes a batch whose senders are known. Lines of one client after the other still share a group."""
    cdef Store* s = &r.store
    cdef Counters seen = r.arena.header.counters
    cdef const u8* address = NULL
    cdef const u8* data
    cdef Client* client
    cdef Sender sender
    cdef Py_ssize_t length
    cdef u64 size
    cdef int i
    s.client_weight = 1 if r.all_clients else SAMPLED
    for i in range(n):
        data = batch_data(r.batch, i)
        length = <Py_ssize_t>batch_len(r.batch, i)
        size = batch_sender(r.batch, i, &address)
        sender.pid = 0
        sender.uid = 0
        sender.is_known = batch_credentials(r.batch, i, &sender.pid, &sender.uid)
        client = _client_of(r, &sender, IP4 if size == 4 else IP6, address, size, data, length)
        if client != s.client:
            _settle(r, &seen)
            s.client = client
        _take_one(r, data, length, batch_cut(r.batch, i), &sender)
    _settle(r, &seen)
    s.client = NULL


cdef void _take_batch(Receiver* r, int n, i64 start_ns) noexcept nogil:
    """What came at `start_ns`. One clock serves all: to read one takes a part of a datagram's time that shows."""
    cdef int i
    cdef Py_ssize_t size
    cdef u64 ahead = 0
    cdef Header* h = r.arena.header
    r.parser.now_ns = start_ns
    h.last_ns = r.parser.now_ns
    if unlikely(_is_named(r)):
        _take_by_client(r, n)
    else:
        for i in range(n):
            size = <Py_ssize_t>batch_len(r.batch, i)
            ahead += sizeof(u32) + <u64>size
            ring_fetch(&r.ring, ahead)
            parse_datagram(&r.parser, batch_data(r.batch, i), size, batch_cut(r.batch, i))
        parser_flush(&r.parser)
    ring_take_batch(&r.ring, r.batch, n, r.parser.now_ns)
    r.batches += 1
    # What was handed over and is not applied when the process dies is known by its number: read + fetched - applied.
    h.applied = h.read + <u64>n
    barrier()
    batch_clear(r.batch, n)
    barrier()
    h.read = h.applied
    _take_snapshot(r.arena)
    _count_busy(r, realtime_ns() - start_ns)
    r.since_short += <u64>n
    if n < BATCH:
        _measure_pace(r, start_ns)


cdef inline void _take_snapshot(Arena* a) noexcept nogil:
    cdef Header* h = a.header
    cdef u64 newest = h.snapshots[0].counters.datagrams
    if h.snapshots[1].counters.datagrams > newest:
        newest = h.snapshots[1].counters.datagrams
    if h.counters.datagrams - newest >= SNAPSHOT_EVERY:
        arena_snapshot(a)


cdef inline void _count_busy(Receiver* r, i64 ns) noexcept nogil:
    cdef u64 took = <u64>ns if ns > 0 else 0    # a clock may be set back
    cdef int top = 63 - clz64(took | 8)
    cdef int bucket = 8 * (top - 3) + <int>(took >> (top - 3))
    r.busy[bucket if bucket < BUSY_BUCKETS else BUSY_BUCKETS - 1] += 1


cdef inline void _measure_pace(Receiver* r, i64 now_ns) noexcept nogil:
    cdef i64 passed_ns = now_ns - r.last_short_ns
    if passed_ns > 0:
        r.pace += (1e6 * r.since_short / passed_ns - r.pace) / 4
        r.came_lately = (r.came_lately + r.since_short) * LATELY_NS / (LATELY_NS + passed_ns)
    r.last_short_ns = now_ns
    r.since_short = 0


cdef inline void _nap(Receiver* r) noexcept nogil:
    """Lets datagrams gather: fewer wake-ups and calls of the kernel, for the sender too.

    Only if as many come as make up for the nap, and never for longer than the receive buffer allows at the pace of a
    burst.
    """
    cdef double ns = NAP_NS
    if not r.coalesces or 1e6 * r.came_lately < LEAST_PACE * LATELY_NS:
        return
    if r.pace > r.most_asleep:
        ns = ns * r.most_asleep / r.pace
    if ns >= SHORTEST_NAP_NS:
        sleep_ns(<i64>ns)


cdef void receiver_take(Receiver* r, const u8* data, Py_ssize_t size, bint truncated, i64 now_ns, const u8* client,
                        u64 client_size, const Sender* sender) noexcept nogil:
    """Takes one datagram that somebody else received, from a client if it says so."""
    cdef Header* h = r.arena.header
    cdef Counters seen
    r.parser.now_ns = now_ns
    if client_size or sender.is_known:
        seen = h.counters
        r.store.client = _client_of(r, sender, TEXT, client, client_size, data, size)
        r.store.client_weight = 1
    h.last_ns = now_ns
    h.read += 1
    if size > r.parser.max_bytes:
        ring_take(&r.ring, data, <u64>r.parser.max_bytes, True, now_ns)
    else:
        ring_take(&r.ring, data, <u64>size, truncated, now_ns)
    _take_one(r, data, size, truncated, sender)
    if r.store.client != NULL:
        _settle(r, &seen)
        r.store.client = NULL
    else:
        parser_flush(&r.parser)
    h.applied = h.read
    _take_snapshot(r.arena)


cdef void receiver_wake(Receiver* r) noexcept nogil:
    """Has the reader look at what it is asked; to be called again until it has, since it may just begin to wait."""
    wake(load_acquire(&r.thread))
    sleep_ns(WAKE_AGAIN_NS)


cdef void receiver_run(Receiver* r) noexcept nogil:
    """Receives until it is told to stop, then what is still queued. Runs on a thread of its own."""
    cdef int n
    cdef i64 start_ns
    cdef u64 stop_at
    cdef bint draining = False, is_named, was_named = False
    while True:
        stop_at = load_acquire(&r.stop_at_ns)
        if stop_at != 0:
            draining = True
        is_named = _is_named(r)
        # The kernel has overwritten the lengths of those that were named.
        if unlikely(is_named or was_named):
            batch_name(r.batch, is_named)
            was_named = is_named
        n = batch_receive(r.batch, r.fd, not draining)
        start_ns = realtime_ns()
        # After the receive and before the parse: what was received after the request is in the new interval.
        if load_acquire(&r.asked) == SWAP_ASKED:
            receiver_swap(r)
        if n > 0:
            _take_batch(r, n, start_ns)
            if n < BATCH and not draining:
                _nap(r)
        elif n == -EBADF or n == -ENOTSOCK or (draining and n != -EINTR):
            break
        elif n != -EAGAIN and n != -EINTR:
            # The kernel is short of memory, say: it passes, and a reader must outlive it.
            sleep_ns(ERROR_PAUSE_NS)
        if draining and <u64>realtime_ns() >= stop_at:
            break
    store_release(&r.state, ENDED)
