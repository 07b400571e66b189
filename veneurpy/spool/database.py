"""The spool's file: SQLite, for one thread."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from veneurpy.errors import VeneurpyError
from veneurpy.spool import outbox, pieces, seals
from veneurpy.spool.pieces import Content, Piece, Step, content, cut
from veneurpy.spool.record import MARK_KEPT_MS, LateRow, Owed

FILE_NAME = "spool.db"
VERSION = 6
LARGEST_WAL = 64 << 20
LEFT_BYTES = 4 * pieces.STEP_BYTES
"""So much of a disk is left to what counts: to free what was written ahead takes room as well."""

_SCHEMA = f"""
{pieces.TABLES}
CREATE TABLE intervals (
    seq INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL, bytes INTEGER NOT NULL
);
CREATE TRIGGER gone AFTER DELETE ON intervals BEGIN INSERT INTO loose VALUES (OLD.seq); END;
CREATE TABLE deliveries (
    uuid BLOB NOT NULL, sink TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL,
    rows INTEGER NOT NULL, under_way INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (uuid, sink, number)
) WITHOUT ROWID;
CREATE TABLE encoded (uuid BLOB PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE positions (sink TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE late (
    timestamp_ms INTEGER NOT NULL, key BLOB NOT NULL, revision INTEGER NOT NULL,
    value REAL NOT NULL, length_s REAL NOT NULL, PRIMARY KEY (timestamp_ms, key)
) WITHOUT ROWID;
"""
_LARGE = {"pieces", "identities"}
_DONE = "uuid = :uuid AND NOT EXISTS (SELECT 1 FROM deliveries WHERE uuid = :uuid)"

Also = Callable[[sqlite3.Connection], None]
"""What else belongs into a transaction."""


def nothing_else(db: sqlite3.Connection) -> None:
    """Most intervals are not forwarded."""


class OtherVersion(VeneurpyError):
    """Another version of veneurpy wrote the file."""


class Database:
    """Opens the file, making it if need be. Every method is one transaction.

    Raises sqlite3.Error; OtherVersion if the file is of a version that is not known.
    """

    def __init__(
        self, path: Path | None, *, is_owner: bool = False, in_memory_fs: bool = False
    ) -> None:
        """In memory without a path. An owner's commits are safe against the machine's death too.

        `in_memory_fs`: the file dies with the machine whatever is done; it is kept small instead.
        """
        self._synchronous = "FULL" if is_owner else "NORMAL"
        self._journal = "WAL"
        if in_memory_fs:
            self._synchronous, self._journal = "OFF", "DELETE"
        self._path = path
        self._ahead = dict[int, Content]()
        # Transactions are begun by hand; the worker thread is not the one that opens it in tests.
        self._db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(path)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, path: Path | None) -> None:
        self._db.execute(f"PRAGMA journal_mode = {self._journal}")
        # NORMAL is safe against the death of the process, and of the machine up to the last ones.
        self._db.execute(f"PRAGMA synchronous = {self._synchronous}")
        self._db.execute(f"PRAGMA journal_size_limit = {LARGEST_WAL}")
        # With it, which is how some builds have it, to free a page is to write one.
        self._db.execute("PRAGMA secure_delete = OFF")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise OtherVersion(
                f"{path} is of version {version} and this veneurpy knows version {VERSION}: "
                "start the version that wrote it, or move the file away (what it holds is lost)"
            )
        # They came later, and versions that do not know them pass over them.
        self._db.executescript(f"BEGIN; {outbox.TABLES} {seals.TABLES} COMMIT;")

    def close(self) -> None:
        self._db.close()

    def check(self) -> None:
        """Reads what has to be readable for anything to go on. Raises sqlite3.DatabaseError.

        Not the large tables: what is damaged there costs what it is about. Files that are another
        user's would take nothing, ever; a disk may, later.
        """
        try:
            self._db.execute("DELETE FROM encoded WHERE uuid IS NULL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY:
                raise
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (table,) in self._db.execute(query).fetchall():
            if table in _LARGE:
                self._db.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
                continue
            (found,) = self._db.execute(f"PRAGMA quick_check({table})").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(f"{table}: {found}")

    @property
    def connection(self) -> sqlite3.Connection:
        """To read by."""
        return self._db

    def commit(
        self,
        uuid: UUID,
        *,
        start_ms: int,
        end_ms: int,
        record: Content | Iterable[Piece],
        owed: Sequence[Owed],
        late: Sequence[LateRow],
        forget_late_before_ms: int,
        also: Also = nothing_else,
    ) -> bool:
        """Keeps an interval, marks it as encoded; False if it was already.

        `record` is in pieces of any length, or in part on disk already. An interval that nobody is
        owed leaves its mark only. `also` writes more in the same transaction.
        """
        raw = uuid.bytes
        with self.transaction() as db:
            mark = "INSERT OR IGNORE INTO encoded VALUES (?, ?)"
            if not db.execute(mark, (raw, end_ms)).rowcount:
                return False
            db.execute("DELETE FROM encoded WHERE at_ms < ?", (end_ms - MARK_KEPT_MS,))
            if owed:
                whole = record if isinstance(record, Content) else content(cut(record))
                row = (pieces.keep(db, whole), raw, start_ms, end_ms, whole.bytes)
                db.execute("INSERT INTO intervals VALUES (?, ?, ?, ?, ?)", row)
            db.executemany(
                "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (raw, call.sink, call.number, call.kind, call.rows, call.under_way)
                    for call in owed
                ],
            )
            db.execute("DELETE FROM late WHERE timestamp_ms < ?", (forget_late_before_ms,))
            db.executemany("INSERT OR REPLACE INTO late VALUES (?, ?, ?, ?, ?)", late)
            also(db)
        return True

    def forget(self, uuid: UUID) -> None:
        """As if it had never been committed: somebody else delivers the interval."""
        with self.transaction() as db:
            for table in ("deliveries", "intervals", "encoded"):
                db.execute(f"DELETE FROM {table} WHERE uuid = ?", (uuid.bytes,))

    def give_up(self, *, most_bytes: int, before_ms: int) -> list[UUID]:
        """Deletes what ended before a time, then the oldest until the rest has room."""
        with self.transaction() as db:
            query = "SELECT uuid, end_ms, bytes FROM intervals ORDER BY start_ms, seq"
            kept = db.execute(query).fetchall()
            total = sum(size for _, _, size in kept)
            lost = []
            for uuid, end_ms, size in kept:
                if end_ms >= before_ms and total <= most_bytes:
                    continue
                lost.append(uuid)
                total -= size
            for table in ("deliveries", "intervals"):
                db.executemany(f"DELETE FROM {table} WHERE uuid = ?", [(uuid,) for uuid in lost])
        return [UUID(bytes=uuid) for uuid in lost]

    def held(self) -> tuple[int, int]:
        """How many intervals are kept, and their bytes."""
        query = "SELECT count(*), coalesce(sum(bytes), 0) FROM intervals"
        count, size = self._db.execute(query).fetchone()
        return count, size

    def record(self, uuid: UUID) -> bytearray | None:
        """What was committed of an interval; None when it is gone."""
        query = "SELECT seq FROM intervals WHERE uuid = ?"
        row = self._db.execute(query, (uuid.bytes,)).fetchone()
        if row is None:
            return None
        record = bytearray()
        query = "SELECT data FROM pieces WHERE seq = ? ORDER BY number"
        for (piece,) in self._db.execute(query, row):
            record += piece
        return record

    def encoded(self, uuids: Collection[UUID]) -> set[UUID]:
        """Those that were committed, whatever became of them since."""
        query = "SELECT 1 FROM encoded WHERE uuid = ?"
        return {uuid for uuid in uuids if self._db.execute(query, (uuid.bytes,)).fetchone()}

    def published_until(self, before_ms: int) -> int:
        """The last end of an interval that was committed within a day, if not after `before_ms`.

        0 if there is none.
        """
        query = "SELECT max(at_ms) FROM encoded WHERE at_ms <= ?"
        return int(self._db.execute(query, (before_ms,)).fetchone()[0] or 0)

    def owed(self) -> list[Owed]:
        """All that is owed, the oldest interval first."""
        query = (
            "SELECT uuid, start_ms, sink, kind, number, rows, under_way "
            "FROM deliveries JOIN intervals USING (uuid) "
            # The events' call is the last of an interval.
            "ORDER BY start_ms, seq, sink, number < 0, number"
        )
        return [
            Owed(UUID(bytes=uuid), start_ms, sink, kind, number, rows, bool(under_way))
            for uuid, start_ms, sink, kind, number, rows, under_way in self._db.execute(query)
        ]

    def mark(self, uuid: UUID, sink: str, number: int, *, under_way: bool) -> None:
        """Says that a call begins, or that it had no effect."""
        with self.transaction() as db:
            db.execute(
                "UPDATE deliveries SET under_way = ? WHERE uuid = ? AND sink = ? AND number = ?",
                (under_way, uuid.bytes, sink, number),
            )

    def settle(self, uuid: UUID, sink: str, number: int, position: str | None) -> None:
        """A call has its end: nothing is owed for it. The interval goes with its last call."""
        raw = uuid.bytes
        with self.transaction() as db:
            where = "uuid = ? AND sink = ? AND number = ?"
            db.execute(f"DELETE FROM deliveries WHERE {where}", (raw, sink, number))
            db.execute(f"DELETE FROM intervals WHERE {_DONE}", {"uuid": raw})
            _place(db, sink, position)

    def place(self, sink: str, position: str) -> None:
        """Keeps how far a sink has written."""
        with self.transaction() as db:
            _place(db, sink, position)

    def positions(self) -> dict[str, str]:
        """How far each sink has written."""
        return dict(self._db.execute("SELECT sink, position FROM positions"))

    def late(self) -> list[LateRow]:
        """What was published at times of their own, within the window."""
        query = "SELECT timestamp_ms, key, revision, value, length_s FROM late"
        return [LateRow(*row) for row in self._db.execute(query)]

    def write_ahead(self, step: Step) -> bool:
        """Something large is written ahead, in transactions of their own; `drop` it in the end.

        False if the disk is nearly full: the step is put back, and all that is left is written by
        what makes it count, which leaves nothing if it fails. Raises sqlite3.Error.
        """
        if not self._has_room(sum(len(piece) for _, piece in step)):
            pieces.put_back(step)
            return False
        new = [whole for whole, _ in step if whole.seq is None]
        try:
            with self.transaction() as db:
                pieces.write_ahead(db, step)
        except BaseException:
            # The next one that comes gets their numbers.
            for whole in new:
                whole.seq = None
            raise
        self._ahead.update((whole.seq, whole) for whole in new if whole.seq is not None)
        return True

    def _has_room(self, size: int) -> bool:
        """Whether so much can be written that does not count, and be freed again."""
        if self._path is None:
            return True
        (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        is_inside = free * pieces.PAGE_BYTES > 2 * size
        return is_inside or shutil.disk_usage(self._path.parent).free >= LEFT_BYTES + size

    def drop(self, contents: Iterable[Content]) -> None:
        """They are not written any further: what was not kept is swept."""
        for whole in contents:
            # What had its number from a commit that failed may share it with another by now.
            if whole.seq is not None and self._ahead.get(whole.seq) is whole:
                del self._ahead[whole.seq]

    def sweep(self) -> bool:
        """Frees some of what nobody needs; whether there may be more."""
        seqs = pieces.loose(self._db, self._ahead)
        if seqs:
            with self.transaction() as db:
                pieces.sweep(db, seqs)
        return bool(seqs)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing. They do not nest."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _place(db: sqlite3.Connection, sink: str, position: str | None) -> None:
    if position is not None:
        db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (sink, position))
