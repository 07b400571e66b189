"""Large things in the spool's file: in pieces, the first of which may be written ahead.

What is written ahead is loose: nothing counts on it, until a last transaction keeps it. Loose is
also what nothing counts on any more. `sweep` frees it, a little at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

PIECE_BYTES = 1 << 20
"""SQLite's copies of a larger one would stop every other thread for as long."""
STEP_BYTES = 4 << 20
"""So much is written, read or freed at once: whoever else has business with the disk waits."""
PAGE_BYTES = 4096
"""To free a smaller piece takes as long."""

TABLES = """
CREATE TABLE pieces (
    seq INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (seq, number)
);
CREATE TABLE loose (seq INTEGER PRIMARY KEY);
"""

Piece = bytes | memoryview
Step = Sequence[tuple["Content", Piece]]
"""What is written ahead at once, of whatever."""


@dataclass(slots=True)
class Content:
    """The pieces of one thing. Each is let go when it has been written.

    All of a large interval let go in one go would stop every other thread for as long.
    """

    rest: list[Piece]
    """What is not written yet, the next last."""
    bytes: int
    """Of all pieces."""
    seq: int | None = None
    """Its number, if some are written."""
    written: int = 0
    """How many are."""


def content(pieces: Iterable[Piece]) -> Content:
    """What consists of these pieces, in their order."""
    rest = list(pieces)
    size = sum(map(len, rest))
    rest.reverse()
    return Content(rest, size)


def cut(whole: Iterable[Piece]) -> Iterator[memoryview]:
    """The same bytes in pieces of at most PIECE_BYTES."""
    for each in whole:
        view = memoryview(each)
        for start in range(0, len(view), PIECE_BYTES):
            yield view[start : start + PIECE_BYTES]


def steps(contents: Iterable[Content], most_bytes: int) -> Iterator[Step]:
    """Takes off what is to be written ahead, one after the other: all but what the last would have.

    Each is of at most so many bytes, or one piece.
    """
    step, size = list[tuple[Content, Piece]](), 0
    for whole in contents:
        while whole.rest:
            if step and size + len(whole.rest[-1]) > most_bytes:
                yield step
                step, size = [], 0
            step.append((whole, whole.rest.pop()))
            size += len(step[-1][1])
    put_back(step)


def put_back(step: Step) -> None:
    """It is not written ahead, after all. What `steps` was to yield next is not asked for then."""
    for whole, piece in reversed(step):
        whole.rest.append(piece)


def write_ahead(db: sqlite3.Connection, step: Step) -> None:
    """Writes some; it is loose. Within a transaction."""
    for whole, piece in step:
        if whole.seq is None:
            whole.seq = next_seq(db)
            db.execute("INSERT INTO loose VALUES (?)", (whole.seq,))
        _write(db, whole, piece)


def keep(db: sqlite3.Connection, pieces: Content) -> int:
    """Writes the rest; it is loose no more. Its number. Within the transaction of its owner."""
    if pieces.seq is None:
        pieces.seq = next_seq(db)
    db.execute("DELETE FROM loose WHERE seq = ?", (pieces.seq,))
    while pieces.rest:
        _write(db, pieces, pieces.rest.pop())
    return pieces.seq


def _write(db: sqlite3.Connection, pieces: Content, piece: Piece) -> None:
    row = (pieces.seq, pieces.written, piece)
    db.execute("INSERT INTO pieces VALUES (?, ?, ?)", row)
    pieces.written += 1


def next_seq(db: sqlite3.Connection) -> int:
    """A number that nothing has, nor anything that is left of it."""
    largest = ", ".join(
        f"(SELECT coalesce(max(seq), 0) FROM {table})" for table in ("pieces", "loose", "intervals")
    )
    (seq,) = db.execute(f"SELECT max({largest}) + 1").fetchone()
    return int(seq)


def read(
    db: sqlite3.Connection, seq: int, *, first: int = 0, most_bytes: int | None = None
) -> list[bytes]:
    """Its pieces from one on; no more than fit into `most_bytes`, but one if there is one."""
    found: list[bytes] = []
    query = "SELECT data FROM pieces WHERE seq = ? AND number >= ? ORDER BY number"
    for (piece,) in db.execute(query, (seq, first)):
        if found and most_bytes is not None and sum(map(len, found)) + len(piece) > most_bytes:
            break
        found.append(piece)
    return found


def loose(db: sqlite3.Connection, spared: Collection[int] = ()) -> list[int]:
    """What may be swept: all that is loose but what is just being written."""
    return [seq for (seq,) in db.execute("SELECT seq FROM loose") if seq not in spared]


def sweep(db: sqlite3.Connection, seqs: Sequence[int], most_bytes: int = STEP_BYTES) -> None:
    """Frees some pieces of what is loose. Within a transaction."""
    room = most_bytes
    for seq in seqs:
        query = "SELECT number, length(data) FROM pieces WHERE seq = ? ORDER BY number DESC"
        for number, size in db.execute(query, (seq,)).fetchall():
            if room <= 0:
                return
            db.execute("DELETE FROM pieces WHERE seq = ? AND number = ?", (seq, number))
            room -= max(size, PAGE_BYTES)
        db.execute("DELETE FROM loose WHERE seq = ?", (seq,))
