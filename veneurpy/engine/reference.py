"""The engine in plain Python: the semantics to read, the oracle of the tests, and `engine: python`.

It promises what the native engine promises, but for speed; quantiles beyond the exact samples come
from the `tdigest` package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from uuid import UUID, uuid4

from veneurpy.engine.columns import Columns
from veneurpy.engine.exchange import Encoding
from veneurpy.engine.grammar import Grammar
from veneurpy.engine.owners import OwnerTable
from veneurpy.engine.promises import ImportStore
from veneurpy.engine.reference_carry import carried
from veneurpy.engine.reference_columns import Groups, columns, merge, type_conflicts
from veneurpy.engine.reference_encode import encode, merge_for_wire
from veneurpy.engine.reference_import import ReferenceImportStore
from veneurpy.engine.reference_reader import ReferenceReader
from veneurpy.engine.reference_store import Memory, Store
from veneurpy.engine.reference_top import Seen, top_of
from veneurpy.engine.types import Accounts, ClientTop, EngineOptions, MemoryUse, NameTop, Plan, Role

HandOn = Callable[[Sequence[Store], Role, int], int]
"""Takes over the gauges of an interval that ends (ms); returns how many found no room."""


class ReferenceInterval:
    """What all readers held when the interval was closed; a `veneurpy.engine.Interval`."""

    def __init__(
        self,
        uuid: UUID,
        start_ms: int,
        end_ms: int,
        closed: Sequence[tuple[str, Store]],
        options: EngineOptions,
        seen: Seen,
        *,
        carried: Store | None = None,
        hand_on: HandOn | None = None,
    ) -> None:
        """`carried`: gauges of the interval before. `hand_on` is called at the release."""
        self._seen = seen
        self._top: tuple[tuple[NameTop, ...], tuple[ClientTop, ...]] | None = None
        self._uuid = uuid
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._stores = [store for _, store in closed]
        self._accounts = tuple((listener, store.accounts) for listener, store in closed)
        self._options = options
        self._carried = [] if carried is None else [carried]
        self._hand_on = hand_on
        self.forgotten = 0
        self.is_released = False
        self._groups: dict[Role, Groups] = {}
        self._role = Role.STANDALONE

    def __repr__(self) -> str:
        state = "released" if self.is_released else "closed"
        return f"<ReferenceInterval {self._uuid} {self._start_ms}-{self._end_ms} {state}>"

    @property
    def uuid(self) -> UUID:
        return self._uuid

    @property
    def start_ms(self) -> int:
        return self._start_ms

    @property
    def end_ms(self) -> int:
        return self._end_ms

    @property
    def accounts(self) -> Sequence[tuple[str, Accounts]]:
        return self._accounts

    @property
    def broken(self) -> int:
        return 0

    @property
    def series(self) -> int:
        return len(self._merged())

    @property
    def side_log(self) -> Sequence[tuple[int, bytes]]:
        return [
            (reader, line) for reader, store in enumerate(self._stores) for line in store.side_log
        ]

    @property
    def type_conflicts(self) -> Sequence[str]:
        return type_conflicts(self._merged())

    def top(self, most: int) -> Sequence[NameTop]:
        return self._tops(most)[0]

    def clients(self, most: int) -> Sequence[ClientTop]:
        return self._tops(most)[1]

    def _tops(self, most: int) -> tuple[tuple[NameTop, ...], tuple[ClientTop, ...]]:
        if self._top is None:
            self._top = top_of(self._stores, self._seen, most)
        return self._top

    def columns(self, plan: Plan) -> Columns:
        self._role = plan.role
        return columns(self._merged(), plan, self._start_ms)

    def encode(
        self,
        table: OwnerTable,
        *,
        role: Role,
        max_bytes: int = 1 << 20,
        veneur_owners: frozenset[int] = frozenset(),
        carry: bytes = b"",
        sources: Sequence[ImportStore] = (),
    ) -> Encoding:
        if role is Role.STANDALONE:
            return Encoding([], carry)
        remainders = ReferenceImportStore(
            self._options, self._start_ms, Memory(self._options.import_max_bytes)
        )
        remainders.merge(carry, sender="", received_ns=0)
        others = [s.store for s in (remainders, *sources) if isinstance(s, ReferenceImportStore)]
        own = [*self._carried, *self._stores]
        merged = merge_for_wire(own, others, role, self._options)
        return encode(merged, table, role, max_bytes, veneur_owners, self._options.compression)

    @property
    def copied_from(self) -> None:
        return None

    @property
    def is_doubtful(self) -> bool:
        return False

    def settled(self) -> None:
        """No arena outlives this engine's process."""

    def release(self, *, kept: bool = True) -> None:
        if not self.is_released and self._hand_on is not None:
            own = [*self._carried, *self._stores]
            self.forgotten = self._hand_on(own, self._role, self._end_ms)
        self.is_released = True
        for store in (*self._carried, *self._stores):
            store.release()
        self._carried, self._stores = [], []
        self._groups = {}

    def _merged(self) -> Groups:
        """As the role asks for that rows were last made for."""
        if self._role not in self._groups:
            options = self._options
            self._groups[self._role] = merge(
                [*self._carried, *self._stores],
                options.extend_tags,
                options.compression,
                self._role,
            )
        return self._groups[self._role]


class ReferenceEngine:
    """The open interval of all readers; a `veneurpy.engine.Engine`."""

    def __init__(self, options: EngineOptions, *, start_ms: int) -> None:
        self._options = options
        self._start_ms = start_ms
        self._uuid = uuid4()
        self._memory = Memory(options.store_max_bytes)
        self._import_memory = Memory(options.import_max_bytes)
        self._readers: list[ReferenceReader] = []
        self._closed: ReferenceInterval | None = None
        self._carried: Store | None = None
        self._seen: Seen = set()
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<ReferenceEngine {self._uuid} from {self._start_ms}, {len(self._readers)} readers>"

    def open_reader(
        self,
        listener: str,
        *,
        max_datagram_bytes: int = 0,
        grammar: Grammar | None = None,
        kernel_drops: Callable[[], int] | None = None,
    ) -> ReferenceReader:
        """A reader that is fed by hand. `kernel_drops` is asked at each rotation for the datagrams
        that the kernel discarded since it was last asked."""
        with self._lock:
            grammar = grammar or self._options.grammar
            store = self._new_store(len(self._readers), grammar)
            reader = ReferenceReader(
                listener, store, self._options, kernel_drops, max_datagram_bytes, grammar
            )
            self._readers.append(reader)
        return reader

    def attach(self, fd: int, listener: str, *, grammar: Grammar | None = None) -> ReferenceReader:
        raise NotImplementedError("the Python engine has no reader threads: feed a reader by hand")

    def rotate(self, now_ms: int) -> ReferenceInterval:
        with self._lock:
            if self._closed is not None and not self._closed.is_released:
                raise RuntimeError("the interval before is not released")
            closed = [
                (reader.listener, reader.swap(self._new_store(index, reader.grammar)))
                for index, reader in enumerate(self._readers)
            ]
            interval = ReferenceInterval(
                self._uuid,
                self._start_ms,
                now_ms,
                closed,
                self._options,
                self._seen,
                carried=self._carried,
                hand_on=self._carry_on if self._options.gauge_ttl_s else None,
            )
            self._carried = None
            self._uuid, self._start_ms, self._closed = uuid4(), now_ms, interval
        return interval

    @property
    def memory(self) -> MemoryUse:
        """Of the stores alone, and an estimate."""
        return self._memory.use()

    @property
    def readers(self) -> Sequence[ReferenceReader]:
        with self._lock:
            return tuple(self._readers)

    def open_accounts(self) -> Sequence[tuple[str, Accounts]]:
        with self._lock:
            readers = tuple(self._readers)
        return [(reader.listener, reader.glance()) for reader in readers]

    def open_import(self, start_ms: int) -> ReferenceImportStore:
        return ReferenceImportStore(self._options, start_ms, self._import_memory)

    def recovered(self) -> Sequence[ReferenceInterval]:
        """Nothing: this engine's memory dies with its process."""
        return ()

    @property
    def unreadable(self) -> Sequence[tuple[str, str]]:
        return ()

    def resume(self, interval: object) -> None:
        raise RuntimeError("the Python engine recovers nothing that could be resumed")

    def close(self, *, leave_arenas: bool = False) -> None:
        with self._lock:
            self._readers.clear()
            if self._closed is not None:
                self._closed.release()

    def _new_store(self, reader: int, grammar: Grammar) -> Store:
        return Store(reader, self._options, self._memory, keeps_gauges=grammar.is_statsd)

    def _carry_on(self, stores: Sequence[Store], role: Role, end_ms: int) -> int:
        self._carried, forgotten = carried(stores, self._options, role, end_ms, self._memory)
        return forgotten
