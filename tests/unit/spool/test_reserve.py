"""A disk that was filled while no process ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.disk import SmallDisk, can_mount
from tests.unit.spool.rig import ONE, Rig
from veneurpy.spool.reserve import RESERVED_BYTES, Reserve


@pytest.mark.skipif(not can_mount(), reason="only root can mount a small disk")
async def test_a_full_disk_keeps_no_process_from_its_start(tmp_path: Path) -> None:
    """After an orderly end, too: what was owed is there, and what it can do it does."""
    disk = SmallDisk(tmp_path)
    try:
        for _ in range(2):
            rig = Rig(tmp_path)
            await rig.spool.open()
            await rig.commit(ONE)
            await rig.spool.close()
            disk.fill()
        successor = Rig(tmp_path)
        await successor.spool.open()
        assert {ONE} == await successor.spool.encoded([ONE])
        await successor.spool.close()
    finally:
        disk.close()


async def test_the_room_is_held_between_two_processes_only(tmp_path: Path) -> None:
    """A process that runs has its files."""
    rig = Rig(tmp_path)
    await rig.spool.open()
    assert not (tmp_path / "reserve").exists()
    await rig.spool.close()
    assert RESERVED_BYTES == (tmp_path / "reserve").stat().st_size
    successor = Rig(tmp_path)
    await successor.spool.open()
    assert not (tmp_path / "reserve").exists()
    await successor.spool.close()


def test_a_disk_without_room_is_no_failure(tmp_path: Path) -> None:
    """Nor is a directory that is gone."""
    reserve = Reserve(tmp_path / "gone")
    reserve.hold()
    reserve.free()
    Reserve(None).hold()
