"""What the spool keeps for what passes between nodes."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from uuid import UUID

import pytest

from tests.unit.forward.owners import batch
from veneurpy.engine import Columns
from veneurpy.forward.epochs import Epoch
from veneurpy.spool import Owed, Part, Record, Spool
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import FORWARD
from veneurpy.spool.pieces import PIECE_BYTES
from veneurpy.spool.record import MARK_KEPT_MS
from veneurpy.testing import START_MS
from veneurpy.testing import batch as points

ONE = UUID(int=1)


def record(columns: Columns) -> Record:
    return Record(ONE, START_MS, "web1", columns, [Part(None, 10.0, 0)])


@pytest.mark.parametrize(("is_owner", "level"), [(False, 1), (True, 2)], ids=["host", "owner"])
def test_an_owner_s_commits_outlive_the_machine(tmp_path: Path, is_owner: bool, level: int) -> None:
    """synchronous is FULL there, NORMAL on hosts."""
    database = Database(tmp_path / "spool.db", is_owner=is_owner)
    assert (level,) == database.connection.execute("PRAGMA synchronous").fetchone()
    database.close()


def test_a_file_from_before_gets_the_tables(tmp_path: Path) -> None:
    """What it holds stays."""
    path = tmp_path / "spool.db"
    database = Database(path)
    database.place("file", "17")
    database.connection.executescript("DROP TABLE batches; DROP TABLE identities;")
    database.close()
    again = Database(path)
    assert {"file": "17"} == again.positions()
    assert {} == FORWARD.waiting(again.connection)
    again.close()


async def test_what_belongs_to_a_commit_is_in_it_or_not_at_all(tmp_path: Path) -> None:
    """`after` is called when it is in, and only then."""
    failures: list[tuple[str, str]] = []
    spool = Spool(
        tmp_path,
        most_bytes=1 << 20,
        oldest_s=3600.0,
        failed=lambda what, error: failures.append((what, error)),
    )
    await spool.open()
    calls: list[str] = []

    def fail(db: sqlite3.Connection) -> None:
        FORWARD.keep(db, [batch(number=1)])
        raise sqlite3.OperationalError("database or disk is full")

    def commit(also: object) -> bool:
        return spool.commit(
            record(points(("a", 1.0)).columns),
            [],
            end_ms=START_MS,
            now_ms=START_MS,
            also=also,  # type: ignore[arg-type]
            after=lambda: calls.append("after"),
        ).kept

    assert not await asyncio.to_thread(commit, fail)
    assert ({}, set(), []) == (
        await spool.do(lambda db: FORWARD.waiting(db.connection)),
        await spool.encoded([ONE]),
        calls,
    )
    assert await asyncio.to_thread(commit, lambda db: FORWARD.keep(db, [batch(number=1)]))
    (waiting,) = (await spool.do(lambda db: FORWARD.waiting(db.connection))).values()
    assert 1 == waiting.batches
    assert ({ONE}, ["after"]) == (await spool.encoded([ONE]), calls)
    assert ["commit"] == [what for what, _ in failures]
    await spool.close()


async def test_a_spool_in_memory() -> None:
    """It does all that one on disk does, for as long as it is open."""
    spool = Spool(None, most_bytes=1 << 20, oldest_s=1.0, failed=lambda what, error: None)
    await spool.open()
    epoch = Epoch(3, START_MS, ("a", "b"), "veneur")

    def keep(database: Database) -> None:
        with database.transaction() as db:
            FORWARD.keep_epochs(db, [epoch])
            FORWARD.keep_carry(db, b"left")

    await spool.do(keep)
    assert [epoch] == await spool.do(lambda db: FORWARD.epochs(db.connection))
    assert b"left" == await asyncio.to_thread(spool.run, lambda db: FORWARD.carry(db.connection))
    await spool.place({"file": "1"})
    assert {} == await spool.positions()
    await spool.close()


def test_a_record_in_pieces_is_one_blob() -> None:
    """However they are cut, and however large they are."""
    database = Database(None)
    whole = bytes(range(256)) * (PIECE_BYTES // 100)
    pieces = [whole[:7], memoryview(whole)[7 : PIECE_BYTES + 9], whole[PIECE_BYTES + 9 :]]
    database.commit(
        ONE,
        start_ms=0,
        end_ms=1,
        record=pieces,
        owed=[Owed(ONE, 0, "s", "k", 0, 1)],
        late=(),
        forget_late_before_ms=0,
    )
    assert whole == database.record(ONE)
    database.close()


def test_an_interval_is_known_to_be_forwarded_when_nothing_waits_any_more() -> None:
    """Who finds its arenas must not cut it into batches again; after a day nobody can."""
    database = Database(None)
    first = batch(number=1)
    for each in (first, batch(number=2, start_ms=first.start_ms + MARK_KEPT_MS)):
        with database.transaction() as db:
            FORWARD.keep(db, [each])
            FORWARD.drop(db, [each.id])
        assert {each.id.uuid} == FORWARD.forwarded(db, [each.id.uuid, UUID(int=9)])
    with database.transaction() as db:
        FORWARD.keep(db, [batch(number=3, start_ms=first.start_ms + MARK_KEPT_MS + 1)])
    assert set() == FORWARD.forwarded(database.connection, [first.id.uuid])
    database.close()
