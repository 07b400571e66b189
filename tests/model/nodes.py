"""Hosts and owners whose processes die and whose databases do not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar, cast
from uuid import UUID

from tests.model.stores import Contents, MemoryEngine, contents_of, pieces_of
from veneurpy.engine import Encoded, Encoding, Interval, OwnerTable, Plan
from veneurpy.forward.batch import Batch
from veneurpy.forward.desk import Desk, NextTier, OwnerOptions
from veneurpy.forward.dispatch import Dispatch, HostOptions
from veneurpy.forward.encode import Encoder
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.forward.owner import tick
from veneurpy.forward.poison import Slot
from veneurpy.forward.steps import Outcome, Steps, attempt, resume
from veneurpy.spool import Owed, Record, pieces
from veneurpy.spool.closed import Closed, Packed
from veneurpy.spool.database import Database
from veneurpy.spool.spare import forget_known, move
from veneurpy.telemetry.events import Event
from veneurpy.testing import FakeClock, columns_of

INTERVAL_MS = 1000
ACCEPT_WINDOW_MS = 30_000
DEATHS_BETWEEN_STEPS = 4
"""So much likelier are they than elsewhere: there are few steps."""
BATCH_BYTES = 60
"""No more than one fits into a step."""
STEP_BYTES = 200
"""A record of a few rows takes some steps."""
RESTORE_BYTES = 50
"""No more than one shard or two."""
_T = TypeVar("_T")


class Crash(Exception):
    """The process dies here."""


class FlakyDatabase(Database):
    """In memory; its disk can be full."""

    def __init__(self) -> None:
        super().__init__(None)
        self.is_full = False
        self.is_dying = False
        self.is_unreadable = False

    @property
    def connection(self) -> sqlite3.Connection:
        """What it took by then is there, when it is unreadable."""
        if self.is_unreadable:
            raise sqlite3.OperationalError("disk I/O error")
        return super().connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Fails at the end, when it is full."""
        with super().transaction() as db:
            yield db
            if self.is_dying:
                raise Crash
            if self.is_full:
                raise sqlite3.OperationalError("database or disk is full")


@dataclass(slots=True)
class Arena:
    """A closed interval of a host, as it outlives the host's process."""

    uuid: UUID
    start_ms: int
    contents: Contents

    def encode(self, table: OwnerTable, **_: object) -> Encoding:
        """What it has for the members of an epoch."""
        return Encoding(pieces_of(self.contents, table.members), b"")


@dataclass(slots=True)
class Host:
    """A host: its arenas and its database stay, its `dispatch` dies with the process."""

    name: str
    clock: FakeClock
    table: EpochTable
    new_uuid: Callable[[], UUID]
    divided: Callable[[Batch, Sequence[Encoded]], None]
    dies: Callable[[], bool]
    most_bytes: int = 1 << 20
    max_age_ms: int = ACCEPT_WINDOW_MS
    database: FlakyDatabase = field(default_factory=FlakyDatabase)
    spare: FlakyDatabase = field(default_factory=FlakyDatabase)
    """Beside the arenas: it stays as they do."""
    arenas: list[Arena] = field(default_factory=list)
    dispatch: Dispatch = field(init=False)
    membership: Membership = field(init=False)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A process begins."""
        self.membership = Membership(self.table)
        self.dispatch = Dispatch(
            HostOptions(
                self.name,
                INTERVAL_MS,
                max_age_ms=self.max_age_ms,
                max_bytes=self.most_bytes,
                chunk_bytes=200,
            ),
            clock=self.clock,
            membership=self.membership,
            divide=self._divide,
            emit=self.events.append,
            new_uuid=self.new_uuid,
            spare=lambda: self.spare,
        )
        forget_known(self.spare, self.database)
        self.dispatch.restore(self.database)

    def take_up(self) -> list[Batch]:
        """Cuts the oldest arena into batches, commits them and frees it; [] if they were before."""
        arena = self.arenas[0]
        batches = self._encode(arena)
        if self.dies():
            raise Crash
        self.arenas.remove(arena)
        return batches

    def _encode(self, arena: Arena) -> list[Batch]:
        if any(each.encoded([arena.uuid]) for each in (self.database, self.spare)):
            return []
        encoder = Encoder(self.name, INTERVAL_MS, owns=False)
        interval = cast("Interval", arena)
        outgoing = encoder.outgoing(interval, table=self.membership.table, carry=b"")

        record = Record(arena.uuid, arena.start_ms, self.name, columns_of([]), [])
        end_ms = arena.start_ms + INTERVAL_MS
        closed = Closed(record, (), end_ms, (), 0, outgoing.batches, outgoing.keep_carry)

        try:
            self.move_spare()
            is_new = self._keep(closed.packed())
        except sqlite3.Error:
            is_new = closed.packed().commit(self.spare)
        if not is_new:
            return []
        self.dispatch.committed(outgoing.batches)
        return list(outgoing.batches)

    def _keep(self, packed: Packed) -> bool:
        """The process may die between any two steps."""
        try:
            for step in pieces.steps(packed.contents, BATCH_BYTES):
                self.database.write_ahead(step)
                if self.dies():
                    raise Crash
            return packed.commit(self.database)
        finally:
            self.database.drop(packed.contents)

    def move_spare(self) -> None:
        """Takes to the disk what waits for it; the process may die before it is gone here."""
        self.spare.is_dying = self.dies()
        try:
            move(self.spare, self.database)
        finally:
            self.spare.is_dying = False

    def _divide(self, batch: Batch, epoch: Epoch) -> list[Encoded]:
        pieces = pieces_of(contents_of(batch.payload), epoch.members)
        self.divided(batch, pieces)
        return pieces


@dataclass(slots=True)
class Rows:
    """A publisher whose sink never answers, so that every committed row stays in the database."""

    dies: Callable[[], bool]
    """Whether the process dies just after the commit."""

    def owed(self, record: Record) -> Sequence[Owed]:
        """All rows, to one sink."""
        return [Owed(record.uuid, record.start_ms, "sink", "debug", 0, len(record.columns))]

    def offer(self, record: Record) -> None:
        """Nobody takes it."""
        if self.dies():
            raise Crash


@dataclass(slots=True)
class OwnerNode:
    """An owner: its database stays, its `desk` dies with the process."""

    name: str
    clock: FakeClock
    table: EpochTable
    new_uuid: Callable[[], UUID]
    dies: Callable[[], bool]
    most_bytes: int = 1 << 20
    accept_window_ms: int = ACCEPT_WINDOW_MS
    is_durable: bool = True
    step_bytes: int = STEP_BYTES
    at_once_bytes: int = 1 << 20
    database: FlakyDatabase = field(default_factory=FlakyDatabase)
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    desk: Desk = field(init=False)
    next_tier: NextTier | None = field(default=None, init=False)
    events: list[Event] = field(default_factory=list)
    steps: Steps[None] | None = None
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self.start()

    def run(self, work: Callable[[Database], _T]) -> _T:
        """The spool's thread is this one."""
        try:
            return work(self.database)
        finally:
            self.sweep()

    def tick(self, most: int = 1 << 30) -> None:
        """Goes on with what is due, or with what had begun: at most so many steps of it.

        While some of a seal is written ahead, or something is restored, the process may die between
        two of them.
        """
        self.steps = tick(self.desk) if self.steps is None else self.steps
        for _ in range(most):
            is_ahead = bool(pieces.loose(self.database.connection))
            if is_ahead and any(self.dies() for _ in range(DEATHS_BETWEEN_STEPS)):
                raise Crash
            work = resume(self.steps, self.outcome)
            if work is None:
                self.steps, self.outcome = None, Outcome()
                return
            self.outcome = attempt(work)
            if isinstance(self.outcome.error, Crash):
                raise self.outcome.error
            if self.desk.restorations and self.dies():
                raise Crash

    def sweep(self) -> None:
        """Frees what nobody needs, unless the disk is full."""
        with suppress(sqlite3.Error):
            self.database.sweep()

    def start(self) -> None:
        """A process begins."""
        self.database.is_dying = False
        if self.steps is not None:
            self.steps.close()
        self.steps, self.outcome = None, Outcome()
        membership = Membership(self.table)
        self.engine = MemoryEngine(self.most_bytes)
        self.desk = Desk(
            OwnerOptions(
                self.name,
                self.name,
                INTERVAL_MS,
                hold_ms=400,
                accept_window_ms=self.accept_window_ms,
                late_window_ms=self.accept_window_ms // 5,
                margin_ms=5000,
                max_bytes=self.most_bytes,
                step_bytes=self.step_bytes,
                restore_bytes=RESTORE_BYTES,
                at_once_bytes=self.at_once_bytes,
                is_durable=self.is_durable,
            ),
            engine=self.engine,
            plan=Plan(),
            run=self.run,
            clock=self.clock,
            membership=membership,
            publisher=Rows(self.dies),
            emit=self.events.append,
            slot=Slot(),
            next_tier=self.next_tier,
            new_uuid=self.new_uuid,
        )
        self.desk.restore()
