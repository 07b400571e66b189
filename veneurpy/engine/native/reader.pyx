# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""Feeding by hand, or from a thread that receives; stopping, swapping."""
import os
import threading

cimport cython
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from veneurpy.engine.native.arena cimport ARENA_FREE, TOO_LONG, Header, arena_close
from veneurpy.engine.native.compat cimport (
    MEM_QUEUED, MEM_WORDS, i64, is_unix, load_acquire, meminfo, name_thread, realtime_ns, refuse_new, refuse_senders,
    store_release, u8, u64, wakeable,
)
from veneurpy.engine.native.origin cimport ORIGIN_ROOM, Sender, origins_close, origins_open
from veneurpy.engine.native.parser cimport parser_close, parser_open
from veneurpy.engine.native.receiver cimport (
    BUSY_BUCKETS, IDLE, RUNNING, SWAP_ASKED, receiver_attach, receiver_detach, receiver_run, receiver_swap,
    receiver_take, receiver_wake,
)
from veneurpy.engine.native.ring cimport ring_close, ring_open, ring_read
from veneurpy.engine.native.store cimport store_begin, store_close, store_open

from veneurpy.engine import types

# Between two wakes of a reader that is to end.
cdef double JOIN_S = 0.001


# The meter must be there when the memory goes, also in a cycle that is collected.
@cython.no_gc_clear
cdef class NativeReader:
    """A store of its own, fed by hand or by a thread that receives on a socket."""

    def __cinit__(self):
        self._r = <Receiver*>calloc(1, sizeof(Receiver))
        if self._r == NULL:
            raise MemoryError
        memset(self._arenas, 0, sizeof(self._arenas))

    def __init__(self, object engine, Sharing sharing not None, str listener, int number,
                 Py_ssize_t max_datagram_bytes=0, object grammar=None, u64 ring_bytes=0):
        cdef object options = sharing.options
        cdef Py_ssize_t most_bytes = max_datagram_bytes or options.max_datagram_bytes
        cdef bytes proc = os.fsencode(options.proc_dir)
        grammar = grammar or options.grammar
        self.engine = engine
        self._keeps_gauges = grammar.is_statsd
        self.listener = listener
        self._sharing = sharing
        self._meter = sharing.meter
        self._number = number
        self._lock = threading.Lock()
        self._thread = None
        self._files = []
        self._r.fd = -1
        self._r.all_clients = options.max_series_per_client > 0 or len(options.origin_tags) > 0
        self._r.coalesces = options.coalesce
        if not store_open(&self._r.store, options.compression, options.max_timestamps, options.side_log_max_bytes,
                          &sharing.rules.budget, options.max_series_per_client):
            raise MemoryError
        if not origins_open(&self._r.origins, sum(1 << tag for tag in set(options.origin_tags)), proc, most_bytes):
            raise MemoryError
        if not parser_open(&self._r.parser, &self._r.store, &sharing.context.key,
                           # Lines are parsed with their tags, datagrams cut without.
                           most_bytes + (ORIGIN_ROOM if options.origin_tags else 0),
                           <i64>(options.interval_s * 1000), <i64>(options.late_window_s * 1000),
                           int(grammar.name_tags),
                           grammar.is_statsd):
            raise MemoryError
        self._r.parser.max_bytes = most_bytes
        if not ring_open(&self._r.ring, &sharing.meter.meter, ring_bytes):
            raise MemoryError
        # Both arenas now: a file system that is full is to be noticed at the start, not at the first rotation.
        self._r.arena = self._prepare()
        self._prepare().header.state = ARENA_FREE
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

    cdef Arena* idle(self) noexcept:
        """The arena that is not open."""
        return &self._arenas[1] if self._r.arena == &self._arenas[0] else &self._arenas[0]

    cdef Arena* _prepare(self) except NULL:
        """The arena that is not open, empty and named after the interval that is about to begin."""
        cdef Arena* a = self.idle()
        cdef int fd = -1
        if a.base == NULL and self._sharing.dir is not None:
            fd, path = self._sharing.dir.create(self._sharing.arena_bytes)
            self._files.append((fd, path))
        self._sharing.begin(a, fd, self._number, self.listener, self._keeps_gauges)
        return a

    cdef forget_files(self, bint leave):
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

    cdef attach(self, int fd):
        cdef bint ok
        with nogil:
            ok = receiver_attach(self._r, fd, self._r.parser.max_bytes)
        if not ok:
            raise MemoryError
        thread = threading.Thread(target=self._run, name=f"reader-{self._number}", daemon=True)
        self._r.state = RUNNING
        try:
            thread.start()
        except RuntimeError:
            self._r.state = IDLE
            raise
        self._thread = thread

    def _run(self):
        cdef bytes name = threading.current_thread().name.encode()
        name_thread(name)
        with nogil:
            store_release(&self._r.thread, wakeable())
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
        cdef u32 words[MEM_WORDS]
        while self._thread.is_alive():
            with nogil:
                receiver_wake(self._r)
            self._thread.join(JOIN_S)
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

    cdef Arena* swap(self) except NULL:
        """Closes the open arena and returns it. The reader's own thread does it while it runs."""
        cdef Arena* spare = self._prepare()
        with self._lock:
            with nogil:
                self._r.spare = spare
                store_release(&self._r.asked, SWAP_ASKED)
                while load_acquire(&self._r.state) == RUNNING and load_acquire(&self._r.asked) == SWAP_ASKED:
                    receiver_wake(self._r)
                if load_acquire(&self._r.asked) == SWAP_ASKED:
                    receiver_swap(self._r)
        return self._r.closed
