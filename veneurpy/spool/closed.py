"""A closed interval on its way into a spool's file, the most of it ahead of what makes it count."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from veneurpy.forward.batch import Batch
from veneurpy.spool.codec import encode
from veneurpy.spool.database import Also, Database
from veneurpy.spool.outbox import FORWARD
from veneurpy.spool.parcel import Parcel, parcel
from veneurpy.spool.pieces import Content, content, cut
from veneurpy.spool.record import LateRow, Owed, Record


@dataclass(frozen=True, slots=True)
class Closed:
    """What is committed of it in one transaction."""

    record: Record
    owed: Sequence[Owed]
    end_ms: int
    late: Sequence[LateRow]
    forget_late_before_ms: int
    batches: Sequence[Batch]
    """What is forwarded of it."""
    also: Also

    def packed(self) -> Packed:
        """As it is written, once and into one file."""
        rows = content(cut(encode(self.record)) if self.owed else ())
        return Packed(self, rows, [parcel(batch) for batch in self.batches])


@dataclass(frozen=True, slots=True)
class Packed:
    """A closed interval in pieces. Some of them may be in the file already."""

    closed: Closed
    rows: Content
    parcels: Sequence[Parcel]

    @property
    def contents(self) -> list[Content]:
        """All that may be large."""
        return [self.rows, *(each.payload for each in self.parcels)]

    def commit(self, database: Database) -> bool:
        """Has it count; False if it did already. Raises sqlite3.Error: then it cannot any more."""
        closed = self.closed

        def also(db: sqlite3.Connection) -> None:
            FORWARD.keep_parcels(db, self.parcels)
            closed.also(db)

        return database.commit(
            closed.record.uuid,
            start_ms=closed.record.start_ms,
            end_ms=closed.end_ms,
            record=self.rows,
            owed=closed.owed,
            late=closed.late,
            forget_late_before_ms=closed.forget_late_before_ms,
            also=also,
        )
