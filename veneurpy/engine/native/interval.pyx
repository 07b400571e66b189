# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""What a closed interval hands out: accounts, side log, columns. See veneurpy.engine.Interval."""
import threading
import uuid as uuids

from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.accounting cimport arena_accounts
from veneurpy.engine.native.arena cimport ARENA_FREE, GAUGE, Arena, SideRecord, keeps_gauges
from veneurpy.engine.native.blocks cimport digest_block_bytes
from veneurpy.engine.native.carry cimport CarriedArena, carry_gauges
from veneurpy.engine.native.columns cimport CompiledPlan, MergeContext, merged_columns
from veneurpy.engine.native.compat cimport i64, u8, u32, u64
from veneurpy.engine.native.encoding cimport Encode, encode_arenas
from veneurpy.engine.native.merge cimport WIRE_HOST, WIRE_OWNER, Merge, MergeUse, merge_arenas, merge_close, merge_open
from veneurpy.engine.native.owners cimport CompiledOwners
from veneurpy.engine.native.recovered cimport RecoveredFile
from veneurpy.engine.native.rewriting cimport NativeRewrites, Rewrites
from veneurpy.engine.native.top cimport top_of

from veneurpy.engine import exchange, types


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


cdef class ArenaSource:
    pass


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

    cdef become_copy(self):
        """From now on it has a name of its own, the same for every copy: no owner takes it for the original."""
        self.copied_from = self.uuid
        self.uuid = uuids.uuid5(self.uuid, "copy")

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
                self._left = self._marks.add(self.copied_from or self.uuid)
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
            self._marks.settle(self.copied_from or self.uuid)
            self._give_back()
            self._marks.forget(self.copied_from or self.uuid)
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
