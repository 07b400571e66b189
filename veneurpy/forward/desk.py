"""What an owner knows: its open and late intervals, its seals, its bounds. One thread at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from veneurpy.accounts import OwnerAccounts, Sums
from veneurpy.engine import ImportStore, Plan
from veneurpy.forward.answer import Windows
from veneurpy.forward.batch import MOST_BYTES, Batch, BatchId
from veneurpy.forward.clocks import SenderClocks
from veneurpy.forward.membership import Membership
from veneurpy.forward.poison import Slot
from veneurpy.forward.stores import ImportEngine
from veneurpy.forward.windows import tick_s
from veneurpy.ports import Clock
from veneurpy.spool import Owed, Record, seals
from veneurpy.spool.database import Database
from veneurpy.spool.parcel import Head
from veneurpy.spool.pieces import STEP_BYTES
from veneurpy.spool.seals import Bounds, Seal
from veneurpy.telemetry.events import Event

NS_PER_MS = 1_000_000

_T = TypeVar("_T")


class Run(Protocol):
    """Runs something on the spool's thread and waits for it. Raises sqlite3.Error and OSError."""

    def __call__(self, work: Callable[[Database], _T], /) -> _T: ...


class Publisher(Protocol):
    """Where sealed rows go."""

    def owed(self, record: Record) -> Sequence[Owed]:
        """What each sink will be owed of it. Any thread."""
        ...

    def offer(self, record: Record) -> None:
        """It is committed: to be delivered. Called on the owner's thread; must not block."""
        ...


class NextTier(Protocol):
    """Where sealed sketches go instead, at an owner that passes them on."""

    def batches(self, store: ImportStore, uuid: UUID, start_ms: int) -> Sequence[Batch]:
        """All that a store has, with the identity of the seal. Any thread."""
        ...

    def committed(self, batches: Sequence[Head]) -> None:
        """They are. Called on the spool's thread, at once."""
        ...

    def offer(self, batches: Sequence[Head]) -> None:
        """They are to be sent. Called on the owner's thread; must not block."""
        ...


@dataclass(frozen=True, slots=True)
class OwnerOptions:
    """What is configured. `host` is the points' hostname."""

    name: str
    host: str
    interval_ms: int
    hold_ms: int
    """How long after its end, or after its first batch, an interval is sealed (`global_hold`)."""
    accept_window_ms: int = 6 * 3600 * 1000
    late_window_ms: int = 600_000
    margin_ms: int = 600_000
    """How much longer than the windows identities and states are kept: clocks differ."""
    late_max_bytes: int = 256 << 20
    max_bytes: int = 1 << 30
    """Memory of all that is open or late."""
    most_open: int = 4
    step_bytes: int = STEP_BYTES
    """How much of a seal is written at once: whoever else has business with the disk waits."""
    restore_bytes: int = STEP_BYTES
    """How many of its sketches are restored in a step."""
    at_once_bytes: int = MOST_BYTES
    """Sketches up to this are restored while their batch waits: it is no more than a batch's."""
    is_durable: bool = True
    """Whether what is committed survives the process."""

    @property
    def windows(self) -> Windows:
        """What senders are told."""
        times_ms = (self.accept_window_ms, self.late_window_ms, self.hold_ms)
        return Windows(*(time_ms / 1000 for time_ms in times_ms))


@dataclass(slots=True)
class OpenInterval:
    """What was taken of an interval and is not committed yet."""

    start_ms: int
    store: ImportStore
    since_s: float
    """When its first batch was taken, by the monotonic clock."""
    revision: int = 0
    identities: dict[UUID, int] = field(default_factory=dict)
    """Bit k: part k of that uuid is in."""
    senders: set[str] = field(default_factory=set)
    sums: Sums = field(default_factory=Sums)
    pause_s: float = 0.0
    """How long it rests after an attempt to publish it that failed; longer each time."""
    rests_until_s: float = 0.0
    """Until then it is not tried again, by the monotonic clock."""

    def rest(self, now_s: float, interval_s: float) -> None:
        """It could not be published: all of it would have to be encoded again at once."""
        self.pause_s = min(max(2 * self.pause_s, tick_s(interval_s)), interval_s)
        self.rests_until_s = now_s + self.pause_s

    def holds(self, id: BatchId) -> bool:
        """Whether a batch is in."""
        return bool(self.identities.get(id.uuid, 0) >> id.part & 1)


@dataclass(slots=True)
class Restoration:
    """The committed sketches of an interval, for a late batch that was told to come again."""

    bytes: int
    """What they take on disk."""
    interval: OpenInterval | None = None
    """Into which they are read; nobody's batches are in it."""
    is_ready: bool = False
    failure: str = ""
    """A fixed word, if they could not be read."""
    until_s: float = 0.0
    """Until then they wait for a batch; after a failure, until then nobody tries again."""

    @property
    def is_wanted(self) -> bool:
        """Whether it is still to be done."""
        return not (self.is_ready or self.failure)

    @property
    def memory_bytes(self) -> int:
        """What it takes in memory."""
        return 0 if self.interval is None else self.interval.store.memory_bytes

    def release(self) -> None:
        """Frees that."""
        if self.interval is not None:
            self.interval.store.release()
            self.interval = None


class Desk:
    """The state that deliver, seal, amend and confirm work on. `restore` it first."""

    def __init__(
        self,
        options: OwnerOptions,
        *,
        engine: ImportEngine,
        plan: Plan,
        run: Run,
        clock: Clock,
        membership: Membership,
        publisher: Publisher,
        emit: Callable[[Event], None],
        slot: Slot,
        next_tier: NextTier | None = None,
        new_uuid: Callable[[], UUID] = uuid4,
    ) -> None:
        """With a `next_tier` nothing is published here: what is sealed is passed on."""
        self.options = options
        self.engine = engine
        self.plan = plan
        self.run = run
        self.clock = clock
        self.membership = membership
        self.publisher = publisher
        self.next_tier = next_tier
        self.emit = emit
        self.slot = slot
        self.new_uuid = new_uuid
        self.accounts = OwnerAccounts()
        self.clocks = SenderClocks(clock)
        self.open: dict[int, OpenInterval] = {}
        self.late: dict[int, OpenInterval] = {}
        self.restorations: dict[int, Restoration] = {}
        """What late batches wait for, in the order in which they asked."""
        self.sealed: dict[int, Seal] = {}
        self.bounds = Bounds()
        self.quarantined: set[tuple[UUID, int]] = set()
        self.recent: list[set[str]] = []
        """Who was in the last intervals that were sealed."""
        self.published: int | None = None
        """The interval that is being published: what it holds must stay as it is."""
        self.is_ending = False
        """Nothing more is to be published by this process but what it is at, nor restored."""
        self.failure = ""
        """Why the disk could not take the last seal; "" if it did."""
        self.started_s = clock.monotonic()

    def __repr__(self) -> str:
        return f"Desk({self.options.name!r}, open={sorted(self.open)}, late={sorted(self.late)})"

    @property
    def now_ms(self) -> int:
        return self.clock.now_ns() // NS_PER_MS

    @property
    def memory_bytes(self) -> int:
        """What all open, late and restored intervals take."""
        opened = (*self.open.values(), *self.late.values())
        restored = sum(each.memory_bytes for each in self.restorations.values())
        return restored + sum(interval.store.memory_bytes for interval in opened)

    def age_ms(self, start_ms: int) -> int:
        """How long ago an interval ended, by the wall clock."""
        return self.now_ms - start_ms - self.options.interval_ms

    def restore(self) -> None:
        """Takes over what the process before this one committed. Raises sqlite3.Error."""
        dying = self.slot.take()
        now_ms = self.now_ms

        def work(database: Database) -> None:
            if dying is not None:
                with database.transaction() as db:
                    seals.count_death(db, *dying, now_ms)
            self.membership.restore(database)
            db = database.connection
            is_chained = self.next_tier is not None
            if is_chained != seals.is_chained(db):
                with database.transaction():
                    seals.keep_way(db, is_chained=is_chained)
            self.sealed = seals.seals(db)
            self.bounds = seals.bounds(db)
            self.quarantined = seals.quarantined(db)

        self.run(work)
        if not self.options.is_durable:
            # The process before this one may have published them: nobody remembers what.
            before_ms = now_ms - self.options.interval_ms - self.options.hold_ms + 1
            self.bounds = replace(
                self.bounds, refused_before_ms=before_ms, forgotten_before_ms=before_ms
            )

    @contextmanager
    def publishing(self, start_ms: int) -> Iterator[None]:
        """Meanwhile nothing is merged into an interval."""
        self.published = start_ms
        try:
            yield
        finally:
            self.published = None

    def gathering(self, start_ms: int) -> OpenInterval | None:
        """The open or late interval that starts then."""
        return self.open.get(start_ms) or self.late.get(start_ms)
