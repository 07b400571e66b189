"""What is large is written ahead, and counts when a last transaction says so."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spooled import stray
from veneurpy.spool import Owed, Spool
from veneurpy.spool.database import Also, Database, nothing_else
from veneurpy.spool.pieces import PIECE_BYTES, Content, content, cut, steps

ONE, TWO = UUID(int=1), UUID(int=2)


def commit(
    database: Database, uuid: UUID, record: Content | list[bytes], also: Also = nothing_else
) -> bool:
    return database.commit(
        uuid,
        start_ms=0,
        end_ms=1,
        record=record,
        owed=[Owed(uuid, 0, "s", "k", 0, 1)],
        late=(),
        forget_late_before_ms=0,
        also=also,
    )


def write_ahead(database: Database, whole: Content, most_bytes: int = 2) -> None:
    for step in steps([whole], most_bytes):
        database.write_ahead(step)


@given(st.lists(st.lists(st.binary(max_size=5), max_size=8), max_size=4), st.integers(1, 9))
def test_steps_are_all_of_it_but_the_last(given: list[list[bytes]], most_bytes: int) -> None:
    """In order, of one thing after the other; each step is at most so large, or one piece."""
    contents = [content(each) for each in given]
    found = [list(step) for step in steps(contents, most_bytes)]
    found.append([(whole, piece) for whole in contents for piece in whole.rest[::-1]])
    ordered = [(id(whole), piece) for step in found for whole, piece in step]
    assert ordered == [
        (id(whole), piece) for whole, each in zip(contents, given, strict=True) for piece in each
    ]
    sizes = [[len(piece) for _, piece in step] for step in found]
    assert all(len(step) <= 1 or sum(step) <= most_bytes for step in sizes)
    assert [whole.bytes for whole in contents] == [sum(map(len, each)) for each in given]


def test_a_cut_is_the_same_bytes() -> None:
    """However long they are."""
    whole = bytes(range(256)) * (PIECE_BYTES // 100)
    cuts = list(cut([whole[:7], b"", whole[7:]]))
    assert whole == b"".join(cuts)
    assert max(map(len, cuts)) == PIECE_BYTES


def test_what_is_written_ahead_is_nothing_until_it_is_kept() -> None:
    """Whatever else is committed meanwhile; then it is whole."""
    database = Database(None)
    whole = content([b"ab", b"cd", b"ef"])
    write_ahead(database, whole)
    assert commit(database, TWO, [b"other"])
    assert ([TWO], (1, 5)) == ([each.uuid for each in database.owed()], database.held())
    assert not database.sweep()
    assert commit(database, ONE, whole)
    database.drop([whole])
    assert not database.sweep()
    assert (b"abcdef", b"other") == (database.record(ONE), database.record(TWO))
    assert (2, 11) == database.held()
    assert set() == stray(database)
    database.close()


def test_what_is_dropped_is_swept() -> None:
    """Some of it at a time; nothing else is touched."""
    database = Database(None)
    commit(database, TWO, [b"other"])
    whole = content([b"x" * PIECE_BYTES] * 12)
    write_ahead(database, whole, PIECE_BYTES)
    database.drop([whole])
    sweeps = 0
    while database.sweep():
        sweeps += 1
    assert sweeps > 2
    assert (set(), b"other") == (stray(database), database.record(TWO))
    database.close()


def test_what_could_not_be_committed_drops_nothing_of_another() -> None:
    """Which has got its number since, and is still being written."""

    def refuse(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    database = Database(None)
    failed, whole = content([b"failed"]), content([b"ab", b"cd", b"ef"])
    with pytest.raises(sqlite3.OperationalError):
        commit(database, ONE, failed, refuse)
    write_ahead(database, whole)
    database.drop([failed])
    assert not database.sweep()
    assert commit(database, TWO, whole)
    database.drop([whole])
    assert (b"abcdef", set()) == (database.record(TWO), stray(database))
    database.close()


def test_an_interval_that_is_gone_leaves_nothing() -> None:
    """Once it is settled and swept."""
    database = Database(None)
    commit(database, ONE, [b"ab", b"cd"])
    database.settle(ONE, "s", 0, None)
    assert database.record(ONE) is None
    assert database.sweep()
    assert not database.sweep()
    assert [(0,)] == database.connection.execute("SELECT count(*) FROM pieces").fetchall()
    database.close()


async def test_what_a_dead_process_had_written_ahead_is_cleared(tmp_path: Path) -> None:
    """By the next one, at its start; what counted stays."""
    database = Database(tmp_path / "spool.db")
    commit(database, TWO, [b"other"])
    write_ahead(database, content([b"ab", b"cd", b"ef"]))
    database.close()
    spool = Spool(tmp_path, most_bytes=1 << 20, oldest_s=3600.0, failed=lambda what, error: None)
    await spool.open()
    assert set() == await spool.do(stray)
    assert b"other" == await spool.do(lambda db: db.record(TWO))
    await spool.close()
