"""A large interval of the node's own is written in steps, and counts as a whole or not at all."""

from __future__ import annotations

import shutil
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fleet import batch
from tests.spooled import stray, waiting
from tests.unit.spool.rig import ONE, TWO, opened
from tests.unit.spool.test_spare import SpareRig
from veneurpy.forward.batch import Batch
from veneurpy.spool import spool as spool_module
from veneurpy.spool.closed import Closed, Packed
from veneurpy.spool.database import LEFT_BYTES, Database
from veneurpy.spool.outbox import FORWARD
from veneurpy.spool.pieces import Step, content

BATCHES = [batch(bytes([n]) * 300, part=n, of=5) for n in range(5)]


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SpareRig]:
    """An open spool that takes small steps."""
    monkeypatch.setattr(spool_module, "STEP_BYTES", 400)
    async with opened(SpareRig(tmp_path)) as made:
        yield made


def at_each_step(
    monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Database, int], None]
) -> list[int]:
    """Has something happen on the spool's thread before each step; how many there were."""
    write_ahead, steps = Database.write_ahead, list[int]()

    def write(database: Database, step: Step) -> bool:
        meanwhile(database, len(steps))
        steps.append(len(step))
        return write_ahead(database, step)

    monkeypatch.setattr(Database, "write_ahead", write)
    return steps


async def kept(rig: SpareRig) -> tuple[Sequence[Batch], set[int]]:
    """What waits for its owner on the disk, and what is left over there."""

    def work(database: Database) -> tuple[Sequence[Batch], set[int]]:
        while database.sweep():
            pass
        return waiting(database, FORWARD, "h0"), stray(database)

    return await rig.spool.do(work)


async def test_nothing_counts_before_the_last_step(
    rig: SpareRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither rows nor batches; then all of it does."""
    seen: list[tuple[int, object, object]] = []

    def look(database: Database, _: int) -> None:
        seen.append((database.held()[0], database.owed(), FORWARD.waiting(database.connection)))

    steps = at_each_step(monkeypatch, look)
    assert (await rig.commit(ONE, batches=BATCHES)).kept
    assert [(0, [], {})] * len(steps) == seen
    assert len(steps) > 3
    assert (BATCHES, set()) == await kept(rig)
    assert 1.0 == await rig.value(ONE)


async def test_a_disk_that_refuses_in_between_is_as_one_that_refuses(
    rig: SpareRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is kept beside the arenas, and is on the disk when that takes something again."""

    def refuse(database: Database, number: int) -> None:
        if number == 2:
            database.connection.execute("PRAGMA query_only = 1")

    at_each_step(monkeypatch, refuse)
    assert (await rig.commit(ONE, batches=BATCHES)).kept
    assert ["commit"] == [what for what, _ in rig.failures]
    assert 1 == rig.spool.spared.intervals
    await rig.refuse(False)
    assert ([], set()) == await kept(rig)
    await rig.spool.retry()
    assert (BATCHES, set()) == await kept(rig)
    assert 1.0 == await rig.value(ONE)


async def test_the_last_of_a_disk_is_left_to_what_counts(
    rig: SpareRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written ahead does not fill it: nothing could be freed then. All of it is kept.

    It is not encoded anew for that.
    """
    free, looked = [LEFT_BYTES + 400, LEFT_BYTES + 400, LEFT_BYTES - 1], list[int]()

    def usage(_: Path) -> SimpleNamespace:
        looked.append(free.pop(0))
        return SimpleNamespace(free=looked[-1])

    packed, times = Closed.packed, list[Closed]()

    def counted(closed: Closed) -> Packed:
        times.append(closed)
        return packed(closed)

    monkeypatch.setattr(Closed, "packed", counted)
    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert (await rig.commit(ONE, batches=BATCHES)).kept
    assert ([], [], 1) == (free, rig.failures, len(times))
    assert (BATCHES, set()) == await kept(rig)
    assert (1.0, 0) == (await rig.value(ONE), rig.spool.spared.intervals)


async def test_what_is_free_within_the_file_is_written_ahead_to(
    rig: SpareRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However full the disk is."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    large = content([b"x" * 400_000])

    def work(database: Database) -> None:
        assert not database.write_ahead([(large, b"x" * 4000)])
        with database.transaction() as db:
            FORWARD.keep(db, [batch(b"x" * 100_000)])
        with database.transaction() as db:
            FORWARD.drop(db, [head.id for head in FORWARD.oldest_first(db)])
        while database.sweep():
            pass
        assert database.write_ahead([(large, b"x" * 4000)])
        database.drop([large])

    await rig.spool.do(work)
    assert ([], set()) == await kept(rig)


async def test_a_disk_that_hangs_in_between_is_waited_for_so_long(
    rig: SpareRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it counts, then or later, and the next one is kept."""
    hangs = threading.Event()

    def hang(_: Database, number: int) -> None:
        if number == 1:
            hangs.wait()

    at_each_step(monkeypatch, hang)
    monkeypatch.setattr(spool_module, "COMMIT_TIMEOUT_S", 0.2)
    assert not (await rig.commit(ONE, batches=BATCHES)).kept
    monkeypatch.undo()
    hangs.set()
    assert ([], set()) == await kept(rig)
    assert set() == await rig.spool.encoded([ONE])
    assert (await rig.commit(TWO, batches=BATCHES)).kept
    assert (BATCHES, set()) == await kept(rig)


async def test_what_a_dead_process_had_written_ahead_is_cleared(
    rig: SpareRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies before the last step: the next process finds nothing of it."""

    class Death(BaseException):
        """As a kill."""

    def die(_: Database, number: int) -> None:
        if number == 3:
            raise Death

    at_each_step(monkeypatch, die)
    with pytest.raises(Death):
        await rig.commit(ONE, batches=BATCHES)
    monkeypatch.undo()
    assert ([], set()) == await kept(rig)
    assert (await rig.commit(ONE, batches=BATCHES)).kept
    assert (BATCHES, set()) == await kept(rig)
