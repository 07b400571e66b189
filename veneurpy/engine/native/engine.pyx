# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""The native engine as Python sees it: it opens readers and rotates them. What it promises is said in veneurpy.engine.
"""
import os
import threading
import uuid as uuids
import weakref

from veneurpy.engine.native.accounting cimport counters_accounts
from veneurpy.engine.native.arena cimport (
    HUGE_AN_INTERVAL, NAME_CARRIED, Arena, ArenaName, arena_collapse, arena_committed, arena_reserve_ahead,
)
from veneurpy.engine.native.carry cimport CarriedArena
from veneurpy.engine.native.compat cimport (
    bell_new, bell_ring, bell_wait, give_back_large, i64, load_acquire, u8, u64,
)
from veneurpy.engine.native.hash cimport hash_pair
from veneurpy.engine.native.import_store cimport ImportBudget, NativeImportStore
from veneurpy.engine.native.interval cimport NativeInterval
from veneurpy.engine.native.left_behind cimport intervals_left
from veneurpy.engine.native.reader cimport NativeReader
from veneurpy.engine.native.receiver cimport receiver_new_drops
from veneurpy.engine.native.sharing cimport Sharing

from veneurpy.engine import types


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
    cdef Sharing _sharing
    cdef list _readers
    cdef object _lock
    cdef bint _held
    cdef int _huge_left                 # how many huge pages an arena that has been given back may still get
    cdef bint _closed
    cdef NativeInterval _resumed
    cdef NativeInterval _last           # rotated, and perhaps left to a successor: its arenas are needed again
    cdef readonly list unreadable
    cdef int _bell
    cdef object _reserver
    cdef ImportBudget _imports
    cdef object _carried                # gauges of the interval before: a CarriedArena, a RecoveredFile, or None

    def __cinit__(self):
        self._bell = -1

    def __init__(self, options, *, start_ms, bytes hash_key=None):
        give_back_large()
        self.options = options
        self._lock = threading.Lock()
        self._readers = []
        self.unreadable = []
        self._sharing = Sharing(options, hash_key)
        self._imports = ImportBudget(options.import_max_bytes)
        self._sharing.name_interval(uuids.uuid4(), start_ms)
        self._bell = bell_new()
        if self._bell < 0:
            raise OSError("no descriptor is left for an eventfd")
        self._sharing.bell = self._bell
        self._reserver = threading.Thread(target=_reserve, args=(weakref.ref(self), self._bell), name="reserver",
                                          daemon=True)
        self._reserver.start()

    def __dealloc__(self):
        # The thread ends by itself: its engine is gone.
        if self._bell >= 0:
            bell_ring(self._bell)

    def __repr__(self):
        return f"<NativeEngine {len(self._readers)} readers, {self.committed_bytes} bytes>"

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
            arena = reader.idle()
            with nogil:
                moved = arena_collapse(arena) or moved
        return moved

    cdef u64 _closing(self):
        """The limits of the open arenas together, and what was recovered into the open interval."""
        cdef NativeReader reader
        cdef u64 total = self._resumed_weight()
        for reader in self._readers:
            total += reader._r.arena.limit
        return total

    cdef u64 _resumed_weight(self):
        return 0 if self._resumed is None else self._sharing.weight_of_recovered(<u64>self._resumed._recovered_bytes())

    def recovered(self):
        """Reads what dead processes left. See veneurpy.engine.Engine."""
        cdef NativeInterval interval
        if self._sharing.dir is None:
            return []
        out = intervals_left(self._sharing, self.unreadable)
        for number, interval in enumerate(out):
            interval._hand_on = self._carry_on if self._sharing.gauge_ttl_ns else None
            interval._successor = out[number + 1] if number + 1 < len(out) else None
        return out

    def _carry_on(self, NativeInterval interval not None):
        """Hands an interval's gauges on to the one after it; returns how many found no room."""
        cdef NativeInterval successor = interval._successor
        cdef CarriedArena arena
        cdef ArenaName name
        cdef u64 forgotten
        if self._closed or not interval.may_carry() or (successor is not None and successor._carried is not None):
            return 0
        if successor is None:
            name = self._sharing.name
        else:
            name = self._sharing.name_of(successor.uuid, successor.start_ms)
        name.kind = NAME_CARRIED
        try:
            arena = self._sharing.open_carried(&name)
        except (MemoryError, OSError):
            # They are less than all that would be lost with the process.
            return interval.gauges()
        try:
            forgotten = interval.carry_into(arena, interval.end_ms * 1_000_000 - self._sharing.gauge_ttl_ns)
        except MemoryError:
            arena.discard()
            return interval.gauges()
        if successor is None:
            before, self._carried = self._carried, arena
            if isinstance(before, CarriedArena):
                (<CarriedArena>before).discard()
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
            self._sharing.name_interval(interval.uuid, interval.start_ms)

    def open_reader(self, str listener, *, Py_ssize_t max_datagram_bytes=0, object grammar=None):
        cdef NativeReader other
        with self._lock:
            ring_bytes = self._sharing.add_reader(max_datagram_bytes)
            # What was recovered is closed together with what comes first: half of the rest is for that.
            self._sharing.share_out((self._sharing.usable() + self._resumed_weight()) // 2, self._carried)
            for other in self._readers:
                other._r.arena.limit = min(other._r.arena.limit, self._sharing.limit)
            reader = NativeReader(self, self._sharing, listener, self._sharing.n_readers - 1, max_datagram_bytes,
                                  grammar, ring_bytes)
            self._readers.append(reader)
            return reader

    def attach(self, int fd, str listener, *, object grammar=None):
        cdef NativeReader reader = self.open_reader(listener, grammar=grammar)
        reader.attach(fd)
        return reader

    def open_import(self, i64 start_ms):
        return NativeImportStore(self._sharing.context, self._imports, start_ms, self.options.compression,
                                 self._sharing.digest_bytes)

    def rotate(self, i64 now_ms):
        """Swaps every reader's arena. See veneurpy.engine.Engine."""
        cdef NativeReader reader
        cdef NativeInterval interval
        with self._lock:
            if self._held:
                raise RuntimeError("the interval before was not released")
            if self._last is not None:
                self._last.settled()
            marks = None if self._sharing.dir is None else self._sharing.dir.marks
            interval = NativeInterval(self._sharing.context, self._sharing.uuid, self._sharing.name.start_ms, now_ms,
                                      self._released, marks)
            interval._hand_on = self._carry_on if self._sharing.gauge_ttl_ns else None
            self._sharing.name_interval(uuids.uuid4(), now_ms)
            self._sharing.share_out(self._closing(), self._carried)
            for reader in self._readers:
                interval.add(reader.swap(), reader.listener, receiver_new_drops(reader._r), reader)
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
        return hash_pair(&self._sharing.context.key, <const u8*><const char*>name, len(name),
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
        cdef u64 heap = load_acquire(&self._sharing.meter.meter.heap)
        cdef u64 total = load_acquire(&self._sharing.meter.meter.total)
        return types.MemoryUse(self.options.store_max_bytes, total - heap if total > heap else 0, heap,
                               load_acquire(&self._sharing.meter.meter.peak))

    def close(self, *, bint leave_arenas=False):
        """Stops all readers; their memory goes with the last reference to them. See veneurpy.engine.Engine."""
        cdef NativeReader reader
        for reader in self._readers:
            reader.stop(0.0)
        with self._lock:
            self._closed = True
            for reader in self._readers:
                reader.forget_files(leave_arenas)
            self._readers = []
            for carried in (self._carried, None if self._last is None else self._last._carried):
                if isinstance(carried, CarriedArena):
                    (<CarriedArena>carried).forget_file(leave_arenas)
                elif carried is not None and not leave_arenas:
                    carried.discard()
            self._carried = None
            self._last = None
            if self._sharing.dir is not None:
                self._sharing.dir.close()
        if self._bell >= 0:
            bell_ring(self._bell)
            self._bell = -1
            self._reserver.join()
