"""The spool's file and its spare as one: an interval is in either of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from uuid import UUID

from veneurpy.spool import notes
from veneurpy.spool.database import Database
from veneurpy.spool.notes import Call, Note
from veneurpy.spool.outbox import FORWARD
from veneurpy.spool.record import LateRow, Owed
from veneurpy.spool.spare import Spare, holds


class Pair:
    """For one thread. Every method raises sqlite3.Error."""

    def __init__(self, main: Database, spare: Spare | None) -> None:
        self.main = main
        self._spare = spare

    def __repr__(self) -> str:
        return f"Pair({self.main!r}, {self._spare!r})"

    @property
    def spare(self) -> Database | None:
        """None while it is empty."""
        return None if self._spare is None else self._spare.database

    def empty_spare(self) -> None:
        """Takes to the disk what waits for it."""
        if self._spare is not None:
            self._spare.move(self.main)

    def holder(self, uuid: UUID) -> Database:
        """Where the rows of an interval are, if anywhere."""
        spare = self.spare
        return spare if spare is not None and holds(spare, uuid) else self.main

    def encoded(self, uuids: Collection[UUID]) -> set[UUID]:
        """Those that were committed, whatever became of them since."""
        return {uuid for each in self.all for uuid in each.encoded(uuids)}

    def published_until(self, before_ms: int) -> int:
        """The last end of an interval that was committed, if not after `before_ms`; or 0."""
        return max(each.published_until(before_ms) for each in self.all)

    def forwarded(self, uuids: Collection[UUID]) -> set[UUID]:
        """Those whose batches were kept, whatever became of them since."""
        return {uuid for each in self.all for uuid in FORWARD.forwarded(each.connection, uuids)}

    def owed(self) -> list[Owed]:
        """All that is owed, the oldest interval first; what is in the spare is newer."""
        spare = self.spare
        if spare is None:
            return self.main.owed()
        return notes.applied(notes.read(spare), self.main.owed()) + spare.owed()

    def late(self) -> list[LateRow]:
        """What was published at times of their own, the last of each series last."""
        return [row for each in self.all for row in each.late()]

    def mark(self, uuid: UUID, sink: str, number: int, *, under_way: bool) -> None:
        """Says that a call begins, or that it had no effect; on the disk, or for it."""
        holder, call = self.holder(uuid), (uuid, sink, number)
        note = Note.UNDER_WAY if under_way else Note.WAITS
        try:
            holder.mark(*call, under_way=under_way)
        except sqlite3.Error:
            if holder is self.main:
                self.note(call, note)
            raise
        if holder is self.main and self.spare is not None:
            # It may have an older note of the same call.
            self.note(call, note)

    def note(self, call: Call, note: Note) -> None:
        """Keeps for the disk what is to be known of a call."""
        if self._spare is not None:
            notes.write(self._spare.open(), call, note)

    def forget(self, uuid: UUID) -> None:
        """As if it had never been committed."""
        for each in reversed(self.all):
            each.forget(uuid)

    def settle_in_spare(self, uuid: UUID, sink: str, number: int) -> bool:
        """Says there that a call has its end; False if it is not there, or has no room for that."""
        holder = self.holder(uuid)
        if holder is self.main:
            return False
        try:
            holder.settle(uuid, sink, number, None)
        except sqlite3.Error:
            return False
        return True

    @property
    def all(self) -> list[Database]:
        """Those that there are, the disk's first."""
        return [self.main, *([] if self.spare is None else [self.spare])]
