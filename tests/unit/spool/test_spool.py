"""The durable store of closed intervals."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

import veneurpy.spool
from tests.unit.spool.rig import ONE, THREE, TWO, Rig, opened
from veneurpy.errors import VeneurpyError
from veneurpy.spool import OTHERS, Committed, LateRow, Owed
from veneurpy.spool import spool as spool_module
from veneurpy.spool.database import Database
from veneurpy.testing import START_MS

HOUR_MS = 3_600_000


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """An open spool without complaints."""
    async with opened(Rig(tmp_path)) as made:
        yield made


async def keys(rig: Rig) -> list[tuple[UUID, str, int, bool]]:
    """What is owed."""
    return [(o.uuid, o.sink, o.number, o.under_way) for o in await rig.spool.owed()]


async def test_what_is_committed_outlives_the_process(rig: Rig) -> None:
    """The record, what is owed of it and the mark."""
    assert (await rig.commit(ONE)).kept
    again = await rig.reopened()
    assert [(ONE, "file", 0, False)] == await keys(again)
    assert [1.0, 2.0] == await again.spool.load(ONE, lambda record: record.columns.value.tolist())
    assert {ONE} == await again.spool.encoded([ONE, TWO])
    assert [LateRow(START_MS, b"key", 1, 2.5, 10.0)] == await again.spool.late()
    await again.spool.close()


async def test_an_interval_is_committed_once(rig: Rig) -> None:
    """A second commit of its uuid changes nothing."""
    await rig.commit(ONE)
    await rig.commit(ONE, calls=[Owed(ONE, START_MS, "other", "debug", 0, 2)])
    assert [(ONE, "file", 0, False)] == await keys(rig)


async def test_rows_go_with_the_last_call(rig: Rig) -> None:
    """The interval stays until every sink has settled every call, and the mark stays after it."""
    calls = [Owed(ONE, START_MS, "a", "x", 0, 2), Owed(ONE, START_MS, "b", "x", OTHERS, 1)]
    await rig.commit(ONE, calls=calls)
    rig.spool.settle(ONE, "a", 0)
    assert [(ONE, "b", OTHERS, False)] == await keys(rig)
    assert await rig.spool.load(ONE, lambda record: True)
    rig.spool.settle(ONE, "b", OTHERS)
    assert [] == await keys(rig)
    assert await rig.spool.load(ONE, lambda record: True) is None
    assert {ONE} == await rig.spool.encoded([ONE])


async def test_owed_is_told_oldest_first(rig: Rig) -> None:
    """By the interval's start, and the events' call after the batches."""
    await rig.commit(TWO, start_ms=START_MS + 20_000)
    numbers = [Owed(ONE, START_MS, "file", "localfile", n, 2) for n in (OTHERS, 0, 1)]
    await rig.commit(ONE, calls=numbers)
    expected = [(ONE, 0), (ONE, 1), (ONE, OTHERS), (TWO, 0)]
    assert expected == [(uuid, number) for uuid, _, number, _ in await keys(rig)]


async def test_what_is_committed_as_under_way_is(rig: Rig) -> None:
    """An interval that a process before this one may have delivered already."""
    call = Owed(ONE, START_MS, "file", "localfile", 0, 2, under_way=True)
    await rig.commit(ONE, calls=[call])
    assert [call] == await rig.spool.owed()


async def test_a_call_under_way_is_known(rig: Rig) -> None:
    """Until it is undone."""
    await rig.commit(ONE)
    await rig.spool.begin(ONE, "file", 0)
    assert [(ONE, "file", 0, True)] == await keys(rig)
    rig.spool.undo(ONE, "file", 0)
    assert [(ONE, "file", 0, False)] == await keys(rig)


async def test_too_old_is_given_up(rig: Rig) -> None:
    """Intervals that ended more than the window ago are named and gone."""
    await rig.commit(ONE)
    committed = await rig.commit(TWO, start_ms=START_MS + HOUR_MS + 1)
    assert Committed(kept=True, given_up=[ONE]) == committed
    assert [(TWO, "file", 0, False)] == await keys(rig)


async def test_bytes_are_bounded(tmp_path: Path) -> None:
    """The oldest go until the rest has room; what is too large itself is not kept."""
    rig = Rig(tmp_path)
    await rig.spool.open()
    await rig.commit(ONE)
    size = rig.spool.held[1]
    await rig.spool.close()
    rig = Rig(tmp_path, most_bytes=2 * size)
    await rig.spool.open()
    assert (await rig.commit(TWO, start_ms=START_MS + 10_000)).given_up == []
    assert (await rig.commit(THREE, start_ms=START_MS + 20_000)).given_up == [ONE]
    assert rig.spool.held == (2, 2 * size)
    await rig.spool.close()
    rig = Rig(tmp_path, most_bytes=1)
    await rig.spool.open()
    committed = await rig.commit(UUID(int=4), start_ms=START_MS + 30_000)
    assert not committed.kept
    assert [] == await keys(rig)
    await rig.spool.close()


async def test_marks_are_forgotten_after_a_day(rig: Rig) -> None:
    """And times of their own when their window is over."""
    await rig.commit(ONE)
    day_ms = START_MS + 24 * HOUR_MS + 1
    await rig.commit(TWO, start_ms=day_ms, forget_late_before_ms=START_MS + 1)
    assert {TWO} == await rig.spool.encoded([ONE, TWO])
    assert [day_ms] == [row.timestamp_ms for row in await rig.spool.late()]


async def test_positions_are_kept_with_what_is_settled(rig: Rig) -> None:
    """The last one counts."""
    await rig.spool.place({"file": "0"})
    await rig.commit(ONE)
    rig.spool.settle(ONE, "file", 0, "17")
    assert {"file": "17"} == await rig.spool.positions()


async def test_positions_are_void_after_a_failure(rig: Rig) -> None:
    """A sink may then have written what the spool does not know: nothing is to be taken back."""
    await rig.spool.place({"file": "0"})
    with sqlite3.connect(rig.folder / "spool.db") as other:
        other.execute("DROP TABLE encoded")
    other.close()
    assert not (await rig.commit(ONE)).kept
    assert ["commit"] == [what for what, _ in rig.failures]
    assert {} == await rig.spool.positions()
    await rig.spool.place({"file": "5"})
    assert {"file": "5"} == await rig.spool.positions()


async def test_a_disk_that_hangs_delays_a_commit_only_so_long(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interval is delivered from memory then, and forgotten should the commit succeed later."""
    monkeypatch.setattr(spool_module, "COMMIT_TIMEOUT_S", 0.01)
    hangs = threading.Event()
    rig.spool._worker.submit(hangs.wait)
    for uuid in (ONE, TWO, THREE):
        assert not (await rig.commit(uuid)).kept
    assert len(rig.failures) == 3
    assert "before" in rig.failures[-1][1]
    hangs.set()
    assert [] == await keys(rig)
    assert set() == await rig.spool.encoded([ONE, TWO, THREE])


async def test_what_a_full_disk_does_not_settle_is_settled_with_the_next(rig: Rig) -> None:
    """A sink that has confirmed is owed nothing, as soon as there is room to say so."""
    await rig.commit(ONE)
    blocked = (
        "CREATE TRIGGER full BEFORE DELETE ON deliveries BEGIN SELECT RAISE(FAIL, 'full'); END"
    )
    await rig.spool.do(lambda database: database.connection.execute(blocked))
    rig.spool.settle(ONE, "file", 0)
    assert [(ONE, "file", 0, False)] == await keys(rig)
    assert [("settle", "full")] == rig.failures
    await rig.spool.do(lambda database: database.connection.execute("DROP TRIGGER full"))
    assert (await rig.commit(TWO)).kept
    assert [(TWO, "file", 0, False)] == await keys(rig)


async def test_an_interval_is_kept_though_nothing_older_can_be_deleted(rig: Rig) -> None:
    """What was committed is not delivered from memory as well, whatever fails after it."""
    await rig.commit(ONE, start_ms=START_MS - 10 * 3600 * 1000)
    blocked = "CREATE TRIGGER full BEFORE DELETE ON intervals BEGIN SELECT RAISE(FAIL, 'full'); END"
    await rig.spool.do(lambda database: database.connection.execute(blocked))
    assert (await rig.commit(TWO)).kept
    assert [("make room", "full")] == rig.failures


async def test_a_full_disk_keeps_nothing_of_an_interval(rig: Rig) -> None:
    """What was there before stays, and the next one is kept when there is room again."""
    await rig.commit(ONE)
    db = rig.spool._open_database._db
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    calls = [Owed(TWO, START_MS, f"sink {n}", "x", 0, 2) for n in range(2000)]
    assert not (await rig.commit(TWO, calls=calls)).kept
    assert [("commit", "database or disk is full")] == rig.failures
    assert [(ONE, "file", 0, False)] == await keys(rig)
    assert {ONE} == await rig.spool.encoded([ONE, TWO])
    db.execute("PRAGMA max_page_count = 1000000")
    assert (await rig.commit(TWO)).kept


async def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """The node starts with a new one, and says so."""
    (tmp_path / "spool.db").write_bytes(b"not a database, not at all" * 100)
    rig = Rig(tmp_path)
    await rig.spool.open()
    assert ["open"] == [what for what, _ in rig.failures]
    assert (tmp_path / "spool.db.damaged").exists()
    assert (await rig.commit(ONE)).kept
    await rig.spool.close()


@pytest.mark.parametrize("table", ["batches", "epochs", "seals", "encoded", "pieces"])
async def test_damage_anywhere_is_found_at_the_start(tmp_path: Path, table: str) -> None:
    """What is found later would end the start of every process after this one."""
    Database(tmp_path / "spool.db").close()
    with sqlite3.connect(tmp_path / "spool.db") as db:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = db.execute(query, (table,)).fetchone()
    db.close()
    with (tmp_path / "spool.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xab" * 4096)
    rig = Rig(tmp_path)
    await rig.spool.open()
    assert ["open"] == [what for what, _ in rig.failures]
    assert (tmp_path / "spool.db.damaged").exists()
    assert (await rig.commit(ONE)).kept
    await rig.spool.close()


async def test_another_version_is_left_alone(rig: Rig) -> None:
    """What a newer veneurpy wrote is not for us to read or to throw away."""
    await rig.spool.close()
    with sqlite3.connect(rig.folder / "spool.db") as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(VeneurpyError, match="of version 99"):
        await Rig(rig.folder).spool.open()


READ_ONLY = """
import asyncio, sys
from pathlib import Path
from veneurpy.errors import VeneurpyError
from veneurpy.spool import Spool
spool = Spool(Path(sys.argv[1]), most_bytes=1, oldest_s=1, failed=print)
try:
    asyncio.run(spool.open())
except VeneurpyError as exc:
    print(exc)
"""


def test_a_file_that_is_another_users(tmp_path: Path) -> None:
    """It would take nothing as long as the process lives, so the start says whose it has to be."""
    Database(tmp_path / "spool.db").close()
    (tmp_path / "spool.db").chmod(0o444)
    # To root a mode says nothing, unless it is a root without its privileges.
    as_another = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if not os.geteuid() else []
    ended = subprocess.run(
        [*as_another, sys.executable, "-c", READ_ONLY, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert "spool.db cannot be opened: attempt to write a readonly database" in ended.stdout
    assert "chown -R" in ended.stdout


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """One sentence that names it."""
    with pytest.raises(VeneurpyError, match="cannot be opened"):
        await Rig(tmp_path / "nowhere").spool.open()


def test_placeholders_are_bare_or_have_names() -> None:
    """Python 3.12 warns of numbered ones: it takes them for names."""
    sources = Path(veneurpy.spool.__file__).parent.glob("*.py")
    assert [] == [path.name for path in sources if re.search(r"\?\d", path.read_text())]
