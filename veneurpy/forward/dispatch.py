"""What a host knows of the batches that wait in its spool, and what answers mean for them.

No I/O but the database's. Everything runs on the spool's thread, but for what says otherwise.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID, uuid4

from veneurpy.accounts import HostAccounts, Loss, LossWord
from veneurpy.engine import Encoded
from veneurpy.forward.answer import FORGOTTEN, Answer, Kind, Windows
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.books import Books
from veneurpy.forward.encode import divided
from veneurpy.forward.epochs import ANYBODY, Epoch, EpochInvalid
from veneurpy.forward.give_up import drop, give_up
from veneurpy.forward.membership import Membership
from veneurpy.forward.put_off import PutOff
from veneurpy.forward.windows import Fit
from veneurpy.ports import Clock
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import FORWARD, Outbox, Waiting
from veneurpy.spool.parcel import Head
from veneurpy.spool.spare import forget_known
from veneurpy.telemetry.events import (
    BatchesLost,
    BatchesUnspooled,
    EpochAdopted,
    Event,
    OwnerRefuses,
)

Divide = Callable[[Batch, Epoch], Sequence[Encoded]]
"""Cuts a payload anew for the members of another epoch. Raises ValueError if it cannot be read."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What is configured of a host's patience."""

    name: str
    interval_ms: int
    max_age_ms: int = 6 * 3600 * 1000
    max_bytes: int = 1 << 30
    chunk_bytes: int = 4 << 20
    """Loaded from the spool at a time, for one owner."""
    windows: Windows | None = None
    """Of this node as the owner that has sealed what it passes on; None: it was not sealed."""


class Dispatch:
    """The waiting batches. `restore` it first."""

    def __init__(
        self,
        options: HostOptions,
        *,
        clock: Clock,
        membership: Membership,
        divide: Divide,
        emit: Callable[[Event], None],
        new_uuid: Callable[[], UUID] = uuid4,
        spare: Callable[[], Database | None] = lambda: None,
        outbox: Outbox = FORWARD,
    ) -> None:
        """`spare` tells where batches wait for a disk that takes nothing; None if none do."""
        self._outbox = outbox
        self.accounts = HostAccounts(outbox.name)
        self.waiting: dict[str, Waiting] = {}
        """How much waits for each owner, as the spool counted it last. May be read anywhere."""
        self._options = options
        self._clock = clock
        self._membership = membership
        self._divide = divide
        self._emit = emit
        self._new_uuid = new_uuid
        self._spare = spare
        self._books = Books(self.accounts)
        self._held: defaultdict[str, set[BatchId]] = defaultdict(set)
        self._first_time: set[BatchId] = set()
        self._tried: defaultdict[str, set[BatchId]] = defaultdict(set)
        """Sent by this process: a call of ours that is not answered can be made again."""
        self._windows_ms: dict[str, int] = {}
        """For how long each owner takes something, as far as it told."""
        self.put_off = PutOff(clock, options.interval_ms / 1000)
        self.fit = Fit(options.windows, options.interval_ms / 1000, emit)

    def __repr__(self) -> str:
        return f"Dispatch({self._options.name!r}, waiting={self.waiting})"

    @property
    def outbox(self) -> str:
        """The name of the outbox that it is about."""
        return self._outbox.name

    def restore(self, database: Database) -> None:
        """Takes over what a process before this one left."""
        self._membership.restore(database)
        self.recount(database)
        self._books.restored()

    def recount(self, database: Database) -> None:
        """Takes `pending` from the spool itself."""
        spare = self._spare()
        elsewhere = {} if spare is None else self._outbox.waiting(spare.connection)
        with self.accounts.lock:
            self.waiting = self._outbox.waiting(database.connection)
            self._books.recount((*self.waiting.values(), *elsewhere.values()))

    def committed(self, batches: Sequence[Batch | Head]) -> None:
        """Books batches that were committed just now."""
        self._books.committed(batches)

    def hold_back(self, batches: Sequence[Batch]) -> None:
        """Books batches that the disk has not taken: none is sent before it does. Any thread.

        Nothing happens if it has, only later than anybody would wait.
        """
        held = self._books.hold_back(batches)
        if held:
            self._emit(BatchesUnspooled(len(held), _bytes(held)))

    def spool_held_back(self, database: Database) -> list[Loss]:
        """Tries again to keep what the disk did not take; returns what there is no room for.

        It may be there after all, if the disk was only slow.
        """
        held = self._books.unspooled
        try:
            if held:
                with database.transaction() as db:
                    self._outbox.keep(db, held)
            released, lost = held, list[Batch]()
        except sqlite3.Error:
            released = lost = _beyond(self._options.max_bytes, held)
        self._books.release(released)
        return self._lost([_loss(batch, "given_up", "disk") for batch in lost])

    def next(self, database: Database, owner: str) -> list[Batch]:
        """What to send to an owner now, the oldest interval first; it counts as sent from here on.

        What the owner holds is left out, and what must wait. To one that would count a batch twice
        nothing is sent that a process before this one may have sent; and one at a time, so that few
        are in doubt.
        """
        chosen, size = list[Head](), 0
        heads = self._outbox.heads(database.connection, owner)
        tried, most_bytes = self._tried[owner], self._options.chunk_bytes
        tried.intersection_update([head.id for head in heads])
        if self._outbox.is_forgetful(database.connection, owner):
            self._doubt(database, [h for h in heads if h.is_sent and h.id not in tried])
            heads = [h for h in heads if not h.is_sent or h.id in tried]
            most_bytes = 0
        before_ms = self._before_ms(owner)
        for head in heads:
            # What is too old is given up soon: unsent as it is, not in doubt.
            is_too_old = not head.is_sent and head.start_ms < before_ms
            if head.id in self._held[owner] or is_too_old or head in self.put_off:
                continue
            if chosen and size + head.bytes > most_bytes:
                break
            chosen.append(head)
            size += head.bytes
        tried.update(head.id for head in chosen)
        self._first_time.difference_update(head.id for head in chosen if head.is_sent)
        fresh = [head.id for head in chosen if not head.is_sent]
        if fresh:
            with database.transaction() as db:
                self._outbox.mark(db, fresh, is_sent=True)
            self._first_time.update(fresh)
        name, db = self._options.name, database.connection
        loaded = (self._outbox.load(db, head.id, name) for head in chosen)
        return [batch for batch in loaded if batch is not None]

    def note(self, database: Database, owner: str, is_forgetful: bool) -> None:
        """Remembers whether an owner would count a batch twice."""
        with database.transaction() as db:
            self._outbox.keep_forgetful(db, owner, is_forgetful)

    def _doubt(self, database: Database, heads: Sequence[Head]) -> None:
        """Settles what was under way when the process before this one died."""
        for loss in self._lost(drop(self._outbox, database, [(head, "crash") for head in heads])):
            self._tell(loss)

    def unsent(self, database: Database, batches: Sequence[Batch]) -> None:
        """Nothing of these has left this node, after all, as far as `next` gave them out."""
        first = [batch.id for batch in batches if batch.id in self._first_time]
        if first:
            with database.transaction() as db:
                self._outbox.mark(db, first, is_sent=False)
            self._first_time.difference_update(first)

    def unanswered(self, id: BatchId) -> None:
        """It was sent, and nobody knows what became of it."""
        self._first_time.discard(id)

    def answered(self, database: Database, batch: Batch, answer: Answer) -> bool:
        """Does what an answer asks for; whether the next batch may be sent at once.

        Not one of the same interval, if that was put off.
        """
        is_first = batch.id in self._first_time
        self._first_time.discard(batch.id)
        is_of_interval = self.put_off.note(batch, answer)
        if answer.windows is not None:
            self._windows_ms[batch.owner] = round(answer.windows.accept_s * 1000)
            self.fit.compare(batch.owner, answer.windows)
        if answer.kind is Kind.HELD:
            self._held[batch.owner].add(batch.id)
        elif answer.kind is Kind.DONE:
            self._done(database, batch)
        elif answer.kind is Kind.TOO_OLD:
            is_certain = is_first or answer.reason != FORGOTTEN
            self._settle(database, batch, "given_up" if is_certain else "in_doubt", answer.reason)
        elif answer.kind is Kind.REJECTED:
            self._settle(database, batch, "rejected", answer.reason)
        elif answer.kind is Kind.IN_DOUBT:
            self._settle(database, batch, "in_doubt", answer.reason)
        elif answer.kind is Kind.REFUSED:
            return self._refused(database, batch, answer, is_first=is_first)
        return is_of_interval or answer.kind not in (Kind.BUSY, Kind.UNKNOWN)

    def to_confirm(self, database: Database, owner: str) -> list[BatchId]:
        """What an owner is to be asked about, the oldest interval first."""
        held = self._held[owner]
        found = [h.id for h in self._outbox.heads(database.connection, owner) if h.id in held]
        held.intersection_update(found)
        return found

    def confirmed(
        self, database: Database, owner: str, ids: Sequence[BatchId], answers: Sequence[Answer]
    ) -> int:
        """Takes what an owner said: what is DONE goes, what is UNKNOWN is delivered again.

        Returns how many were done.
        """
        kinds = dict(zip(ids, (answer.kind for answer in answers), strict=True))
        for id, kind in kinds.items():
            if kind is Kind.UNKNOWN:
                self._held[owner].discard(id)
        done = {id for id, kind in kinds.items() if kind is Kind.DONE}
        heads = [h for h in self._outbox.heads(database.connection, owner) if h.id in done]
        if heads:
            with database.transaction() as db:
                self._outbox.drop(db, [head.id for head in heads])
        self._held[owner] -= done
        self._books.done(heads)
        return len(heads)

    def give_up(self, database: Database) -> list[Loss]:
        """Once an interval: lets go of what is too old, or has no room, and books it.

        What was put off is tried again.
        """
        self.put_off.try_again()
        most = self._options.max_bytes
        return self._lost(
            give_up(self._outbox, database, before_ms=cache(self._before_ms), most_bytes=most)
        )

    def _before_ms(self, owner: str) -> int:
        """What is older is too old for an owner, or for our patience."""
        most_ms = self._options.max_age_ms
        age_ms = min(self._windows_ms.get(owner, most_ms), most_ms) + self._options.interval_ms
        return self._clock.now_ns() // 1_000_000 - age_ms

    def give_up_spare(self, database: Database, most_bytes: int) -> list[Loss]:
        """Lets go of what waits for the disk for too long, or has no room to."""
        spare = self._spare()
        if spare is None:
            return []
        forget_known(spare, database)
        before_ms = self._clock.now_ns() // 1_000_000 - self._options.max_age_ms
        losses = give_up(
            self._outbox,
            spare,
            before_ms=lambda _: before_ms,
            most_bytes=most_bytes,
            want_of_room="disk",
        )
        return self._lost(losses)

    def abandon(self, database: Database, reason: str) -> list[Loss]:
        """Lets go of everything: what keeps it ends with this process."""
        heads = self._outbox.oldest_first(database.connection)
        return self._lost(drop(self._outbox, database, [(head, reason) for head in heads]))

    def _done(self, database: Database, batch: Batch) -> None:
        if self._drop(database, batch):
            self._books.done([batch])

    def _settle(self, database: Database, batch: Batch, word: LossWord, reason: str) -> None:
        if self._drop(database, batch):
            for loss in self._lost([_loss(batch, word, reason)]):
                self._tell(loss)

    def _drop(self, database: Database, batch: Batch) -> bool:
        """Whether it was still there: what was given up meanwhile has its account already."""
        with database.transaction() as db:
            is_there = self._outbox.drop(db, [batch.id]) == 1
        self._held[batch.owner].discard(batch.id)
        return is_there

    def _lost(self, losses: list[Loss]) -> list[Loss]:
        self._books.lose(losses)
        return losses

    def _tell(self, loss: Loss) -> None:
        sums = (1, loss.series, loss.samples)
        about = (self._outbox.name, loss.owner, loss.word, loss.reason)
        self._emit(BatchesLost(*about, *sums, loss.start_ms))

    def _refused(self, database: Database, batch: Batch, answer: Answer, *, is_first: bool) -> bool:
        """Cuts it anew if the owner goes by a newer list than the batch; else it has to wait.

        Also what was sent before to somebody of whom the ring that is now here knows nothing.
        """
        if answer.table is not None:
            try:
                if self._membership.adopt(answer.table, database):
                    epoch = self._membership.table.latest
                    names = ",".join(epoch.members)
                    self._emit(EpochAdopted(epoch.number, epoch.from_ms, names))
            except EpochInvalid as exc:
                self._emit(OwnerRefuses(batch.owner, str(exc)))
                return False
            known = answer.table.at(batch.start_ms)
            ours = self._membership.table.at(batch.start_ms)
            is_ours = is_first or self._is_of_our_ring(batch)
            if ours == known and known.number > batch.epoch and is_ours:
                return self._divide_anew(database, batch, ours)
        self._emit(OwnerRefuses(batch.owner, answer.reason))
        return False

    def _is_of_our_ring(self, batch: Batch) -> bool:
        """Whether whoever was asked for its owner is of the ring that the batch was made for.

        One that was made for an address is sent to that address itself once members are known.
        """
        table = self._membership.table
        is_asked_itself = batch.epoch == ANYBODY and table.epochs[0].number != ANYBODY
        return is_asked_itself or table.names(batch.owner)

    def _divide_anew(self, database: Database, batch: Batch, epoch: Epoch) -> bool:
        try:
            parts = self._divide(batch, epoch)
        except ValueError:
            self._settle(database, batch, "rejected", "unreadable")
            return True
        pieces = divided(batch, self._new_uuid(), epoch, parts)
        with database.transaction() as db:
            if not self._outbox.drop(db, [batch.id]):
                return True
            self._outbox.keep(db, pieces)
        self._books.divide(batch, pieces)
        return True


def _loss(batch: Batch, word: LossWord, reason: str) -> Loss:
    uuid, part, _ = batch.id
    return Loss(word, reason, batch.owner, uuid, part, batch.start_ms, batch.series, batch.samples)


def _bytes(batches: Sequence[Batch]) -> int:
    return sum(len(batch.payload) for batch in batches)


def _beyond(most_bytes: int, batches: Sequence[Batch]) -> list[Batch]:
    """The oldest, as many as have to go until the rest has room."""
    size, lost = _bytes(batches), list[Batch]()
    for batch in batches:
        if size <= most_bytes:
            break
        lost.append(batch)
        size -= len(batch.payload)
    return lost
