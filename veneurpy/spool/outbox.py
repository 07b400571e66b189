"""Batches that wait until their owner has sealed them, in the spool's file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch
from veneurpy.spool.record import MARK_KEPT_MS

_TABLES = """
CREATE TABLE IF NOT EXISTS {p}batches (
    uuid BLOB NOT NULL, part INTEGER NOT NULL, of_parts INTEGER NOT NULL,
    start_ms INTEGER NOT NULL, length_ms INTEGER NOT NULL, epoch INTEGER NOT NULL,
    owner TEXT NOT NULL, crc INTEGER NOT NULL, series INTEGER NOT NULL, samples INTEGER NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL, payload BLOB NOT NULL
);
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
_HEAD = "uuid, part, of_parts, start_ms, epoch, owner, series, samples, sent, bytes"
_BY_ID = "uuid = ? AND part = ?"


class Head(NamedTuple):
    """A waiting batch without its payload."""

    id: BatchId
    start_ms: int
    epoch: int
    owner: str
    series: int
    samples: int
    is_sent: bool
    """It may have reached its owner."""
    bytes: int


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
        """Adds batches; one that is there already stays as it is. Within a transaction.

        It is remembered for a day that their intervals were encoded, whatever becomes of them.
        """
        batches = list(batches)
        if batches:
            marks = {batch.id.uuid.bytes: batch.start_ms for batch in batches}
            insert = f"INSERT OR IGNORE INTO {self._p}forwarded VALUES (?, ?)"
            db.executemany(insert, marks.items())
            before_ms = max(marks.values()) - MARK_KEPT_MS
            db.execute(f"DELETE FROM {self._p}forwarded WHERE start_ms < ?", (before_ms,))
        db.executemany(
            f"INSERT OR IGNORE INTO {self._p}batches "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
            [_row(batch) for batch in batches],
        )

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
        query = (
            "SELECT start_ms, length_ms, epoch, owner, payload, crc, series, samples "
            f"FROM {self._p}batches WHERE {_BY_ID}"
        )
        row = db.execute(query, (id.uuid.bytes, id.part)).fetchone()
        if row is None:
            return None
        start_ms, length_ms, epoch, owner, payload, crc, series, samples = row
        return Batch(id, start_ms, length_ms, epoch, owner, sender, payload, crc, series, samples)

    def mark(self, db: sqlite3.Connection, ids: Collection[BatchId], *, is_sent: bool) -> None:
        """Says of batches whether they may have reached their owner. Within a transaction."""
        rows = [(is_sent, id.uuid.bytes, id.part) for id in ids]
        db.executemany(f"UPDATE {self._p}batches SET sent = ? WHERE {_BY_ID}", rows)

    def drop(self, db: sqlite3.Connection, ids: Collection[BatchId]) -> int:
        """Deletes batches; how many were there. Within a transaction."""
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


def _head(row: tuple[bytes, int, int, int, int, str, int, int, int, int]) -> Head:
    uuid, part, of, start_ms, epoch, owner, series, samples, sent, size = row
    id = BatchId(UUID(bytes=uuid), part, of)
    return Head(id, start_ms, epoch, owner, series, samples, bool(sent), size)


def _row(b: Batch) -> tuple[object, ...]:
    return (
        *(b.id.uuid.bytes, b.id.part, b.id.of, b.start_ms, b.length_ms, b.epoch, b.owner),
        *(b.crc, b.series, b.samples, len(b.payload), b.payload),
    )
