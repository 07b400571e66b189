# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""Naming and beginning arenas; half of the memory for the interval that is open, half for the one that is closed."""
import os

from libc.errno cimport EDQUOT, ENOSPC, ENOSYS, EOPNOTSUPP
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport NAME_KEEPS_GAUGES, RESERVE_STEP, arena_begin, arena_open, arena_span
from veneurpy.engine.native.blocks cimport digest_block_bytes
from veneurpy.engine.native.carry cimport carried_limit
from veneurpy.engine.native.clients cimport clients_begin
from veneurpy.engine.native.compat cimport load_acquire, try_file
from veneurpy.engine.native.counting cimport names_begin
from veneurpy.engine.native.entries cimport reserve_begin
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.recovered cimport RecoveredFile
from veneurpy.engine.native.weight cimport FIXED_BYTES, FIXED_FOR_TAG

from veneurpy.engine import types
from veneurpy.engine.arena_dir import ArenaDir, boot_id

cdef enum:
    LEAST_ARENA = 256 * 1024
    RINGS_SHARE = 4                     # of the store, for what readers keep for captures
    FIXED_CARRIED = 8 * RESERVE_STEP    # what carrying gauges takes at the least
    FLUSH_RATIO = 12                    # what the flush of a recovered arena may take, as a multiple of it

cdef str UNFIT = "its file system cannot reserve room in files and give it back, as a tmpfs can"


cdef object _tried(object arena_dir):
    """The directory, if its file system can do what arenas need; else it is let go of, and OSError.

    A full one is let pass: what is recovered of it makes room.
    """
    cdef int failed
    try:
        fd, path = arena_dir.create(1)
        failed = try_file(fd)
        os.close(fd)
        path.unlink()
        if failed:
            raise OSError(failed, UNFIT if failed in (EOPNOTSUPP, ENOSYS) else os.strerror(failed), str(path))
    except OSError as exc:
        if exc.errno not in (ENOSPC, EDQUOT):
            arena_dir.close()
            raise
    return arena_dir


cdef class Sharing:
    """See the header."""

    def __init__(self, options, bytes hash_key):
        self.options = options
        self.dir = None if options.arena_dir is None else _tried(ArenaDir(options.arena_dir))
        self.bell = -1
        self._longest = options.max_datagram_bytes
        self.gauge_ttl_ns = <i64>min(options.gauge_ttl_s * 1e9, 2.0 ** 62)
        self.meter = MemoryMeter()
        self.context = MergeContext(self.meter, hash_key or os.urandom(sizeof(HashKey)), options.extend_tags,
                                    options.compression, options.rewriter)
        self.rules = CompiledRules(options)
        self.digest_bytes = digest_block_bytes(options.compression)
        self.arena_bytes = arena_span(options.store_max_bytes)
        self._weigh()

    cdef _weigh(self):
        """What the options add to a series."""
        options = self.options
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

    cdef name_interval(self, object uuid, i64 start_ms):
        self.uuid = uuid
        self.name = self.name_of(uuid, start_ms)

    cdef ArenaName name_of(self, object uuid, i64 start_ms):
        # Without a directory nobody will ever ask, and there may be no /proc.
        cdef bytes raw = uuid.bytes, boot = bytes(16) if self.dir is None else boot_id()
        cdef ArenaName name
        memset(&name, 0, sizeof(ArenaName))
        memcpy(name.uuid, <const char*>raw, 16)
        memcpy(name.boot_id, <const char*>boot, 16)
        name.start_ms = start_ms
        return name

    cdef begin(self, Arena* a, int fd, u32 reader, str listener, bint keeps_gauges):
        """Makes an arena empty, named after the open interval. One that is not there yet is mapped, from `fd` if any.
        """
        cdef u64 size = self.arena_bytes
        cdef int failed = 0
        cdef ArenaName name = self.name
        cdef bytes raw = listener.encode()[:sizeof(name.listener) - 1]
        name.reader = reader
        name.kind = NAME_KEEPS_GAUGES if keeps_gauges else 0
        memcpy(name.listener, <const char*>raw, len(raw))
        with nogil:
            if a.base == NULL:
                failed = arena_open(a, &self.meter.meter, fd, size, self.digest_bytes)
            if not failed:
                a.weights = self._weights
                a.weights.carries = keeps_gauges and self.gauge_ttl_ns > 0
                failed = arena_begin(a, self.limit, &name, &self.context.key)
            if not failed:
                reserve_begin(a)
                names_begin(a)
                clients_begin(a)
        if failed:
            raise MemoryError(f"store_max_bytes {self.options.store_max_bytes} leaves no room for a store")
        a.bell = self.bell

    cdef CarriedArena open_carried(self, const ArenaName* name):
        """An arena that gauges are carried into; the name says of which interval."""
        cdef CarriedArena arena
        fd, path = (-1, None) if self.dir is None else self.dir.create(self.arena_bytes)
        try:
            arena = CarriedArena(self.meter, self.arena_bytes, self.digest_bytes, fd, path)
            arena.begin(name, &self.context.key, &self._weights, carried_limit(self.options.store_max_bytes))
            return arena
        except MemoryError:
            if fd >= 0:
                os.close(fd)
                path.unlink(missing_ok=True)
            raise

    cdef u64 add_reader(self, Py_ssize_t max_datagram_bytes):
        """Counts one more reader; returns what it may keep for captures: how many there will be, nobody knows before.
        """
        cdef i64 left = self.options.store_max_bytes // RINGS_SHARE - self._ring_bytes
        cdef i64 share = min(self.options.capture_bytes, max(left, 0))
        self.n_readers += 1
        self._longest = max(self._longest, max_datagram_bytes)
        self._ring_bytes += share
        return <u64>share

    cdef share_out(self, u64 closing, object carried):
        """Sets the limit of the arenas that begin next; `closing` is that of those which are closed then.

        `carried` has the gauges that were carried into the open interval: a CarriedArena, a RecoveredFile, or None. An
        arena's limit covers what its flush takes beside it. Half of what there is: while one interval is flushed
        the next one comes, to be flushed in its turn. Columns that sinks still have are not there to be had.
        """
        cdef i64 left = self.usable() - <i64>load_acquire(&self.meter.meter.heap) - <i64>self.weight_of_carried(carried)
        cdef i64 limit = min(left // 2, left - <i64>closing) // max(self.n_readers, 1)
        self.limit = <u64>max(limit, LEAST_ARENA)

    cdef i64 usable(self):
        return self.options.store_max_bytes - FIXED_BYTES - FIXED_FOR_TAG * self._longest - self._ring_bytes

    cdef u64 weight_of_carried(self, object carried):
        """What the gauges that were carried into the open interval take until they are carried on."""
        if isinstance(carried, CarriedArena):
            return (<CarriedArena>carried).weight()
        if carried is not None:
            return min(FLUSH_RATIO * <u64>(<RecoveredFile>carried).file_bytes, <u64>self.usable() // 4)
        return FIXED_CARRIED if self.gauge_ttl_ns else 0

    cdef u64 weight_of_recovered(self, u64 bytes_):
        """What arenas of so many bytes take, that were recovered into the open interval."""
        return min(FLUSH_RATIO * bytes_, <u64>self.usable() // 2)
