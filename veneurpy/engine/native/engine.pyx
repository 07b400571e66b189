# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""The native engine as Python sees it: engine, readers, intervals. What they promise is said in veneurpy.engine."""
import os
import threading
import uuid as uuids
import weakref

cimport cython
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from veneurpy.engine.native.accounting cimport counters_accounts
from veneurpy.engine.native.arena cimport (
    ARENA_FREE, HUGE_AN_INTERVAL, NAME_CARRIED, NAME_KEEPS_GAUGES, RESERVE_STEP, TOO_LONG, Arena, ArenaName, Header,
    Weights, arena_begin, arena_close, arena_collapse, arena_committed, arena_open, arena_reserve_ahead,
)
from veneurpy.engine.native.blocks cimport digest_block_bytes
from veneurpy.engine.native.budget cimport CompiledRules
from veneurpy.engine.native.carry cimport CarriedArena, carried_limit
from veneurpy.engine.native.clients cimport clients_begin
from veneurpy.engine.native.columns cimport MergeContext
from veneurpy.engine.native.compat cimport (
    MEM_QUEUED, bell_new, give_back_large, is_unix, refuse_senders, bell_ring, bell_wait, i64, load_acquire, meminfo,
    realtime_ns, refuse_new, sleep_ns, store_release, u8, u32, u64,
)
from veneurpy.engine.native.counting cimport names_begin
from veneurpy.engine.native.entries cimport reserve_begin
from veneurpy.engine.native.hash cimport HashKey, hash_pair
from veneurpy.engine.native.import_store cimport ImportBudget, NativeImportStore
from veneurpy.engine.native.interval cimport NativeInterval
from veneurpy.engine.native.meter cimport MemoryMeter
from veneurpy.engine.native.origin cimport ORIGIN_ROOM, Sender, origins_close, origins_open
from veneurpy.engine.native.parser cimport parser_close, parser_open
from veneurpy.engine.native.receiver cimport (
    BUSY_BUCKETS, RUNNING, SWAP_ASKED, Receiver, receiver_attach, receiver_detach, receiver_new_drops,
    receiver_run, receiver_swap, receiver_take,
)
from veneurpy.engine.native.recover cimport (
    NO_MEMORY, NO_NAME, NOT_AN_ARENA, NOTHING_IN_IT, OTHER_BOOT, SALVAGED,
)
from veneurpy.engine.native.recovered cimport RecoveredFile
from veneurpy.engine.native.ring cimport ring_close, ring_open, ring_read
from veneurpy.engine.native.store cimport store_begin, store_close, store_open
from veneurpy.engine.native.weight cimport FIXED_BYTES, FIXED_FOR_TAG

from veneurpy.engine import types
from veneurpy.engine.arena_dir import ArenaDir, boot_id

cdef enum:
    WAIT_NS = 100_000                   # between two looks at a reader that is to swap
    LEAST_ARENA = 256 * 1024
    RINGS_SHARE = 4                     # of the store, for what readers keep for captures
    FIXED_CARRIED = 8 * RESERVE_STEP    # what carrying gauges takes at the least
    FLUSH_RATIO = 12                    # what the flush of a recovered arena may take, as a multiple of it

_WHY_UNREADABLE = {
    NOT_AN_ARENA: "cut short, or of another version",
    OTHER_BOOT: "written before the machine was started anew",
    NO_MEMORY: "no memory to map it",
    NO_NAME: "its header is damaged: nobody can tell what interval it was of",
}


# The meter must be there when the memory goes, also in a cycle that is collected.
@cython.no_gc_clear
cdef class NativeReader:
    """A store of its own, fed by hand or by a thread that receives on a socket."""

    cdef Receiver* _r
    cdef Arena _arenas[2]
    cdef readonly str listener
    cdef readonly object engine
    cdef object _lock
    cdef object _thread
    cdef u32 _number
    cdef u32 _unread
    cdef MemoryMeter _meter
    cdef bint _keeps_gauges
    cdef list _files                    # (descriptor, path) of each arena that is a file

    def __cinit__(self):
        self._r = <Receiver*>calloc(1, sizeof(Receiver))
        if self._r == NULL:
            raise MemoryError
        memset(self._arenas, 0, sizeof(self._arenas))

    def __init__(self, NativeEngine engine, str listener, int number, Py_ssize_t max_datagram_bytes=0,
                 object grammar=None, u64 ring_bytes=0):
        cdef object options = engine.options
        cdef Py_ssize_t most_bytes = max_datagram_bytes or options.max_datagram_bytes
        cdef bytes proc = os.fsencode(options.proc_dir)
        grammar = grammar or options.grammar
        self.engine = engine
        self._keeps_gauges = grammar.is_statsd
        self.listener = listener
        self._meter = engine._meter
        self._number = number
        self._lock = threading.Lock()
        self._thread = None
        self._files = []
        self._r.fd = -1
        self._r.all_clients = options.max_series_per_client > 0 or len(options.origin_tags) > 0
        self._r.coalesces = options.coalesce
        if not store_open(&self._r.store, options.compression, options.max_timestamps, options.side_log_max_bytes,
                          &engine._rules.budget, options.max_series_per_client):
            raise MemoryError
        if not origins_open(&self._r.origins, sum(1 << tag for tag in set(options.origin_tags)), proc, most_bytes):
            raise MemoryError
        if not parser_open(&self._r.parser, &self._r.store, &engine._context.key,
                           # Lines are parsed with their tags, datagrams cut without.
                           most_bytes + (ORIGIN_ROOM if options.origin_tags else 0),
                           <i64>(options.interval_s * 1000), <i64>(options.late_window_s * 1000),
                           int(grammar.name_tags),
                           grammar.is_statsd):
            raise MemoryError
        self._r.parser.max_bytes = most_bytes
        if not ring_open(&self._r.ring, &engine._meter.meter, ring_bytes):
            raise MemoryError
        # Both arenas now: a file system that is full is to be noticed at the start, not at the first rotation.
        self._r.arena = self._prepare(engine)
        self._prepare(engine).header.state = ARENA_FREE
        store_begin(&self._r.store, self._r.arena)

    def __dealloc__(self):
        if self._r != NULL:
            parser_close(&self._r.parser)
            store_close(&self._r.store)
            origins_close(&self._r.origins)
            if self._meter is not None:
                ring_close(&self._r.ring, &self._meter.meter)
            free(self._r.batch)
            free(self._r)
        if self._arenas[0].base != NULL:
            arena_close(&self._arenas[0])
        if self._arenas[1].base != NULL:
            arena_close(&self._arenas[1])

    def __repr__(self):
        return f"<NativeReader {self._number} {self.listener}>"

    cdef Arena* _prepare(self, NativeEngine engine) except NULL:
        """The arena that is not open, empty and named after the interval that is about to begin."""
        cdef Arena* a = &self._arenas[1] if self._r.arena == &self._arenas[0] else &self._arenas[0]
        cdef u64 limit = engine._limit
        cdef u64 size = engine.options.store_max_bytes
        cdef int failed = 0
        cdef int fd = -1
        cdef ArenaName name = engine._name
        cdef bytes listener = self.listener.encode()[:sizeof(name.listener) - 1]
        if a.base == NULL and engine._dir is not None:
            fd, path = engine._dir.create(size)
            self._files.append((fd, path))
        name.reader = self._number
        name.kind = NAME_KEEPS_GAUGES if self._keeps_gauges else 0
        memcpy(name.listener, <const char*>listener, len(listener))
        with nogil:
            if a.base == NULL:
                failed = arena_open(a, &engine._meter.meter, fd, size, engine._digest_bytes)
            if not failed:
                a.weights = engine._weights
                a.weights.carries = self._keeps_gauges and engine._gauge_ttl_ns > 0
                failed = arena_begin(a, limit, &name, &engine._context.key)
            if not failed:
                reserve_begin(a)
                names_begin(a)
                clients_begin(a)
        if failed:
            raise MemoryError(f"store_max_bytes {size} leaves no room for a store")
        a.bell = engine._bell
        return a

    cdef _forget_files(self, bint leave):
        """Closes the arenas' files; removes them unless a successor is to find them."""
        for fd, path in self._files:
            os.close(fd)
            if not leave:
                path.unlink(missing_ok=True)
        self._files = []

    def feed(self, const u8[::1] datagram not None, *, bint truncated=False, now_ns=None, client=None, process=None):
        """Takes one datagram; see veneurpy.engine.Reader."""
        cdef i64 now = realtime_ns() if now_ns is None else now_ns
        cdef Py_ssize_t size = datagram.shape[0]
        cdef const u8* data = &datagram[0] if size else <const u8*>b""
        cdef bytes name = b"" if client is None else client.encode()
        cdef const u8* sender = <const u8*><const char*>name
        cdef u64 sender_size = len(name)
        cdef Sender from_
        from_.is_known = process is not None
        from_.pid, from_.uid = (0, 0) if process is None else process
        if self._thread is not None:
            raise RuntimeError(f"{self!r} receives by itself")
        with self._lock:
            with nogil:
                receiver_take(self._r, data, size, truncated, now, sender, sender_size, &from_)

    def discard_line(self):
        """Counts a line that was too long. See veneurpy.engine.Reader."""
        cdef Header* header
        with self._lock:
            header = self._r.arena.header
            header.counters.lines += 1
            header.counters.rejected[TOO_LONG] += 1

    def captured(self, mark=None):
        """What it received last. See veneurpy.engine.Reader."""
        return types.Captured(*ring_read(&self._r.ring, -1 if mark is None else mark))

    cdef _attach(self, int fd):
        cdef bint ok
        with nogil:
            ok = receiver_attach(self._r, fd, self._r.parser.max_bytes)
        if not ok:
            raise MemoryError
        self._r.state = RUNNING
        self._thread = threading.Thread(target=self._run, name=f"reader-{self._number}", daemon=True)
        self._thread.start()

    def _run(self):
        with nogil:
            receiver_run(self._r)

    def stop(self, double timeout_s):
        """Reads what is queued and no more; returns the bytes left unread. See veneurpy.engine.Reader."""
        if self._thread is None:
            return 0
        if load_acquire(&self._r.stop_at_ns) == 0:
            refuse_new(self._r.fd)
            store_release(&self._r.stop_at_ns, <u64>(realtime_ns() + <i64>(timeout_s * 1e9)))
        return self._end(True)

    def leave(self):
        """Stops after one more batch at the most, the socket as it is. See veneurpy.engine.Reader."""
        if self._thread is not None:
            if load_acquire(&self._r.stop_at_ns) == 0:
                store_release(&self._r.stop_at_ns, 1)  # long ago
            self._end(False)

    cdef u32 _end(self, bint drains):
        cdef u32 words[9]
        self._thread.join()
        with self._lock:
            if self._r.fd >= 0:
                if drains and is_unix(self._r.fd):
                    # No filter counts what it refuses there: senders are turned away, the rest is read.
                    with nogil:
                        refuse_senders(self._r.fd)
                        receiver_run(self._r)
                self._unread = words[MEM_QUEUED] if meminfo(self._r.fd, words) == 0 else 0
                receiver_detach(self._r)
        return self._unread

    @property
    def busy(self):
        """Batches by the time they took: item i counts i ns, from 8 on an eighth of an octave."""
        return [self._r.busy[i] for i in range(BUSY_BUCKETS)]

    cdef Arena* _swap(self, NativeEngine engine) except NULL:
        """Closes the open arena and returns it. The reader's own thread does it while it runs."""
        cdef Arena* spare = self._prepare(engine)
        with self._lock:
            with nogil:
                self._r.spare = spare
                store_release(&self._r.asked, SWAP_ASKED)
                while load_acquire(&self._r.state) == RUNNING and load_acquire(&self._r.asked) == SWAP_ASKED:
                    sleep_ns(WAIT_NS)
                if load_acquire(&self._r.asked) == SWAP_ASKED:
                    receiver_swap(self._r)
        return self._r.closed


def _reserve(engine_ref, int bell):
    """Puts memory behind the open arenas ahead of their readers, whenever one of them rings."""
    cdef NativeEngine engine
    cdef bint more = False
    while True:
        if not more:
            with nogil:
                bell_wait(bell)
        engine = engine_ref()
        if engine is None or engine._closed:
            break
        more = engine._reserve_ahead()
        # Nobody waits for longer than a step until the engine goes.
        engine = None
    os.close(bell)


cdef class NativeEngine:
    """Readers that own their stores. See veneurpy.engine.Engine."""

    cdef object __weakref__
    cdef readonly object options
    cdef list _readers
    cdef int _n_readers
    cdef object _lock
    cdef MergeContext _context
    cdef u64 _digest_bytes
    cdef ArenaName _name
    cdef object _uuid
    cdef bint _held
    cdef int _huge_left                 # how many huge pages an arena that has been given back may still get
    cdef bint _closed
    cdef object _dir                    # ArenaDir, or None
    cdef NativeInterval _resumed
    cdef NativeInterval _last           # rotated, and perhaps left to a successor: its arenas are needed again
    cdef readonly list unreadable
    cdef int _bell
    cdef object _reserver
    cdef CompiledRules _rules
    cdef MemoryMeter _meter
    cdef Weights _weights
    cdef Py_ssize_t _longest            # datagram, in bytes
    cdef i64 _ring_bytes                # of what all readers keep for captures
    cdef u64 _limit                     # of each arena that is about to begin
    cdef ImportBudget _imports
    cdef i64 _gauge_ttl_ns
    cdef object _carried                # gauges of the interval before: a CarriedArena, a RecoveredFile, or None

    def __init__(self, options, *, start_ms, bytes hash_key=None):
        give_back_large()
        self.options = options
        self._dir = None if options.arena_dir is None else ArenaDir(options.arena_dir)
        self._lock = threading.Lock()
        self._readers = []
        self.unreadable = []
        self._longest = options.max_datagram_bytes
        self._gauge_ttl_ns = <i64>min(options.gauge_ttl_s * 1e9, 2.0 ** 62)
        self._meter = MemoryMeter()
        self._context = MergeContext(self._meter, hash_key or os.urandom(sizeof(HashKey)), options.extend_tags,
                                     options.compression, options.rewriter)
        outputs = options.plan.histograms
        self._weights.outputs = len(outputs)
        self._weights.suffix_bytes = sum(len(output.suffix.encode()) for output in outputs)
        self._weights.implicit_bytes = sum(len(tag.encode()) + 1 for tag in options.extend_tags)
        if options.rewriter is not None:
            self._weights.rewrites = True
            self._weights.rewrite_bytes, self._weights.rewrite_ratio = options.rewriter.tag_growth
            self._weights.rewrite_slices = options.rewriter.most_texts
            self._weights.rewrites_chosen = min(len(types.MetricType) * options.rewriter.most_chosen, 2 ** 63)
            self._weights.judges = bool(options.rewriter.tag_regexes)
            self._weights.name_bytes, self._weights.name_ratio = options.rewriter.name_growth
        self._imports = ImportBudget(options.import_max_bytes)
        self._rules = CompiledRules(options)
        self._digest_bytes = digest_block_bytes(options.compression)
        self._name_interval(uuids.uuid4(), start_ms)
        self._bell = bell_new()
        if self._bell < 0:
            raise OSError("no descriptor is left for an eventfd")
        self._reserver = threading.Thread(target=_reserve, args=(weakref.ref(self), self._bell), name="reserver",
                                          daemon=True)
        self._reserver.start()

    def __dealloc__(self):
        # The thread ends by itself: its engine is gone.
        if self._bell >= 0:
            bell_ring(self._bell)

    def __repr__(self):
        return f"<NativeEngine {len(self._readers)} readers, {self.committed_bytes} bytes>"

    cdef _name_interval(self, object uuid, i64 start_ms):
        self._uuid = uuid
        self._name = self._name_of(uuid, start_ms)

    cdef ArenaName _name_of(self, object uuid, i64 start_ms):
        cdef bytes raw = uuid.bytes, boot = boot_id()
        cdef ArenaName name
        memset(&name, 0, sizeof(ArenaName))
        memcpy(name.uuid, <const char*>raw, 16)
        memcpy(name.boot_id, <const char*>boot, 16)
        name.start_ms = start_ms
        return name

    cdef bint _reserve_ahead(self) except -1:
        """Reserves, then moves some memory into a huge page; True: to be called again, there is more to move.

        To fill a huge page keeps everybody from reserving, and a rotation waits for the lock.
        """
        cdef NativeReader reader
        cdef Arena* arena
        with self._lock:
            for reader in self._readers:
                arena = reader._r.arena
                with nogil:
                    arena_reserve_ahead(arena)
            if self._huge_left == 0 or self._held:
                return False
            self._huge_left = self._huge_left - 1 if self._collapse_step() else 0
            return self._huge_left > 0

    cdef bint _collapse_step(self):
        """A huge page for each reader's arena that nobody uses; False: there is nothing left to move."""
        cdef NativeReader reader
        cdef Arena* arena
        cdef bint moved = False
        for reader in self._readers:
            arena = &reader._arenas[1 if reader._r.arena == &reader._arenas[0] else 0]
            with nogil:
                moved = arena_collapse(arena) or moved
        return moved

    cdef _share_out(self, u64 closing):
        """Sets the limit of the arenas that begin next; `closing` is that of those which are closed then.

        An arena's limit covers what its flush takes beside it. Half of what there is: while one interval is flushed
        the next one comes, to be flushed in its turn. Columns that sinks still have are not there to be had.
        """
        cdef i64 left = self._usable() - <i64>load_acquire(&self._meter.meter.heap) - <i64>self._carried_weight()
        cdef i64 limit = min(left // 2, left - <i64>closing) // max(self._n_readers, 1)
        self._limit = <u64>max(limit, LEAST_ARENA)

    cdef i64 _usable(self):
        return self.options.store_max_bytes - FIXED_BYTES - FIXED_FOR_TAG * self._longest - self._ring_bytes

    cdef u64 _share_of_rings(self):
        """What the next reader may keep for captures: how many there will be, nobody knows before."""
        cdef i64 left = self.options.store_max_bytes // RINGS_SHARE - self._ring_bytes
        cdef i64 share = min(self.options.capture_bytes, max(left, 0))
        self._ring_bytes += share
        return <u64>share

    cdef u64 _carried_weight(self):
        """What the gauges that were carried into the open interval take until they are carried on."""
        if isinstance(self._carried, CarriedArena):
            return (<CarriedArena>self._carried).weight()
        if self._carried is not None:
            return min(FLUSH_RATIO * <u64>(<RecoveredFile>self._carried).file_bytes, <u64>self._usable() // 4)
        return FIXED_CARRIED if self._gauge_ttl_ns else 0

    cdef u64 _closing(self):
        """The limits of the open arenas together, and what was recovered into the open interval."""
        cdef NativeReader reader
        cdef u64 total = self._resumed_weight()
        for reader in self._readers:
            total += reader._r.arena.limit
        return total

    cdef u64 _resumed_weight(self):
        if self._resumed is None:
            return 0
        return min(FLUSH_RATIO * <u64>self._resumed._recovered_bytes(), <u64>self._usable() // 2)

    def recovered(self):
        """Reads what dead processes left. See veneurpy.engine.Engine."""
        cdef RecoveredFile found
        cdef NativeInterval interval
        if self._dir is None:
            return []
        marks = self._dir.marks
        by_uuid, carried = {}, {}
        for path in self._dir.left_behind:
            found = RecoveredFile(str(path), boot_id())
            if found.verdict != SALVAGED:
                if found.verdict != NOTHING_IN_IT:
                    self.unreadable.append((str(path), _WHY_UNREADABLE[found.verdict]))
                os.unlink(path)
                continue
            if found.is_carried:
                carried[found.uuid] = found
            else:
                by_uuid.setdefault(found.uuid, []).append(found)
        out = []
        for raw, files in by_uuid.items():
            uuid = uuids.UUID(bytes=raw)
            if uuid in marks.settled:
                for found in files:
                    found.discard()
                continue
            interval = NativeInterval(
                self._context, uuid, min(f.start_ms for f in files),
                max(max(f.last_ms, f.start_ms) for f in files), None, marks,
            )
            for found in sorted(files, key=lambda f: f.reader):
                interval.add(&found.arena, found.listener, 0, found)
            if raw in carried and carried[raw].is_whole:
                interval.bring(carried.pop(raw))
            out.append(interval)
        # What was not whole is carried again, from the interval before.
        for found in carried.values():
            found.discard()
        for uuid in marks.settled | (marks.unkept - {interval.uuid for interval in out}):
            marks.forget(uuid)
        out.sort(key=lambda i: i.start_ms)
        for number, interval in enumerate(out):
            interval._hand_on = self._carry_on if self._gauge_ttl_ns else None
            interval._successor = out[number + 1] if number + 1 < len(out) else None
        return out

    cdef CarriedArena _open_carried(self, const ArenaName* name):
        cdef CarriedArena arena
        cdef u64 size = self.options.store_max_bytes
        fd, path = (-1, None) if self._dir is None else self._dir.create(size)
        try:
            arena = CarriedArena(self._meter, size, self._digest_bytes, fd, path)
            arena.begin(name, &self._context.key, &self._weights, carried_limit(size))
            return arena
        except MemoryError:
            if fd >= 0:
                os.close(fd)
                path.unlink(missing_ok=True)
            raise

    def _carry_on(self, NativeInterval interval not None):
        """Hands an interval's gauges on to the one after it; returns how many found no room."""
        cdef NativeInterval successor = interval._successor
        cdef CarriedArena arena
        cdef ArenaName name
        cdef u64 forgotten
        if self._closed or not interval.may_carry() or (successor is not None and successor._carried is not None):
            return 0
        name = self._name if successor is None else self._name_of(successor.uuid, successor.start_ms)
        name.kind = NAME_CARRIED
        try:
            arena = self._open_carried(&name)
        except (MemoryError, OSError):
            # They are less than all that would be lost with the process.
            return interval.gauges()
        try:
            forgotten = interval.carry_into(arena, interval.end_ms * 1_000_000 - self._gauge_ttl_ns)
        except MemoryError:
            arena.discard()
            return interval.gauges()
        if successor is None:
            if isinstance(self._carried, CarriedArena):
                (<CarriedArena>self._carried).discard()
            self._carried = arena
        else:
            successor._carried = arena
        return forgotten

    def resume(self, NativeInterval interval not None):
        """Goes on with a recovered interval. See veneurpy.engine.Engine."""
        with self._lock:
            if self._readers or self._resumed is not None:
                raise RuntimeError("an interval is resumed once, before any reader is opened")
            self._resumed = interval
            self._carried, interval._carried = interval._carried, None
            self._name_interval(interval.uuid, interval.start_ms)

    def open_reader(self, str listener, *, Py_ssize_t max_datagram_bytes=0, object grammar=None):
        with self._lock:
            self._n_readers += 1
            self._longest = max(self._longest, max_datagram_bytes)
            ring_bytes = self._share_of_rings()
            # What was recovered is closed together with what comes first: half of the rest is for that.
            self._share_out((self._usable() + self._resumed_weight()) // 2)
            for other in self._readers:
                (<NativeReader>other)._r.arena.limit = min((<NativeReader>other)._r.arena.limit, self._limit)
            reader = NativeReader(self, listener, self._n_readers - 1, max_datagram_bytes, grammar, ring_bytes)
            self._readers.append(reader)
            return reader

    def attach(self, int fd, str listener, *, object grammar=None):
        cdef NativeReader reader = self.open_reader(listener, grammar=grammar)
        reader._attach(fd)
        return reader

    def open_import(self, i64 start_ms):
        return NativeImportStore(self._context, self._imports, start_ms, self.options.compression, self._digest_bytes)

    def rotate(self, i64 now_ms):
        """Swaps every reader's arena. See veneurpy.engine.Engine."""
        cdef NativeReader reader
        cdef NativeInterval interval
        with self._lock:
            if self._held:
                raise RuntimeError("the interval before was not released")
            if self._last is not None:
                self._last.settled()
            interval = NativeInterval(self._context, self._uuid, self._name.start_ms, now_ms, self._released,
                                      None if self._dir is None else self._dir.marks)
            interval._hand_on = self._carry_on if self._gauge_ttl_ns else None
            self._name_interval(uuids.uuid4(), now_ms)
            self._share_out(self._closing())
            for reader in self._readers:
                interval.add(reader._swap(self), reader.listener, receiver_new_drops(reader._r), reader)
            if self._resumed is not None:
                interval.take_over(self._resumed)
                self._resumed = None
            interval._carried, self._carried = self._carried, None
            self._held = True
            # Before its release: what is left to a successor then has to go when the memory is needed.
            self._last = interval
            return interval

    def _released(self):
        self._held = False
        if self._last is not None and not self._last._left:
            self._last = None
        self._huge_left = HUGE_AN_INTERVAL
        if self._bell >= 0:
            bell_ring(self._bell)

    @property
    def readers(self):
        """See veneurpy.engine.Engine."""
        with self._lock:
            return tuple(self._readers)

    def open_accounts(self):
        cdef NativeReader reader
        with self._lock:
            if self._closed:
                return ()
            out = []
            for reader in self._readers:
                out.append((reader.listener, counters_accounts(&reader._r.arena.header.counters)))
            return tuple(out)

    def hash_of(self, bytes name, bytes tags=b""):
        """Where a name and its tags as sent belong in the tables of this engine; another has its own constants."""
        return hash_pair(&self._context.key, <const u8*><const char*>name, len(name),
                         <const u8*><const char*>tags, len(tags))

    @property
    def committed_bytes(self):
        """Memory behind the arenas of all readers."""
        cdef NativeReader reader
        total = 0
        for reader in self._readers:
            total += arena_committed(&reader._arenas[0]) + arena_committed(&reader._arenas[1])
        return total

    @property
    def memory(self):
        """See veneurpy.engine.Engine."""
        cdef u64 heap = load_acquire(&self._meter.meter.heap)
        cdef u64 total = load_acquire(&self._meter.meter.total)
        return types.MemoryUse(self.options.store_max_bytes, total - heap if total > heap else 0, heap,
                               load_acquire(&self._meter.meter.peak))

    def close(self, *, bint leave_arenas=False):
        """Stops all readers; their memory goes with the last reference to them. See veneurpy.engine.Engine."""
        cdef NativeReader reader
        for reader in self._readers:
            reader.stop(0.0)
        with self._lock:
            self._closed = True
            for reader in self._readers:
                reader._forget_files(leave_arenas)
            self._readers = []
            for carried in (self._carried, None if self._last is None else self._last._carried):
                if isinstance(carried, CarriedArena):
                    (<CarriedArena>carried).forget_file(leave_arenas)
                elif carried is not None and not leave_arenas:
                    carried.discard()
            self._carried = None
            self._last = None
            if self._dir is not None:
                self._dir.close()
        if self._bell >= 0:
            bell_ring(self._bell)
            self._bell = -1
            self._reserver.join()
