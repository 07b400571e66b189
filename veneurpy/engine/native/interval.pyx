# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""What a closed interval hands out: accounts, side log, columns. See veneurpy.engine.Interval."""
import os
import threading

cimport cython
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport (
    ARENA_CLOSED, ARENA_FREE, GAUGE, IGNORED_KINDS, LINE_REASONS, SERIES_TYPES, VALUE_REASONS, Arena, Counters,
    SideRecord, is_carried, keeps_gauges,
)
from veneurpy.engine.native.blocks cimport digest_block_bytes
from veneurpy.engine.native.buffer cimport buffer_view
from veneurpy.engine.native.carry cimport CarriedArena, carry_gauges
from veneurpy.engine.native.compat cimport i64, u8, u32, u64
from veneurpy.engine.native.encoding cimport Encode, encode_arenas
from veneurpy.engine.native.intern cimport Interner
from veneurpy.engine.native.merge cimport (
    ROWS_HOST, WIRE_HOST, WIRE_OWNER, Merge, MergeUse, count_samples, merge_arenas, merge_close, merge_open,
)
from veneurpy.engine.native.meter cimport MemoryMeter, Meter
from veneurpy.engine.native.owners cimport CompiledOwners
from veneurpy.engine.native.points cimport PlannedOutput, Points, Strings, points_free, points_make
from veneurpy.engine.native.recover cimport salvage, salvage_close
from veneurpy.engine.native.rewriting cimport NativeRewrites, Rewrites
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.top cimport seen_close, top_of

from veneurpy.engine import exchange, types
from veneurpy.engine.columns import Columns, StringTable


cdef void _mend(Counters* c, const u64* by_type) noexcept nogil:
    """A dead process's counters were ahead of its store, or behind it, by the batch under way: the store is right."""
    cdef int i
    c.datagrams = c.whole + c.truncated
    c.lines = c.accepted + c.pending
    for i in range(LINE_REASONS):
        c.lines += c.rejected[i]
    c.values = 0
    for i in range(SERIES_TYPES):
        c.values += by_type[i]
    for i in range(VALUE_REASONS):
        c.values += c.values_rejected[i]


cdef object counters_accounts(const Counters* c):
    """An Accounts of what the counters say, nothing aggregated yet."""
    cdef int i
    out = types.Accounts(
        datagrams=c.datagrams, bytes=c.bytes, whole=c.whole, truncated=c.truncated,
        lines=c.lines, accepted=c.accepted, pending=c.pending, values=c.values, folded=c.folded,
    )
    for i in range(LINE_REASONS):
        out.rejected[types.LINE_REASONS[i]] = c.rejected[i]
    for i in range(VALUE_REASONS):
        out.values_rejected[types.VALUE_REASONS[i]] = c.values_rejected[i]
    for i in range(IGNORED_KINDS):
        out.ignored[types.IGNORED_FIELDS[i]] = c.ignored[i]
    return out


cdef object arena_accounts(const Arena* a, u32 kernel_drops, const Rewrites* rewrites, int number):
    """What one reader did, its store added up series by series."""
    cdef u64 by_type[SERIES_TYPES]
    cdef Counters counters = a.header.counters
    cdef u64 filtered
    cdef int i
    memset(by_type, 0, sizeof(by_type))
    with nogil:
        filtered = count_samples(a, rewrites, number, by_type)
        if a.salvaged != NULL:
            _mend(&counters, by_type)
            counters.values += filtered
    out = counters_accounts(&counters)
    out.kernel_drops = kernel_drops
    out.filtered = filtered
    for i in range(SERIES_TYPES):
        out.aggregated[types.MetricType(i)] = by_type[i]
    return out


# The meter must be there when the memory goes, also in a cycle that is collected.
@cython.no_gc_clear
cdef class MergeContext:
    def __cinit__(self, MemoryMeter meter, bytes secret, tags, double compression, rewriter=None):
        cdef bytes tag
        cdef int i
        if len(secret) != sizeof(HashKey):
            raise ValueError(f"a hash's key has {sizeof(HashKey)} bytes, not {len(secret)}")
        self.meter = meter
        self.compression = compression
        self.rewriter = rewriter
        memcpy(&self.key, <const char*>secret, sizeof(HashKey))
        self._tags = sorted({t.encode() for t in tags if t})
        self.n_extend = len(self._tags)
        self.extend = <Slice*>calloc(self.n_extend + 1, sizeof(Slice))
        if self.extend == NULL:
            raise MemoryError
        for i in range(self.n_extend):
            tag = self._tags[i]
            self.extend[i].data = <const u8*><const char*>tag
            self.extend[i].size = len(tag)

    def __dealloc__(self):
        free(self.extend)
        seen_close(&self.seen)


cdef class RecoveredFile:
    def __cinit__(self, str path, bytes boot_id):
        cdef const u8* boot = <const u8*><const char*>boot_id
        cdef int fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        cdef u64 size
        self.path = path
        try:
            size = os.fstat(fd).st_size
            self.file_bytes = 512 * os.fstat(fd).st_blocks
            with nogil:
                self.verdict = salvage(&self.arena, fd, size, boot, &self.found)
        finally:
            os.close(fd)

    def __dealloc__(self):
        salvage_close(&self.arena)

    @property
    def uuid(self):
        return (<const char*>self.arena.header.identity.name.uuid)[:16]

    @property
    def is_carried(self):
        """It has no reader: its gauges are of intervals before."""
        return is_carried(&self.arena)

    @property
    def is_whole(self):
        """Of one that is carried: everything had been carried into it."""
        return self.arena.header.state == ARENA_CLOSED

    @property
    def start_ms(self):
        return self.arena.header.identity.name.start_ms

    @property
    def last_ms(self):
        return self.arena.header.last_ns // 1000000

    @property
    def listener(self):
        raw = (<const char*>self.arena.header.identity.name.listener)[:sizeof(self.arena.header.identity.name.listener)]
        return raw.split(b"\0")[0].decode("utf-8", "replace")

    def discard(self):
        """Unmaps the file and removes it."""
        salvage_close(&self.arena)
        os.unlink(self.path)


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


cdef class CompiledPlan:
    def __cinit__(self, plan):
        cdef int i
        cdef bytes suffix
        self.role = int(plan.role)
        self.plan.mixed_median_only = self.role == ROWS_HOST
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


cdef object _string_table(MemoryMeter meter, Strings* s):
    return StringTable(
        buffer_view(meter, <void**>&s.offsets, s.count + 1, 4, c"I"),
        buffer_view(meter, <void**>&s.bytes, s.used, 1, c"B"),
    )


cdef object _columns(MemoryMeter meter, Points* p, const Interner* sink_sets):
    cdef u64 n = p.rows
    cdef u32 i
    sets = [frozenset()]
    for i in range(sink_sets.count):
        text = (<const char*>sink_sets.strings[i].data)[:sink_sets.strings[i].size].decode()
        sets.append(frozenset(text.split(",")))
    if sink_sets.count >= 65534:
        sets.append(frozenset({""}))
    return Columns(
        names=_string_table(meter, &p.names),
        tags=_string_table(meter, &p.tags),
        sink_sets=tuple(sets),
        name=buffer_view(meter, <void**>&p.name, n, 4, c"I"),
        tag=buffer_view(meter, <void**>&p.tag, n, 4, c"I"),
        type=buffer_view(meter, <void**>&p.type, n, 1, c"B"),
        scope=buffer_view(meter, <void**>&p.scope, n, 1, c"B"),
        series_type=buffer_view(meter, <void**>&p.series_type, n, 1, c"B"),
        sinks=buffer_view(meter, <void**>&p.sinks, n, 2, c"H"),
        timestamp_ms=buffer_view(meter, <void**>&p.timestamp_ms, n, 8, c"q"),
        value=buffer_view(meter, <void**>&p.value, n, 8, c"d"),
        own_time=buffer_view(meter, <void**>&p.own_time, n, 1, c"B"),
    )


cdef class ArenaSource:
    pass


cdef tuple merged_columns(MergeContext context, Arena** arenas, int n, const Rewrites* rewrites, int rewrites_from,
                          MergeUse use, u32 touched_since, CompiledPlan plan, i64 start_ms):
    cdef Merge merge
    cdef Points points
    cdef Meter* meter = &context.meter.meter
    cdef bint done
    cdef u32 i
    memset(&merge, 0, sizeof(merge))
    memset(&points, 0, sizeof(points))
    try:
        with nogil:
            done = merge_open(&merge, meter, use, &context.key, context.extend, context.n_extend)
            merge.touched_since = touched_since
            merge.rewrites = rewrites
            merge.rewrites_from = rewrites_from
            done = (done and merge_arenas(&merge, arenas, n)
                    and points_make(&points, &merge, &plan.plan, start_ms, context.compression))
        if not done:
            raise MemoryError("no memory to flush the interval")
        conflicts = [points.conflicts[i] for i in range(points.n_conflicts)]
        columns = _columns(context.meter, &points, &merge.sink_sets)
        return columns, merge.count, [columns.names[number] for number in conflicts]
    finally:
        with nogil:
            merge_close(&merge)
            points_free(&points)


cdef class NativeInterval:
    """Closed arenas, one a reader, until they are released."""

    def __cinit__(self, MergeContext context, object uuid, i64 start_ms, i64 end_ms, object on_release=None,
                  object marks=None):
        self._context = context
        self._on_release = on_release
        self._marks = marks
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self.is_doubtful = marks is not None and uuid in marks.unkept
        self._members = []
        self.uuid = uuid
        self.start_ms = start_ms
        self.end_ms = end_ms
        self._conflicts = []
        self._series = -1

    def __dealloc__(self):
        free(self._arenas)

    def __repr__(self):
        return f"<NativeInterval {self.uuid} {self.start_ms}..{self.end_ms} ms, {self._n} arenas>"

    cdef add(self, Arena* arena, str listener, u32 kernel_drops, object owner):
        """The owner keeps the arena's memory alive."""
        cdef Arena** more
        if self._n == self._room:
            more = <Arena**>realloc(self._arenas, (2 * self._room + 8) * sizeof(Arena*))
            if more == NULL:
                raise MemoryError
            self._arenas = more
            self._room = 2 * self._room + 8
        self._arenas[self._n] = arena
        self._n += 1
        self._members.append((listener, kernel_drops, owner))
        if isinstance(owner, RecoveredFile):
            self.broken += (<RecoveredFile>owner).found.broken

    cdef take_over(self, NativeInterval other):
        """Adds the arenas of a recovered interval, which is then empty and released."""
        cdef RecoveredFile recovered
        for listener, drops, recovered in other._members:
            self.add(&recovered.arena, listener, drops, recovered)
        other._members = []
        other._n = 0
        other._released = True

    cdef bring(self, RecoveredFile carried):
        """What a dead process had carried into it."""
        self._carried = carried
        self.broken += carried.found.broken

    cdef i64 _recovered_bytes(self):
        """What a dead process's part of it takes."""
        cdef i64 total = 0
        for _, _, owner in self._members:
            if isinstance(owner, RecoveredFile):
                total += (<RecoveredFile>owner).file_bytes
        return total

    cdef _require_open(self):
        if self._released:
            raise RuntimeError("the interval was released")

    cdef const Rewrites* _rewritten(self) except? NULL:
        """What becomes of its series, asked once; NULL when nobody has a say."""
        if self._context.rewriter is None:
            return NULL
        with self._asking:
            if self._rewrites is None:
                rewrites = NativeRewrites(self._context.meter)
                (<NativeRewrites>rewrites).ask(self._context.rewriter, &self._context.key, self._arenas, self._n)
                self._rewrites = rewrites
        return &self._rewrites.rewrites

    @property
    def accounts(self):
        cdef const Rewrites* rewrites
        cdef int i
        if self._accounts is None:
            self._require_open()
            rewrites = self._rewritten()
            out = []
            for i in range(self._n):
                listener, drops, owner = self._members[i]
                accounts = arena_accounts(self._arenas[i], drops, rewrites, i)
                if isinstance(owner, RecoveredFile):
                    accounts.lost_in_crash = (<RecoveredFile>owner).found.lost
                out.append((listener, accounts))
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

    def top(self, int most):
        """Adds up by name, once. See veneurpy.engine.Interval."""
        return self._tops(most)[0]

    def clients(self, int most):
        """Adds up by client, once. See veneurpy.engine.Interval."""
        return self._tops(most)[1]

    cdef tuple _tops(self, int most):
        if self._top is None:
            self._require_open()
            self._top = top_of(&self._context.meter.meter, self._arenas, self._n, &self._context.key,
                               &self._context.seen, most)
        return self._top

    cdef Arena** _all(self, int more, int* n) except NULL:
        """What was carried into it, then what its readers had, and room for more. To be freed."""
        cdef Arena** arenas = <Arena**>calloc(self._n + more + 2, sizeof(Arena*))
        if arenas == NULL:
            raise MemoryError
        n[0] = 0
        if isinstance(self._carried, CarriedArena):
            arenas[0] = &(<CarriedArena>self._carried).arena
            n[0] = 1
        elif self._carried is not None:
            arenas[0] = &(<RecoveredFile>self._carried).arena
            n[0] = 1
        if self._n:
            memcpy(arenas + n[0], self._arenas, self._n * sizeof(Arena*))
        n[0] += self._n
        return arenas

    cdef bint may_carry(self):
        """May there be some that are to be carried on."""
        cdef int i
        for i in range(self._n):
            if keeps_gauges(self._arenas[i]):
                return True
        return self._carried is not None

    cdef u64 gauges(self):
        """How many could be carried on, at the most."""
        cdef u64 total = 0
        cdef int n, i
        cdef Arena** arenas = self._all(0, &n)
        for i in range(n):
            if keeps_gauges(arenas[i]):
                total += arenas[i].header.entries[GAUGE]
        free(arenas)
        return total

    cdef u64 carry_into(self, CarriedArena out, i64 oldest_ns) except? 0:
        """Carries on the gauges whose last sample is younger than that; returns how many found no room."""
        cdef MergeUse use = WIRE_OWNER if self._role == types.Role.OWNER else <MergeUse>self._role
        cdef MergeContext context = self._context
        cdef Merge merge
        cdef u64 forgotten = 0
        cdef bint done
        cdef int n
        cdef const Rewrites* rewrites = self._rewritten()
        cdef Arena** arenas = self._all(0, &n)
        memset(&merge, 0, sizeof(merge))
        with nogil:
            done = merge_open(&merge, &context.meter.meter, use, &context.key, context.extend, context.n_extend)
            merge.gauges_only = True
            merge.rewrites = rewrites
            merge.rewrites_from = n - self._n
            done = done and merge_arenas(&merge, arenas, n)
            if done:
                forgotten = carry_gauges(&out.arena, &merge, oldest_ns)
            merge_close(&merge)
        free(arenas)
        if not done:
            raise MemoryError("no memory to carry gauges on")
        return forgotten

    def columns(self, plan):
        """Merges and computes, without the GIL. See veneurpy.engine.Interval."""
        cdef CompiledPlan compiled = CompiledPlan(plan)
        cdef const Rewrites* rewrites
        cdef int n
        cdef Arena** arenas
        self._require_open()
        self._role = compiled.role
        rewrites = self._rewritten()
        arenas = self._all(0, &n)
        try:
            columns, self._series, self._conflicts = merged_columns(
                self._context, arenas, n, rewrites, n - self._n, <MergeUse>compiled.role, 0, compiled, self.start_ms
            )
        finally:
            free(arenas)
        return columns

    def encode(self, table, *, role, u64 max_bytes=1 << 20, veneur_owners=frozenset(), bytes carry=b"", sources=()):
        """Merges for the wire and writes it, without the GIL. See veneurpy.engine.Interval."""
        cdef CompiledOwners owners = CompiledOwners(table)
        cdef ArenaSource source
        cdef Arena** arenas
        cdef Encode e
        cdef int n
        self._require_open()
        if role == types.Role.STANDALONE:
            return exchange.Encoding([], carry)
        if role == types.Role.OWNER and table.self_index is None:
            raise ValueError(f"an owner's table needs self_index (role {role.name})")
        memset(&e, 0, sizeof(Encode))
        e.key = &self._context.key
        e.extend = self._context.extend
        e.n_extend = self._context.n_extend
        e.rewrites = self._rewritten()
        e.rewrites_from = 0 if self._carried is None else 1
        e.use = WIRE_OWNER if role == types.Role.OWNER else WIRE_HOST
        e.compression = self._context.compression
        e.digest_bytes = digest_block_bytes(e.compression)
        e.max_bytes = max_bytes
        e.self_index = -1 if table.self_index is None else table.self_index
        if not -1 <= e.self_index < <int>owners.owners.n:
            raise ValueError(f"no member {e.self_index}")
        e.carry.data = <const u8*><const char*>carry
        e.carry.size = len(carry)
        foreign = bytes(owner in veneur_owners for owner in range(len(table.members)))
        arenas = self._all(len(sources), &n)
        try:
            for source in sources:
                if source.source != NULL:
                    arenas[n] = source.source
                    n += 1
            return encode_arenas(&e, arenas, n, owners, len(table.members), foreign)
        finally:
            free(arenas)

    def release(self, *, bint kept=True):
        """Gives the memory back, or leaves it to a successor until `settled`. See veneurpy.engine.Interval."""
        if self._released:
            return
        if self._hand_on is not None:
            # Before anything is given back: until the next interval has them, they are here.
            self.forgotten = self._hand_on(self)
        with self._lock:
            self._released = True
            self._rewrites = None
            self._left = self.is_doubtful
            if self._marks is not None and not kept:
                self._left = self._marks.add(self.uuid)
        if kept:
            self.settled()
        if not self._left:
            self._give_back()
        if self._on_release is not None:
            self._on_release()

    def settled(self):
        """Gives back what was left to a successor. See veneurpy.engine.Interval."""
        with self._lock:
            if not self._left:
                return
            # From now on a successor is to pass it over, whatever of it is still there.
            self._marks.settle(self.uuid)
            self._give_back()
            self._marks.forget(self.uuid)
            self._left = False

    cdef _give_back(self):
        cdef int i
        # Last of all: with its readers' arenas gone, it is of no use to a successor.
        carried, self._carried = self._carried, None
        for i in range(self._n):
            owner = self._members[i][2]
            if isinstance(owner, RecoveredFile):
                owner.discard()
            else:
                # A hint for a successor: what it holds was handed out.
                self._arenas[i].header.state = ARENA_FREE
        self._n = 0
        if isinstance(carried, CarriedArena):
            (<CarriedArena>carried).discard()
        elif carried is not None:
            carried.discard()
