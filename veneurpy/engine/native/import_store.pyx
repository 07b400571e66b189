# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""What an owner merges of one interval. What the methods promise is said in veneurpy.engine."""
import threading

from libc.string cimport memset
from veneurpy.engine.native.arena cimport SERIES_TYPES, Arena, arena_committed
from veneurpy.engine.native.columns cimport CompiledPlan, merged_columns
from veneurpy.engine.native.compat cimport i64, u8, u64
from veneurpy.engine.native.encoding cimport Encode, encode_arenas
from veneurpy.engine.native.imports cimport (
    IMPORT_BROKEN, IMPORT_COMPRESSED, IMPORT_READ, IMPORT_TOO_LONG, ImportVerdict, imports_apply, imports_check,
    imports_close, imports_open, imports_reserve,
)
from veneurpy.engine.native.merge cimport ROWS_IMPORT, WIRE_OWNER
from veneurpy.engine.native.metric cimport METRIC_REASONS
from veneurpy.engine.native.owners cimport CompiledOwners

from veneurpy.engine import exchange

cdef enum:
    # Memory is reserved in steps of 256 KiB, at both ends, beyond what is asked for.
    BESIDE = 1 << 20

_WHY_BROKEN = {IMPORT_BROKEN: "malformed", IMPORT_COMPRESSED: "compressed", IMPORT_TOO_LONG: "too_long"}


cdef class ImportBudget:
    """Bytes that all import stores of an engine may take together."""

    def __cinit__(self, u64 limit):
        self.left = limit
        self.limit = limit
        self._lock = threading.Lock()

    cdef bint take(self, u64 bytes_) except -1:
        with self._lock:
            if bytes_ > self.left:
                return False
            self.left -= bytes_
            return True

    cdef give_back(self, u64 bytes_):
        with self._lock:
            self.left += bytes_


cdef class NativeImportStore(ArenaSource):
    def __cinit__(self, MergeContext context, ImportBudget budget, start_ms, double compression, u64 digest_bytes):
        cdef bint done
        cdef u64 limit = budget.limit
        self._context = context
        self._budget = budget
        self.start_ms = start_ms
        with nogil:
            done = imports_open(&self._imports, compression, digest_bytes, limit, &context.key)
        if not done:
            raise MemoryError("import_max_bytes leaves no room for a store")
        self.source = &self._imports.arena
        self._taken = 0
        if not budget.take(arena_committed(self.source)):
            raise exchange.StoreFull("import_max_bytes leaves no room for a store")
        self._taken = arena_committed(self.source)

    def __dealloc__(self):
        imports_close(&self._imports)

    def __repr__(self):
        return f"<NativeImportStore {self.start_ms}: {self.series} series, {self.memory_bytes} bytes>"

    @property
    def series(self):
        cdef int i
        cdef u64 total = 0
        if self._released:
            return 0
        for i in range(SERIES_TYPES):
            total += self.source.header.entries[i]
        return total

    @property
    def memory_bytes(self):
        return self._taken

    cdef object _merge(self, Frame* f, str sender):
        """Reads, takes from the budget, merges."""
        cdef bytes who = sender.encode()
        cdef ImportVerdict verdict
        cdef u64 need
        cdef bint done
        cdef int i
        if self._released:
            raise RuntimeError("the store was released")
        f.sender.data = <const u8*><const char*>who
        f.sender.size = len(who)
        with nogil:
            verdict = imports_check(&self._imports, f)
        if verdict in _WHY_BROKEN:
            raise exchange.FrameBroken(_WHY_BROKEN[verdict])
        if verdict != IMPORT_READ:
            raise MemoryError("no memory to read a batch")
        need = f.low + f.high + BESIDE
        if not self._budget.take(need):
            raise exchange.StoreFull
        with nogil:
            self.source.limit = arena_committed(self.source) + need
            done = imports_reserve(&self._imports, f)
            if done:
                imports_apply(&self._imports, f)
        self._settle(need)
        if not done:
            raise exchange.StoreFull
        rejected = {exchange.IMPORT_REASONS[i]: f.rejected[i] for i in range(METRIC_REASONS) if f.rejected[i]}
        return exchange.Imported(f.metrics, f.samples, rejected)

    def _settle(self, u64 need):
        """Gives back what was taken ahead and not put behind the arena."""
        cdef u64 committed = arena_committed(self.source)
        self._budget.give_back(self._taken + need - committed)
        self._taken = committed

    def merge(self, const u8[::1] payload not None, *, str sender, i64 received_ns, bint foreign=False):
        cdef Frame f
        memset(&f, 0, sizeof(Frame))
        f.bytes.size = payload.shape[0]
        f.bytes.data = &payload[0] if f.bytes.size else <const u8*>b""
        f.foreign = foreign
        f.received_ns = received_ns
        return self._merge(&f, sender)

    def merge_stream(self, const u8[::1] frames not None, *, str sender, i64 received_ns):
        cdef Frame f
        memset(&f, 0, sizeof(Frame))
        f.bytes.size = frames.shape[0]
        f.bytes.data = &frames[0] if f.bytes.size else <const u8*>b""
        f.foreign = True
        f.stream = True
        f.received_ns = received_ns
        imported = self._merge(&f, sender)
        return exchange.Streamed(imported, f.consumed)

    def columns(self, plan, *, bint touched_only=False):
        cdef Arena* arena = self.source
        cdef CompiledPlan compiled = CompiledPlan(plan)
        if self._released:
            raise RuntimeError("the store was released")
        compiled.plan.mixed_median_only = False
        return merged_columns(self._context, &arena, 1, NULL, 0, ROWS_IMPORT,
                              self._imports.epoch if touched_only else 0,
                              compiled, self.start_ms)[0]

    def state(self, int shards, u64 max_bytes):
        if shards < 1:
            raise ValueError("at least one shard")
        return [part.payload for part in self._encode(CompiledOwners(None, shards), shards, max_bytes)]

    def encode(self, table, u64 max_bytes):
        return self._encode(CompiledOwners(table), len(table.members), max_bytes)

    cdef list _encode(self, CompiledOwners owners, int n_owners, u64 max_bytes):
        cdef Arena* arena = self.source
        cdef Encode e
        if self._released:
            raise RuntimeError("the store was released")
        memset(&e, 0, sizeof(Encode))
        e.key = &self._context.key
        e.use = WIRE_OWNER
        e.compression = self._imports.scratch.compression
        e.max_bytes = max_bytes
        e.self_index = -1
        return encode_arenas(&e, &arena, 1, owners, n_owners, bytes(n_owners)).parts

    def forget_touched(self):
        self._imports.epoch += 1

    def release(self):
        if self._released:
            return
        self._released = True
        self.source = NULL
        with nogil:
            imports_close(&self._imports)
        self._budget.give_back(self._taken)
        self._taken = 0
