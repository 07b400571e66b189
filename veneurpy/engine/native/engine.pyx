# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""The native engine as Python sees it: engine, readers, intervals. What they promise is said in veneurpy.engine."""
import os
import threading
import uuid as uuids

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport (
    IGNORED_KINDS, LINE_REASONS, SERIES_TYPES, VALUE_REASONS, Arena, Counters, SideRecord, arena_begin,
    arena_close, arena_committed, arena_open,
)
from veneurpy.engine.native.blocks cimport digest_block_bytes
from veneurpy.engine.native.buffer cimport buffer_view
from veneurpy.engine.native.compat cimport (
    MEM_QUEUED, i64, load_acquire, meminfo, realtime_ns, refuse_new, sleep_ns, store_release, u8, u32, u64,
)
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.intern cimport Interner
from veneurpy.engine.native.merge cimport Merge, count_samples, merge_arenas, merge_close, merge_open
from veneurpy.engine.native.parser cimport parse_datagram, parser_close, parser_flush, parser_open
from veneurpy.engine.native.points cimport PlannedOutput, PointPlan, Points, Strings, points_free, points_make
from veneurpy.engine.native.receiver cimport (
    RUNNING, SWAP_ASKED, Receiver, receiver_attach, receiver_detach, receiver_new_drops,
    receiver_run, receiver_swap,
)
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.store cimport store_begin, store_close, store_open

from veneurpy.engine import types
from veneurpy.engine.columns import Columns, StringTable

cdef enum:
    WAIT_NS = 100_000                   # between two looks at a reader that is to swap


cdef object _accounts(const Counters* c, u64* by_type, u32 kernel_drops):
    out = types.Accounts(
        datagrams=c.datagrams, bytes=c.bytes, whole=c.whole, truncated=c.truncated, kernel_drops=kernel_drops,
        lines=c.lines, accepted=c.accepted, pending=c.pending, values=c.values,
    )
    cdef int i
    for i in range(LINE_REASONS):
        out.rejected[types.LINE_REASONS[i]] = c.rejected[i]
    for i in range(VALUE_REASONS):
        out.values_rejected[types.VALUE_REASONS[i]] = c.values_rejected[i]
    for i in range(IGNORED_KINDS):
        out.ignored[types.IGNORED_FIELDS[i]] = c.ignored[i]
    for i in range(SERIES_TYPES):
        out.aggregated[types.MetricType(i)] = by_type[i]
    return out


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

    def __cinit__(self):
        self._r = <Receiver*>calloc(1, sizeof(Receiver))
        if self._r == NULL:
            raise MemoryError
        memset(self._arenas, 0, sizeof(self._arenas))

    def __init__(self, NativeEngine engine, str listener, int number):
        cdef object options = engine.options
        self.engine = engine
        self.listener = listener
        self._number = number
        self._lock = threading.Lock()
        self._thread = None
        self._r.fd = -1
        if not store_open(&self._r.store, options.compression, options.max_timestamps, options.side_log_max_bytes):
            raise MemoryError
        if not parser_open(&self._r.parser, &self._r.store, &engine._key, options.max_datagram_bytes,
                           <i64>(options.interval_s * 1000), <i64>(options.late_window_s * 1000)):
            raise MemoryError
        self._r.arena = self._prepare(engine)
        store_begin(&self._r.store, self._r.arena)

    def __dealloc__(self):
        if self._r != NULL:
            parser_close(&self._r.parser)
            store_close(&self._r.store)
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
        cdef u64 limit = engine._arena_limit()
        cdef int failed = 0
        with nogil:
            if a.base == NULL:
                failed = arena_open(a, engine._store_max_bytes, engine._digest_bytes)
            if not failed:
                failed = arena_begin(a, limit, engine._uuid, self._number, engine._start_ms, &engine._key)
        if failed:
            raise MemoryError(f"store_max_bytes {engine.options.store_max_bytes} leaves no room for a store")
        return a

    def feed(self, const u8[::1] datagram not None, *, bint truncated=False, now_ns=None):
        """Takes one datagram; see veneurpy.engine.Reader."""
        cdef i64 now = realtime_ns() if now_ns is None else now_ns
        cdef Py_ssize_t size = datagram.shape[0]
        cdef const u8* data = &datagram[0] if size else <const u8*>b""
        if self._thread is not None:
            raise RuntimeError(f"{self!r} receives by itself")
        with self._lock:
            with nogil:
                self._r.parser.now_ns = now
                parse_datagram(&self._r.parser, data, size, truncated)
                parser_flush(&self._r.parser)

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
        cdef u32 words[9]
        if self._thread is None:
            return 0
        if load_acquire(&self._r.stop_at_ns) == 0:
            refuse_new(self._r.fd)
            store_release(&self._r.stop_at_ns, <u64>(realtime_ns() + <i64>(timeout_s * 1e9)))
        self._thread.join()
        with self._lock:
            if self._r.fd >= 0:
                self._unread = words[MEM_QUEUED] if meminfo(self._r.fd, words) == 0 else 0
                receiver_detach(self._r)
        return self._unread

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


cdef list _side_log(const Arena* a, int reader):
    """Events and checks in order of arrival: the list in the arena is newest first."""
    cdef u64 at = a.header.side_log
    cdef SideRecord* record
    lines = []
    while at:
        record = <SideRecord*>(a.base + at)
        lines.append((reader, (<const char*>record + sizeof(SideRecord))[:record.size]))
        at = record.previous
    lines.reverse()
    return lines


cdef class _CompiledPlan:
    """A Plan in C, and the Python bytes that it points to."""

    cdef PointPlan plan
    cdef list _suffixes

    def __cinit__(self, plan):
        cdef int i
        cdef bytes suffix
        qs = sorted({_quantile_of(o) for o in plan.histograms} - {None})
        self._suffixes = [o.suffix.encode() for o in plan.histograms]
        self.plan.n = len(plan.histograms)
        self.plan.n_quantiles = len(qs)
        self.plan.outputs = <PlannedOutput*>calloc(self.plan.n + 1, sizeof(PlannedOutput))
        self.plan.quantiles = <double*>calloc(self.plan.n_quantiles + 1, sizeof(double))
        if self.plan.outputs == NULL or self.plan.quantiles == NULL:
            raise MemoryError
        for i, q in enumerate(qs):
            self.plan.quantiles[i] = q
        for i, output in enumerate(plan.histograms):
            suffix = self._suffixes[i]
            self.plan.outputs[i].suffix.data = <const u8*><const char*>suffix
            self.plan.outputs[i].suffix.size = len(suffix)
            self.plan.outputs[i].statistic = int(output.statistic)
            self.plan.outputs[i].point_type = int(output.type)
            q = _quantile_of(output)
            self.plan.outputs[i].quantile = 0 if q is None else qs.index(q)

    def __dealloc__(self):
        free(self.plan.outputs)
        free(self.plan.quantiles)


def _quantile_of(output):
    if output.statistic == types.Statistic.MEDIAN:
        return 0.5
    return float(output.quantile) if output.statistic == types.Statistic.QUANTILE else None


cdef object _string_table(Strings* s):
    return StringTable(
        buffer_view(<void**>&s.offsets, s.count + 1, 4, c"I"), buffer_view(<void**>&s.bytes, s.used, 1, c"B")
    )


cdef object _columns(Points* p, const Interner* sink_sets):
    cdef u64 n = p.rows
    cdef u32 i
    sets = [frozenset()]
    for i in range(sink_sets.count):
        text = (<const char*>sink_sets.strings[i].data)[:sink_sets.strings[i].size].decode()
        sets.append(frozenset(text.split(",")))
    if sink_sets.count >= 65534:
        sets.append(frozenset({""}))
    return Columns(
        names=_string_table(&p.names),
        tags=_string_table(&p.tags),
        sink_sets=tuple(sets),
        name=buffer_view(<void**>&p.name, n, 4, c"I"),
        tag=buffer_view(<void**>&p.tag, n, 4, c"I"),
        type=buffer_view(<void**>&p.type, n, 1, c"B"),
        scope=buffer_view(<void**>&p.scope, n, 1, c"B"),
        series_type=buffer_view(<void**>&p.series_type, n, 1, c"B"),
        sinks=buffer_view(<void**>&p.sinks, n, 2, c"H"),
        timestamp_ms=buffer_view(<void**>&p.timestamp_ms, n, 8, c"q"),
        value=buffer_view(<void**>&p.value, n, 8, c"d"),
        own_time=buffer_view(<void**>&p.own_time, n, 1, c"B"),
    )


cdef class NativeInterval:
    """Closed arenas, one a reader, until they are released."""

    cdef readonly object uuid
    cdef readonly i64 start_ms
    cdef readonly i64 end_ms
    cdef NativeEngine _engine
    cdef list _readers
    cdef list _drops
    cdef Arena** _arenas
    cdef int _n
    cdef object _accounts
    cdef i64 _series                    # -1 until they are counted
    cdef list _conflicts
    cdef bint _released

    def __cinit__(self, NativeEngine engine, list readers, object uuid, i64 start_ms, i64 end_ms):
        self._engine = engine
        self._readers = readers
        self._drops = []
        self.uuid = uuid
        self.start_ms = start_ms
        self.end_ms = end_ms
        self._conflicts = []
        self._series = -1
        self._arenas = <Arena**>calloc(len(readers) + 1, sizeof(Arena*))
        if self._arenas == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._arenas)

    def __repr__(self):
        return f"<NativeInterval {self.uuid} {self.start_ms}..{self.end_ms} ms, {self._n} arenas>"

    cdef _add(self, Arena* arena, u32 kernel_drops):
        self._arenas[self._n] = arena
        self._n += 1
        self._drops.append(kernel_drops)

    cdef _require_open(self):
        if self._released:
            raise RuntimeError("the interval was released")

    @property
    def accounts(self):
        cdef u64 by_type[SERIES_TYPES]
        cdef int i
        if self._accounts is None:
            self._require_open()
            out = []
            for i in range(self._n):
                memset(by_type, 0, sizeof(by_type))
                with nogil:
                    count_samples(self._arenas[i], by_type)
                reader = self._readers[i]
                out.append((reader.listener, _accounts(&self._arenas[i].header.counters, by_type, self._drops[i])))
            self._accounts = tuple(out)
        return self._accounts

    @property
    def series(self):
        if self._series < 0:
            self.columns(types.Plan())
        return self._series

    @property
    def type_conflicts(self):
        if self._series < 0:
            self.columns(types.Plan())
        return tuple(self._conflicts)

    @property
    def side_log(self):
        self._require_open()
        lines = []
        cdef int i
        for i in range(self._n):
            lines += _side_log(self._arenas[i], i)
        return lines

    def columns(self, plan):
        """Merges and computes, without the GIL. See veneurpy.engine.Interval."""
        cdef _CompiledPlan compiled = _CompiledPlan(plan)
        cdef Merge merge
        cdef Points points
        cdef bint done
        cdef u32 i
        self._require_open()
        memset(&merge, 0, sizeof(merge))
        memset(&points, 0, sizeof(points))
        try:
            with nogil:
                done = (merge_open(&merge, &self._engine._key, self._engine._extend, self._engine._n_extend)
                        and merge_arenas(&merge, self._arenas, self._n)
                        and points_make(&points, &merge, &compiled.plan, self.start_ms))
            if not done:
                raise MemoryError("no memory to flush the interval")
            self._series = merge.count
            conflicts = [points.conflicts[i] for i in range(points.n_conflicts)]
            columns = _columns(&points, &merge.sink_sets)
            self._conflicts = [columns.names[number] for number in conflicts]
            return columns
        finally:
            with nogil:
                merge_close(&merge)
                points_free(&points)

    def release(self):
        if not self._released:
            self._released = True
            self._engine._held = False


cdef class NativeEngine:
    """Readers that own their stores. See veneurpy.engine.Engine."""

    cdef readonly object options
    cdef list _readers
    cdef int _n_readers
    cdef object _lock
    cdef HashKey _key
    cdef u64 _store_max_bytes
    cdef u64 _digest_bytes
    cdef u8 _uuid[16]
    cdef object _interval_uuid
    cdef i64 _start_ms
    cdef bint _held
    cdef bint _closed
    cdef Slice* _extend
    cdef int _n_extend
    cdef list _extend_bytes

    def __init__(self, options, *, start_ms):
        cdef bytes secret = os.urandom(sizeof(HashKey))
        self.options = options
        self._lock = threading.Lock()
        self._readers = []
        memcpy(&self._key, <const char*>secret, sizeof(HashKey))
        self._digest_bytes = digest_block_bytes(options.compression)
        self._store_max_bytes = options.store_max_bytes
        self._start_ms = start_ms
        self._name_interval()
        self._set_extend_tags(options.extend_tags)

    def __dealloc__(self):
        free(self._extend)

    def __repr__(self):
        return f"<NativeEngine {len(self._readers)} readers, {self.committed_bytes} bytes>"

    cdef _name_interval(self):
        cdef bytes raw
        self._interval_uuid = uuids.uuid4()
        raw = self._interval_uuid.bytes
        memcpy(self._uuid, <const char*>raw, 16)

    cdef _set_extend_tags(self, tags):
        cdef bytes tag
        cdef int i
        self._extend_bytes = sorted({t.encode() for t in tags if t})
        self._n_extend = len(self._extend_bytes)
        self._extend = <Slice*>calloc(self._n_extend + 1, sizeof(Slice))
        if self._extend == NULL:
            raise MemoryError
        for i in range(self._n_extend):
            tag = self._extend_bytes[i]
            self._extend[i].data = <const u8*><const char*>tag
            self._extend[i].size = len(tag)

    cdef u64 _arena_limit(self):
        """Every reader has two arenas, one open and one being flushed: equal shares, so that neither starves."""
        return self._store_max_bytes // (2 * max(self._n_readers, 1))

    def open_reader(self, str listener):
        with self._lock:
            self._n_readers += 1
            reader = NativeReader(self, listener, self._n_readers - 1)
            self._readers.append(reader)
            return reader

    def attach(self, int fd, str listener):
        cdef NativeReader reader = self.open_reader(listener)
        reader._attach(fd)
        return reader

    def rotate(self, i64 now_ms):
        """Swaps every reader's arena. See veneurpy.engine.Engine."""
        cdef NativeReader reader
        cdef NativeInterval interval
        with self._lock:
            if self._held:
                raise RuntimeError("the interval before was not released")
            interval = NativeInterval(self, list(self._readers), self._interval_uuid, self._start_ms, now_ms)
            self._start_ms = now_ms
            self._name_interval()
            for reader in self._readers:
                interval._add(reader._swap(self), receiver_new_drops(reader._r))
            self._held = True
            return interval

    def open_accounts(self):
        cdef NativeReader reader
        cdef u64 by_type[SERIES_TYPES]
        memset(by_type, 0, sizeof(by_type))
        with self._lock:
            if self._closed:
                return ()
            out = []
            for reader in self._readers:
                out.append((reader.listener, _accounts(&reader._r.arena.header.counters, by_type, 0)))
            return tuple(out)

    @property
    def committed_bytes(self):
        """Memory behind the arenas of all readers."""
        cdef NativeReader reader
        total = 0
        for reader in self._readers:
            total += arena_committed(&reader._arenas[0]) + arena_committed(&reader._arenas[1])
        return total

    def close(self):
        """Stops all readers; their memory goes with the last reference to them."""
        for reader in self._readers:
            reader.stop(0.0)
        with self._lock:
            self._closed = True
            self._readers = []
