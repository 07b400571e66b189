"""What an owner has published, in the spool's file: seals, identities, sketches to be amended."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from veneurpy.forward.batch import Batch, BatchId
from veneurpy.spool import pieces
from veneurpy.spool.pieces import STEP_BYTES, Content

TABLES = """
CREATE TABLE IF NOT EXISTS seals (
    start_ms INTEGER PRIMARY KEY, revision INTEGER NOT NULL, retired TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS identities (
    uuid BLOB NOT NULL, start_ms INTEGER NOT NULL, parts BLOB NOT NULL,
    PRIMARY KEY (uuid, start_ms)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identities_by_time ON identities (start_ms);
CREATE TABLE IF NOT EXISTS states (
    start_ms INTEGER PRIMARY KEY, seq INTEGER NOT NULL, bytes INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS stateless AFTER DELETE ON states
BEGIN INSERT INTO loose VALUES (OLD.seq); END;
CREATE TABLE IF NOT EXISTS bounds (name TEXT PRIMARY KEY, time_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (
    uuid BLOB NOT NULL, part INTEGER NOT NULL, at_ms INTEGER NOT NULL, deaths INTEGER NOT NULL,
    sender TEXT, payload BLOB
);
CREATE UNIQUE INDEX IF NOT EXISTS quarantine_by_id ON quarantine (uuid, part);
"""
POISON_DEATHS = 2
"""Of processes in the midst of one batch. A single one may have been killed from outside."""
MOST_QUARANTINED = 64
"""Payloads that are kept for a person; of more only the identity is."""

LATE_WINDOW, LATE_MAX_BYTES, FORWARD = "late_window", "late_max_bytes", "forward"
"""Why an interval is retired: by what is configured, or because that was changed."""


class Seal(NamedTuple):
    """What is known of a published interval."""

    revision: int
    retired: str = ""
    """Why it cannot be amended any more, in a word for its senders; "" if it can."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Times that only ever rise, whatever the clock does."""

    refused_before_ms: int = 0
    """Nothing of an interval before it is taken."""
    forgotten_before_ms: int = 0
    """Identities of intervals before it are gone."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """What is written in the transaction that publishes a revision of an interval."""

    start_ms: int
    seal: Seal
    identities: Mapping[UUID, int]
    """Bit k: part k of that uuid is in."""
    state: Content
    """Payloads that give the merged sketches back, each a piece."""
    bounds: Bounds
    states_before_ms: int
    """States of intervals before it go."""
    most_state_bytes: int
    spared: Collection[int] = ()
    """Intervals whose states stay even if there is no room."""


def write(db: sqlite3.Connection, sealing: Sealing) -> None:
    """Writes it all. Within the transaction of the rows."""
    start_ms, seal = sealing.start_ms, sealing.seal
    db.execute("INSERT OR REPLACE INTO seals VALUES (?, ?, ?)", (start_ms, *seal))
    for uuid, bits in sealing.identities.items():
        bits |= parts_of(db, uuid, start_ms)
        row = (uuid.bytes, start_ms, _packed(bits))
        db.execute("INSERT OR REPLACE INTO identities VALUES (?, ?, ?)", row)
    db.execute("DELETE FROM states WHERE start_ms = ?", (start_ms,))
    if sealing.state.bytes:
        seq = pieces.keep(db, sealing.state)
        db.execute("INSERT INTO states VALUES (?, ?, ?)", (start_ms, seq, sealing.state.bytes))
    _forget_states(db, sealing)
    keep_bounds(db, sealing.bounds)
    for table in ("identities", "seals"):
        before = (sealing.bounds.forgotten_before_ms,)
        db.execute(f"DELETE FROM {table} WHERE start_ms < ?", before)


def _forget_states(db: sqlite3.Connection, sealing: Sealing) -> None:
    """Lets the oldest go until the rest has room. What is retired was kept for a late batch."""
    query = (
        "SELECT start_ms, bytes, retired FROM states JOIN seals USING (start_ms) ORDER BY start_ms"
    )
    sizes = db.execute(query).fetchall()
    total = sum(size for _, size, _ in sizes)
    for time_ms, size, retired in sizes:
        is_old, is_beyond = time_ms < sealing.states_before_ms, total > sealing.most_state_bytes
        if (retired or is_old or is_beyond) and time_ms not in sealing.spared:
            retire(db, time_ms, LATE_WINDOW if is_old else LATE_MAX_BYTES)
            db.execute("DELETE FROM states WHERE start_ms = ?", (time_ms,))
            total -= size


def retire(db: sqlite3.Connection, start_ms: int, reason: str) -> None:
    """Says that nothing more is taken of an interval, unless that was said before.

    Within a transaction.
    """
    update = "UPDATE seals SET retired = ? WHERE start_ms = ? AND retired = ''"
    db.execute(update, (reason, start_ms))


def seals(db: sqlite3.Connection) -> dict[int, Seal]:
    """All that are known, by the interval's start."""
    query = "SELECT start_ms, revision, retired FROM seals"
    return {time_ms: Seal(*known) for time_ms, *known in db.execute(query)}


def state(
    db: sqlite3.Connection, start_ms: int, first: int, most_bytes: int = STEP_BYTES
) -> list[bytes]:
    """Some of the payloads that give an interval's sketches back, from one on; [] at the end."""
    row = db.execute("SELECT seq FROM states WHERE start_ms = ?", (start_ms,)).fetchone()
    return [] if row is None else pieces.read(db, row[0], first=first, most_bytes=most_bytes)


def state_bytes(db: sqlite3.Connection, start_ms: int) -> int:
    """How much they are."""
    row = db.execute("SELECT bytes FROM states WHERE start_ms = ?", (start_ms,)).fetchone()
    return 0 if row is None else int(row[0])


def bounds(db: sqlite3.Connection) -> Bounds:
    """As they were kept."""
    known = dict(db.execute("SELECT name, time_ms FROM bounds"))
    return Bounds(known.get("refused", 0), known.get("forgotten", 0))


def keep_bounds(db: sqlite3.Connection, bounds: Bounds) -> None:
    """Within a transaction."""
    rows = [("refused", bounds.refused_before_ms), ("forgotten", bounds.forgotten_before_ms)]
    db.executemany("INSERT OR REPLACE INTO bounds VALUES (?, ?)", rows)


def is_chained(db: sqlite3.Connection) -> bool:
    """Whether what was sealed so far was passed on to a next tier instead of published."""
    row = db.execute("SELECT time_ms FROM bounds WHERE name = 'chained'").fetchone()
    return row is not None and bool(row[0])


def keep_way(db: sqlite3.Connection, *, is_chained: bool) -> None:
    """From now on it is otherwise. Within a transaction.

    What was sealed before takes nothing more: half of an interval would be published here and half
    of it there.
    """
    db.execute("UPDATE seals SET retired = ? WHERE retired = ''", (FORWARD,))
    db.execute("INSERT OR REPLACE INTO bounds VALUES ('chained', ?)", (is_chained,))


def parts_of(db: sqlite3.Connection, uuid: UUID, start_ms: int) -> int:
    """The parts of a uuid that are in a seal of that interval, as bits."""
    query = "SELECT parts FROM identities WHERE uuid = ? AND start_ms = ?"
    row = db.execute(query, (uuid.bytes, start_ms)).fetchone()
    return 0 if row is None else int.from_bytes(row[0], "little")


def sealed(db: sqlite3.Connection, ids: Iterable[BatchId]) -> set[BatchId]:
    """Those of them that are in a seal, of whichever interval."""
    query = "SELECT parts FROM identities WHERE uuid = ?"
    found = set()
    for id in ids:
        for (parts,) in db.execute(query, (id.uuid.bytes,)):
            if int.from_bytes(parts, "little") >> id.part & 1:
                found.add(id)
    return found


def quarantined(db: sqlite3.Connection) -> set[tuple[UUID, int]]:
    """Batches that are not decoded again: POISON_DEATHS processes have died in their midst."""
    query = "SELECT uuid, part FROM quarantine WHERE deaths >= ?"
    return {(UUID(bytes=uuid), part) for uuid, part in db.execute(query, (POISON_DEATHS,))}


def count_death(db: sqlite3.Connection, uuid: UUID, part: int, now_ms: int) -> None:
    """Remembers that a process has died in the midst of a batch. Within a transaction."""
    db.execute(
        "INSERT INTO quarantine VALUES (?, ?, ?, 1, NULL, NULL) "
        "ON CONFLICT DO UPDATE SET deaths = deaths + 1, at_ms = excluded.at_ms",
        (uuid.bytes, part, now_ms),
    )


def keep_quarantined(db: sqlite3.Connection, batch: Batch) -> None:
    """Keeps the bytes of such a batch for a person, if there is room. Within a transaction."""
    kept = "SELECT count(*) FROM quarantine WHERE payload IS NOT NULL"
    if db.execute(kept).fetchone()[0] < MOST_QUARANTINED:
        db.execute(
            "UPDATE quarantine SET sender = ?, payload = ? WHERE uuid = ? AND part = ?",
            (batch.sender, batch.payload, batch.id.uuid.bytes, batch.id.part),
        )


def _packed(bits: int) -> bytes:
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")
