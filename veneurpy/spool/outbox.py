"""Batches that wait until their owner has sealed them, in the spool's file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch
from veneurpy.spool import pieces
from veneurpy.spool.parcel import Head, Parcel, parcel, unpacked
from veneurpy.spool.record import MARK_KEPT_MS

_TABLES = """
CREATE TABLE IF NOT EXISTS {p}batches (
    uuid BLOB NOT NULL, part INTEGER NOT NULL, of_parts INTEGER NOT NULL,
    start_ms INTEGER NOT NULL, length_ms INTEGER NOT NULL, epoch INTEGER NOT NULL,
    owner TEXT NOT NULL, crc INTEGER NOT NULL, series INTEGER NOT NULL, samples INTEGER NOT NULL,
    bytes INTEGER NOT NULL, sent INTEGER NOT NULL, seq INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS {p}payload AFTER DELETE ON {p}batches
BEGIN INSERT INTO loose VALUES (OLD.seq); END;
CREATE UNIQUE INDEX IF NOT EXISTS {p}batches_by_id ON {p}batches (uuid, part);
CREATE INDEX IF NOT EXISTS {p}batches_by_owner ON {p}batches (owner, start_ms, uuid, part);
CREATE TABLE IF NOT EXISTS {p}forwarded (
    uuid BLOB PRIMARY KEY, start_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {p}forgetful (owner TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {p}carry (
    one INTEGER PRIMARY KEY CHECK (one = 1), payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS {p}epochs (
    number INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, members TEXT NOT NULL, hash TEXT NOT NULL
);
"""
_HEAD = "uuid, part, of_parts, start_ms, length_ms, epoch, owner, crc, series, samples, bytes, sent"
_BY_ID = "uuid = ? AND part = ?"


class Waiting(NamedTuple):
    """How much waits."""

    batches: int
    series: int
    samples: int
    bytes: int


class Outbox:
    """One set of waiting batches, and the member lists that they go by. A file has both."""

    def __init__(self, name: str, prefix: str) -> None:
        """`name` is for display, `prefix` of its tables."""
        self.name = name
        self._p = prefix

    def __repr__(self) -> str:
        return f"Outbox({self.name!r})"

    @property
    def tables(self) -> str:
        """How they are made, those of them that are not there."""
        return _TABLES.format(p=self._p)

    def keep(self, db: sqlite3.Connection, batches: Iterable[Batch]) -> None:
        """Adds batches; one that is there already stays as it is. Within a transaction."""
        self.keep_parcels(db, [parcel(batch) for batch in batches])

    def keep_parcels(self, db: sqlite3.Connection, parcels: Sequence[Parcel]) -> None:
        """The same of batches whose payloads may be there already.

        It is remembered for a day that their intervals were encoded, whatever becomes of them.
        """
        if parcels:
            marks = {each.head.id.uuid.bytes: each.head.start_ms for each in parcels}
            insert = f"INSERT OR IGNORE INTO {self._p}forwarded VALUES (?, ?)"
            db.executemany(insert, marks.items())
            before_ms = max(marks.values()) - MARK_KEPT_MS
            db.execute(f"DELETE FROM {self._p}forwarded WHERE start_ms < ?", (before_ms,))
        known = f"SELECT 1 FROM {self._p}batches WHERE {_BY_ID}"
        places = ", ".join("?" for _ in _HEAD.split(","))
        insert = f"INSERT INTO {self._p}batches ({_HEAD}, seq) VALUES ({places}, ?)"
        for head, payload in ((each.head, each.payload) for each in parcels):
            uuid, part, of = head.id
            if db.execute(known, (uuid.bytes, part)).fetchone() is None:
                seq = pieces.keep(db, payload)
                db.execute(insert, (uuid.bytes, part, of, *head[1:], seq))

    def forwarded(self, db: sqlite3.Connection, uuids: Iterable[UUID]) -> set[UUID]:
        """Those intervals whose batches were kept, whatever became of them since."""
        query = f"SELECT 1 FROM {self._p}forwarded WHERE uuid = ?"
        return {uuid for uuid in uuids if db.execute(query, (uuid.bytes,)).fetchone()}

    def keep_forgetful(self, db: sqlite3.Connection, owner: str, is_forgetful: bool) -> None:
        """Remembers whether an owner would count a batch twice. Within a transaction."""
        verb = f"INSERT OR IGNORE INTO {self._p}forgetful VALUES (?)"
        if not is_forgetful:
            verb = f"DELETE FROM {self._p}forgetful WHERE owner = ?"
        db.execute(verb, (owner,))

    def is_forgetful(self, db: sqlite3.Connection, owner: str) -> bool:
        """Whether that is remembered."""
        query = f"SELECT 1 FROM {self._p}forgetful WHERE owner = ?"
        return db.execute(query, (owner,)).fetchone() is not None

    def keep_carry(self, db: sqlite3.Connection, carry: bytes) -> None:
        """Replaces what rounding has left over. Within a transaction."""
        db.execute(f"INSERT OR REPLACE INTO {self._p}carry VALUES (1, ?)", (carry,))

    def carry(self, db: sqlite3.Connection) -> bytes | None:
        """What rounding had left over after the last committed interval; None before it."""
        row = db.execute(f"SELECT payload FROM {self._p}carry").fetchone()
        return None if row is None else row[0]

    def waiting(self, db: sqlite3.Connection) -> dict[str, Waiting]:
        """How much waits for each owner."""
        query = (
            "SELECT owner, count(*), sum(series), sum(samples), sum(bytes) "
            f"FROM {self._p}batches GROUP BY owner"
        )
        return {owner: Waiting(*sums) for owner, *sums in db.execute(query)}

    def heads(self, db: sqlite3.Connection, owner: str, *, most: int = -1) -> list[Head]:
        """What waits for an owner, the oldest interval first."""
        query = (
            f"SELECT {_HEAD} FROM {self._p}batches WHERE owner = ? "
            "ORDER BY start_ms, uuid, part LIMIT ?"
        )
        return [_head(row) for row in db.execute(query, (owner, most))]

    def oldest_first(self, db: sqlite3.Connection) -> list[Head]:
        """All that waits, the oldest interval first, whoever is to get it."""
        query = f"SELECT {_HEAD} FROM {self._p}batches ORDER BY start_ms, rowid"
        return [_head(row) for row in db.execute(query)]

    def load(self, db: sqlite3.Connection, id: BatchId, sender: str) -> Batch | None:
        """A waiting batch in full; None when it is gone."""
        query = f"SELECT {_HEAD}, seq FROM {self._p}batches WHERE {_BY_ID}"
        row = db.execute(query, (id.uuid.bytes, id.part)).fetchone()
        if row is None:
            return None
        *head, seq = row
        return unpacked(_head(head), sender, b"".join(pieces.read(db, seq)))

    def mark(self, db: sqlite3.Connection, ids: Collection[BatchId], *, is_sent: bool) -> None:
        """Says of batches whether they may have reached their owner. Within a transaction."""
        rows = [(is_sent, id.uuid.bytes, id.part) for id in ids]
        db.executemany(f"UPDATE {self._p}batches SET sent = ? WHERE {_BY_ID}", rows)

    def drop(self, db: sqlite3.Connection, ids: Collection[BatchId]) -> int:
        """Deletes batches; how many were there. Within a transaction.

        Their payloads are loose: they are swept.
        """
        rows = [(id.uuid.bytes, id.part) for id in ids]
        query = f"DELETE FROM {self._p}batches WHERE {_BY_ID}"
        return db.executemany(query, rows).rowcount if rows else 0

    def epochs(self, db: sqlite3.Connection) -> list[Epoch]:
        """The member lists that were kept."""
        query = f"SELECT number, from_ms, members, hash FROM {self._p}epochs ORDER BY number"
        return [
            Epoch(number, from_ms, tuple(json.loads(members)), hash)
            for number, from_ms, members, hash in db.execute(query)
        ]

    def keep_epochs(self, db: sqlite3.Connection, table: Sequence[Epoch]) -> None:
        """Replaces the member lists. Within a transaction."""
        db.execute(f"DELETE FROM {self._p}epochs")
        rows = [(each.number, each.from_ms, json.dumps(each.members), each.hash) for each in table]
        db.executemany(f"INSERT INTO {self._p}epochs VALUES (?, ?, ?, ?)", rows)


FORWARD: Final = Outbox("forward", "")
"""What this node forwards of its own intervals."""
CHAIN: Final = Outbox("chain", "chain_")
"""What it passes on to the next tier: what others forwarded to it, and it has sealed."""
TABLES = FORWARD.tables + CHAIN.tables


def _head(row: Sequence[Any]) -> Head:
    uuid, part, of, *known, is_sent = row
    head = Head(BatchId(UUID(bytes=uuid), part, of), *known)
    return head._replace(is_sent=bool(is_sent))
