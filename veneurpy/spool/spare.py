"""Where intervals wait for a disk that takes nothing: a small spool in `arena_dir`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from veneurpy.spool import notes, pieces
from veneurpy.spool.damaged import set_aside
from veneurpy.spool.database import FILE_NAME, Database
from veneurpy.spool.outbox import FORWARD

_UUIDS = """
SELECT uuid FROM (
    SELECT uuid, start_ms FROM intervals UNION ALL SELECT uuid, start_ms FROM batches
    UNION ALL SELECT uuid, at_ms FROM encoded UNION ALL SELECT uuid, start_ms FROM forwarded
) GROUP BY uuid ORDER BY min(start_ms)
"""
_OF_ROWS = ("deliveries", "intervals", "encoded")
_OF_BATCHES = ("batches", "forwarded")


class Held(NamedTuple):
    """How much waits."""

    intervals: int
    bytes: int
    """Of rows and batches."""


class Spare:
    """A database in a directory of files that outlive the process as the arenas do.

    The file is there only while something is in it. For one thread.
    """

    def __init__(self, directory: Path, *, most_bytes: int) -> None:
        """At most `most_bytes` of rows, and as many of batches."""
        self.most_bytes = most_bytes
        self.database: Database | None = None
        """None while it is empty."""
        self._directory = directory
        self._path = directory / FILE_NAME

    def __repr__(self) -> str:
        return f"Spare({str(self._path)!r}, most_bytes={self.most_bytes})"

    @property
    def held(self) -> Held:
        return Held(0, 0) if self.database is None else _held(self.database)

    def find(self, target: Database) -> None:
        """Opens what a process before this one left. Raises sqlite3.Error or OSError."""
        if self._path.exists():
            forget_known(self.open(), target)

    def open(self) -> Database:
        """The database, a new one if it was empty. Raises sqlite3.Error or OSError."""
        if self.database is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.database = Database(self._path, in_memory_fs=True)
        return self.database

    def set_aside(self) -> None:
        """Puts a damaged file out of the way; what comes gets a new one."""
        self.close()
        set_aside(self._path)

    def move(self, target: Database) -> None:
        """Takes all of it to the disk, and is empty. Raises sqlite3.Error: the rest stays here.

        If it is damaged it is set aside then, so that the disk takes what comes.
        """
        if self.database is None:
            return
        try:
            move(self.database, target)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            if not _is_sound(self.database):
                self.set_aside()
            raise
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leaves what it has to the next process. Idempotent."""
        if self.database is not None:
            self.database.close()
            self.database = None


def move(source: Database, target: Database) -> None:
    """Takes all intervals from one to the other, the oldest first. Raises sqlite3.Error.

    Wherever it is cut short, `forget_known` sees to it that nothing is there twice.
    """
    forget_known(source, target)
    notes.move(source, target)
    for uuid in _uuids(source):
        with target.transaction() as db:
            for table in ("intervals", "batches"):
                _copy_whole(source.connection, db, table, uuid)
            for table in ("encoded", "deliveries", "forwarded"):
                _copy(source.connection, db, table, uuid)
            for table in ("late", "carry"):
                _copy(source.connection, db, table)
        _forget(source, uuid, (*_OF_ROWS, *_OF_BATCHES))


def forget_known(source: Database, target: Database) -> None:
    """Deletes what was taken to the other one already, by the marks there."""
    uuids = _uuids(source)
    for uuid in target.encoded(uuids):
        _forget(source, uuid, _OF_ROWS)
    for uuid in FORWARD.forwarded(target.connection, uuids):
        _forget(source, uuid, _OF_BATCHES)


def holds(database: Database, uuid: UUID) -> bool:
    """Whether it has the rows of an interval."""
    query = "SELECT 1 FROM intervals WHERE uuid = ?"
    return database.connection.execute(query, (uuid.bytes,)).fetchone() is not None


def _uuids(database: Database) -> list[UUID]:
    return [UUID(bytes=raw) for (raw,) in database.connection.execute(_UUIDS)]


def _forget(database: Database, uuid: UUID, tables: Iterable[str]) -> None:
    with database.transaction() as db:
        for table in tables:
            db.execute(f"DELETE FROM {table} WHERE uuid = ?", (uuid.bytes,))


def _copy_whole(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, uuid: UUID
) -> None:
    """With their pieces, which get another number there."""
    cursor = source.execute(f"SELECT * FROM {table} WHERE uuid = ?", (uuid.bytes,))
    at = [name for name, *_ in cursor.description].index("seq")
    places = ", ".join("?" for _ in cursor.description)
    for row in cursor.fetchall():
        new = pieces.next_seq(target)
        insert = f"INSERT INTO {table} VALUES ({places})"
        target.execute(insert, (*row[:at], new, *row[at + 1 :]))
        query = "SELECT number, data FROM pieces WHERE seq = ? ORDER BY number"
        rows = ((new, number, data) for number, data in source.execute(query, (row[at],)))
        target.executemany("INSERT INTO pieces VALUES (?, ?, ?)", rows)


def _copy(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, uuid: UUID | None = None
) -> None:
    where, args = ("", ()) if uuid is None else ("WHERE uuid = ?", (uuid.bytes,))
    cursor = source.execute(f"SELECT * FROM {table} {where}", args)
    places = ", ".join("?" for _ in cursor.description)
    target.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", cursor)


def _held(database: Database) -> Held:
    db = database.connection
    (count,) = db.execute(f"SELECT count(*) FROM ({_UUIDS})").fetchone()
    sums = [
        db.execute(f"SELECT coalesce(sum(bytes), 0) FROM {table}").fetchone()[0]
        for table in ("intervals", "batches")
    ]
    return Held(count, sum(sums))


def _is_sound(database: Database) -> bool:
    try:
        return bool(database.connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False
