"""What the disk does not take waits beside the arenas."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from tests.fleet import batch
from tests.unit.spool.rig import MOST_BYTES, ONE, THREE, TWO, Rig, opened
from veneurpy.spool import Committed, Owed, Spare
from veneurpy.spool import spare as spare_module
from veneurpy.spool.database import Also, Database, nothing_else
from veneurpy.spool.outbox import FORWARD
from veneurpy.testing import START_MS

RECORD_BYTES = 300
"""A little less than a record takes."""


class SpareRig(Rig):
    """A spool on a disk that can refuse to write."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.file = folder / "arenas" / "spool.db"
        state = folder / "state"
        state.mkdir(exist_ok=True)
        super().__init__(folder, state=state, spare=Spare(folder / "arenas", most_bytes=most_bytes))

    async def refuse(self, refuses: bool = True) -> None:
        pragma = f"PRAGMA query_only = {int(refuses)}"
        await self.spool.do(lambda database: database.connection.execute(pragma))

    async def block(self, blocks: bool) -> None:
        """Marks and ends of calls are refused, also when the next process asks."""
        script = "".join(
            f"CREATE TRIGGER no_{verb} BEFORE {verb} ON deliveries "
            "BEGIN SELECT RAISE(FAIL, 'full'); END;"
            if blocks
            else f"DROP TRIGGER no_{verb};"
            for verb in ("UPDATE", "DELETE")
        )
        await self.spool.do(lambda database: database.connection.executescript(script))

    async def keep(self, uuid: UUID, *, also: Also = nothing_else) -> Committed:
        """Commits it with two calls of a sink, and a late row that is always the same point's."""
        start_ms = START_MS + 10_000 * uuid.int
        calls = [Owed(uuid, start_ms, "file", "localfile", number, 2) for number in (0, 1)]
        return await self.commit(uuid, start_ms=start_ms, late_ms=START_MS, calls=calls, also=also)

    async def owed(self) -> list[tuple[int, int, bool]]:
        return [(o.uuid.int, o.number, o.under_way) for o in await self.spool.owed()]

    async def value(self, uuid: UUID) -> float | None:
        return await self.spool.load(uuid, lambda record: record.columns.value.tolist()[0])


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[SpareRig]:
    """An open spool."""
    async with opened(SpareRig(tmp_path)) as made:
        yield made


def keeps_a_batch(uuid: UUID) -> Also:
    return lambda db: FORWARD.keep(db, [batch(b"x" * 100, uuid=uuid.int, start_ms=START_MS)])


async def test_what_the_disk_refuses_is_kept_all_the_same(rig: SpareRig) -> None:
    """With all that belongs to it, and the disk's failure is told."""
    await rig.keep(ONE)
    await rig.refuse()
    assert Committed(kept=True, given_up=[]) == await rig.keep(TWO)
    assert ["commit"] == [what for what, _ in rig.failures]
    assert [(1, 0, False), (1, 1, False), (2, 0, False), (2, 1, False)] == await rig.owed()
    assert {ONE, TWO} == await rig.spool.encoded([ONE, TWO, THREE])
    assert (2.0, 1) == (await rig.value(TWO), rig.spool.spared.intervals)
    assert 2 == (await rig.spool.late())[-1].revision


async def test_it_goes_to_the_disk_in_order(rig: SpareRig) -> None:
    """Before anything newer does; nothing is left of the file beside the arenas."""
    await rig.refuse()
    await rig.keep(ONE, also=keeps_a_batch(ONE))
    await rig.keep(TWO)
    assert {ONE} == await rig.spool.forwarded([ONE, TWO])
    await rig.refuse(False)
    await rig.keep(THREE)
    assert (3, 0) == (rig.spool.held[0], rig.spool.spared.bytes)
    assert not rig.file.exists()
    again = await rig.reopened()
    assert [1, 1, 2, 2, 3, 3] == [uuid for uuid, _, _ in await again.owed()]
    assert [1.0, 2.0, 3.0] == [await again.value(uuid) for uuid in (ONE, TWO, THREE)]
    assert [3] == [row.revision for row in await again.spool.late()]
    waiting = await again.spool.do(lambda db: FORWARD.waiting(db.connection))
    assert 1 == waiting["o0"].batches
    await again.spool.close()


async def test_calls_are_marked_and_settled_there(rig: SpareRig) -> None:
    """And stay so on the way to the disk; a sink's position no longer tells all that it wrote."""
    await rig.spool.place({"file": "17"})
    await rig.refuse()
    await rig.keep(ONE)
    await rig.spool.begin(ONE, "file", 1)
    await rig.spool.place({})
    rig.spool.settle(ONE, "file", 0, "18")
    assert [(1, 1, True)] == await rig.owed()
    assert {} == await rig.spool.positions()
    await rig.refuse(False)
    await rig.spool.retry()
    rig.spool.undo(ONE, "file", 1)
    assert [(1, 1, False)] == await rig.owed()
    rig.spool.settle(ONE, "file", 1)
    assert [] == await rig.owed()
    assert {ONE} == await rig.spool.encoded([ONE])


async def test_the_next_process_finds_it(rig: SpareRig) -> None:
    """And takes it to the disk at once."""
    await rig.refuse()
    await rig.keep(ONE)
    assert rig.file.exists()
    again = await rig.reopened()
    assert [(1, 0, False), (1, 1, False)] == await again.owed()
    assert not rig.file.exists()
    assert [] == again.failures
    await again.spool.close()


async def test_a_death_on_the_way_doubles_nothing(
    rig: SpareRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on the disk already, and perhaps settled there, is not taken there again."""
    await rig.refuse()
    await rig.keep(ONE, also=keeps_a_batch(ONE))
    await rig.refuse(False)
    monkeypatch.setattr(spare_module, "_forget", lambda *args: None)
    await rig.spool.do(lambda database: spare_module.move(rig.spool.spare or database, database))
    monkeypatch.undo()

    def settle(database: Database) -> None:
        for number in (0, 1):
            database.settle(ONE, "file", number, None)
        with database.transaction() as db:
            FORWARD.drop(db, [batch(uuid=1).id])

    await rig.spool.do(settle)
    again = await rig.reopened()
    assert [] == await again.owed()
    assert {} == await again.spool.do(lambda db: FORWARD.waiting(db.connection))
    await again.spool.close()


@pytest.mark.parametrize("is_mended", [False, True])
async def test_calls_of_older_intervals_are_noted_there(rig: SpareRig, is_mended: bool) -> None:
    """Whether the next process can write to the disk or not, it knows which of them were made."""
    for uuid in (ONE, TWO, THREE):
        await rig.keep(uuid)
    await rig.block(True)
    for uuid in (ONE, TWO, THREE):
        await rig.spool.begin(uuid, "file", 0)
    rig.spool.settle(ONE, "file", 0)
    rig.spool.undo(TWO, "file", 0)
    expected = [(1, 1, False), (2, 0, False), (2, 1, False), (3, 0, True), (3, 1, False)]
    assert expected == await rig.owed()
    assert rig.file.exists()
    if is_mended:
        await rig.block(False)
    again = await rig.reopened()
    assert expected == await again.owed()
    assert rig.file.exists() is not is_mended
    if not is_mended:
        await again.block(False)
        await again.spool.retry()
        assert expected == await again.owed()
        assert not rig.file.exists()
    await again.spool.close()


async def test_rows_there_are_bounded(tmp_path: Path) -> None:
    """The oldest are given up, and named to whoever delivers."""
    rig = SpareRig(tmp_path, most_bytes=2 * RECORD_BYTES)
    await rig.spool.open()
    await rig.refuse()
    assert Committed(kept=True, given_up=[]) == await rig.keep(ONE)
    assert RECORD_BYTES < rig.spool.spared.bytes < 2 * RECORD_BYTES
    assert Committed(kept=True, given_up=[ONE]) == await rig.keep(TWO)
    assert [2, 2] == [uuid for uuid, _, _ in await rig.owed()]
    await rig.spool.close()


async def test_no_room_there_either(rig: SpareRig) -> None:
    """It is said twice, and nothing is kept: the interval is delivered from memory."""
    await rig.refuse()
    rig.file.mkdir(parents=True)
    assert Committed(kept=False) == await rig.keep(ONE)
    assert ["commit", "commit"] == [what for what, _ in rig.failures]


async def test_a_damaged_file_there_is_set_aside(rig: SpareRig) -> None:
    """The node starts without it, and says so."""
    rig.file.parent.mkdir()
    rig.file.write_bytes(b"not a database, not at all" * 100)
    again = await rig.reopened()
    assert ["open"] == [what for what, _ in again.failures]
    assert rig.file.with_name("spool.db.damaged").exists()
    await again.refuse()
    assert (await again.keep(ONE)).kept
    await again.spool.close()


@pytest.mark.parametrize("table", ["batches", "pieces"])
async def test_what_is_damaged_there_is_in_nobodys_way(rig: SpareRig, table: str) -> None:
    """Wherever the damage is: the file is set aside, and the disk takes what comes as ever."""
    await rig.refuse()
    await rig.keep(ONE, also=keeps_a_batch(ONE))
    await rig.spool.close()
    with closing(sqlite3.connect(rig.file)) as db:
        query = "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = ?"
        page, size = db.execute(query, (table,)).fetchone()
    content = bytearray(rig.file.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    rig.file.write_bytes(content)
    again = SpareRig(rig.folder)
    await again.spool.open()
    assert rig.file.with_name("spool.db.damaged").exists()
    assert Committed(kept=True, given_up=[]) == await again.keep(TWO)
    assert 2 in [uuid for uuid, _, _ in await again.owed()]
    assert (0, False) == (again.spool.spared.bytes, rig.file.exists())
    await again.spool.close()
