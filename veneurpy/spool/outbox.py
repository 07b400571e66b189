"""Batches that wait until their owner has sealed them, in the spool's file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch
from veneurpy.spool.record import MARK_KEPT_MS

TABLES = """
CREATE TABLE IF NOT EXISTS batches (
    uuid BLOB NOT NULL, part INTEGER NOT NULL, of_parts INTEGER NOT NULL,
    start_ms INTEGER NOT NULL, length_ms INTEGER NOT NULL, epoch INTEGER NOT NULL,
    owner TEXT NOT NULL, crc INTEGER NOT NULL, series INTEGER NOT NULL, samples INTEGER NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS batches_by_id ON batches (uuid, part);
CREATE INDEX IF NOT EXISTS batches_by_owner ON batches (owner, start_ms, uuid, part);
CREATE TABLE IF NOT EXISTS forwarded (
    uuid BLOB PRIMARY KEY, start_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgetful (owner TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS carry (one INTEGER PRIMARY KEY CHECK (one = 1), payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS epochs (
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


def keep(db: sqlite3.Connection, batches: Iterable[Batch]) -> None:
    """Adds batches; one that is there already stays as it is. Within a transaction.

    It is remembered for a day that their intervals were encoded, whatever becomes of them.
    """
    batches = list(batches)
    if batches:
        marks = {batch.id.uuid.bytes: batch.start_ms for batch in batches}
        db.executemany("INSERT OR IGNORE INTO forwarded VALUES (?, ?)", marks.items())
        before_ms = max(marks.values()) - MARK_KEPT_MS
        db.execute("DELETE FROM forwarded WHERE start_ms < ?", (before_ms,))
    db.executemany(
        "INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
        [
            (
                *(b.id.uuid.bytes, b.id.part, b.id.of, b.start_ms, b.length_ms, b.epoch, b.owner),
                *(b.crc, b.series, b.samples, len(b.payload), b.payload),
            )
            for b in batches
        ],
    )


def forwarded(db: sqlite3.Connection, uuids: Iterable[UUID]) -> set[UUID]:
    """Those intervals whose batches were kept, whatever became of them since."""
    query = "SELECT 1 FROM forwarded WHERE uuid = ?"
    return {uuid for uuid in uuids if db.execute(query, (uuid.bytes,)).fetchone()}


def keep_forgetful(db: sqlite3.Connection, owner: str, is_forgetful: bool) -> None:
    """Remembers whether an owner would count a batch twice. Within a transaction."""
    verb = "INSERT OR IGNORE INTO forgetful VALUES (?)"
    db.execute(verb if is_forgetful else "DELETE FROM forgetful WHERE owner = ?", (owner,))


def is_forgetful(db: sqlite3.Connection, owner: str) -> bool:
    """Whether that is remembered."""
    return db.execute("SELECT 1 FROM forgetful WHERE owner = ?", (owner,)).fetchone() is not None


def keep_carry(db: sqlite3.Connection, carry: bytes) -> None:
    """Replaces what rounding has left over. Within a transaction."""
    db.execute("INSERT OR REPLACE INTO carry VALUES (1, ?)", (carry,))


def carry(db: sqlite3.Connection) -> bytes | None:
    """What rounding had left over after the last interval that was committed; None before it."""
    row = db.execute("SELECT payload FROM carry").fetchone()
    return None if row is None else row[0]


def waiting(db: sqlite3.Connection) -> dict[str, Waiting]:
    """How much waits for each owner."""
    query = (
        "SELECT owner, count(*), sum(series), sum(samples), sum(bytes) FROM batches GROUP BY owner"
    )
    return {owner: Waiting(*sums) for owner, *sums in db.execute(query)}


def heads(db: sqlite3.Connection, owner: str, *, most: int = -1) -> list[Head]:
    """What waits for an owner, the oldest interval first."""
    query = f"SELECT {_HEAD} FROM batches WHERE owner = ? ORDER BY start_ms, uuid, part LIMIT ?"
    return [_head(row) for row in db.execute(query, (owner, most))]


def oldest_first(db: sqlite3.Connection) -> list[Head]:
    """All that waits, the oldest interval first, whoever is to get it."""
    query = f"SELECT {_HEAD} FROM batches ORDER BY start_ms, rowid"
    return [_head(row) for row in db.execute(query)]


def load(db: sqlite3.Connection, id: BatchId, sender: str) -> Batch | None:
    """A waiting batch in full; None when it is gone."""
    query = (
        "SELECT start_ms, length_ms, epoch, owner, payload, crc, series, samples "
        f"FROM batches WHERE {_BY_ID}"
    )
    row = db.execute(query, (id.uuid.bytes, id.part)).fetchone()
    if row is None:
        return None
    start_ms, length_ms, epoch, owner, payload, crc, series, samples = row
    return Batch(id, start_ms, length_ms, epoch, owner, sender, payload, crc, series, samples)


def mark(db: sqlite3.Connection, ids: Collection[BatchId], *, is_sent: bool) -> None:
    """Says of batches whether they may have reached their owner. Within a transaction."""
    rows = [(is_sent, id.uuid.bytes, id.part) for id in ids]
    db.executemany(f"UPDATE batches SET sent = ? WHERE {_BY_ID}", rows)


def drop(db: sqlite3.Connection, ids: Collection[BatchId]) -> int:
    """Deletes batches; how many were there. Within a transaction."""
    rows = [(id.uuid.bytes, id.part) for id in ids]
    return db.executemany(f"DELETE FROM batches WHERE {_BY_ID}", rows).rowcount if rows else 0


def epochs(db: sqlite3.Connection) -> list[Epoch]:
    """The member lists that were kept."""
    query = "SELECT number, from_ms, members, hash FROM epochs ORDER BY number"
    return [
        Epoch(number, from_ms, tuple(json.loads(members)), hash)
        for number, from_ms, members, hash in db.execute(query)
    ]


def keep_epochs(db: sqlite3.Connection, table: Sequence[Epoch]) -> None:
    """Replaces the member lists. Within a transaction."""
    db.execute("DELETE FROM epochs")
    rows = [(each.number, each.from_ms, json.dumps(each.members), each.hash) for each in table]
    db.executemany("INSERT INTO epochs VALUES (?, ?, ?, ?)", rows)


def _head(row: tuple[bytes, int, int, int, int, str, int, int, int, int]) -> Head:
    uuid, part, of, start_ms, epoch, owner, series, samples, sent, size = row
    id = BatchId(UUID(bytes=uuid), part, of)
    return Head(id, start_ms, epoch, owner, series, samples, bool(sent), size)
