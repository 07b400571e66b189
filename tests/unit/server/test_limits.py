"""Limits of the machine that store_max_bytes does not fit into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from veneurpy.server.limits import (
    PROCESS_BYTES,
    Machine,
    check_arena_dir,
    check_memory,
    memory_limit,
)

MIB = 1 << 20
SLICE, SERVICE = "system.slice", "system.slice/veneurpy.service"
V1_UNLIMITED = str((1 << 63) - 4096)


def _machine(root: Path, cgroup: str, files: dict[str, str]) -> Machine:
    (root / "proc").mkdir()
    (root / "proc" / "cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return Machine(root / "proc", root / "cgroup")


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        pytest.param(
            f"0::/{SERVICE}\n",
            {f"{SERVICE}/memory.max": "1000", "memory.max": "max"},
            (1000, f"{SERVICE}/memory.max"),
            id="v2, its own",
        ),
        pytest.param(
            f"0::/{SERVICE}\n",
            {f"{SERVICE}/memory.max": "2000", f"{SLICE}/memory.max": "1000"},
            (1000, f"{SLICE}/memory.max"),
            id="v2, a group around it",
        ),
        pytest.param("0::/\n", {"memory.max": "7"}, (7, "memory.max"), id="v2, in a container"),
        pytest.param(
            "0::/../elsewhere\n", {"memory.max": "7"}, (7, "memory.max"), id="v2, path not mounted"
        ),
        pytest.param(f"0::/{SERVICE}\n", {f"{SERVICE}/memory.max": "max"}, None, id="v2, none"),
        pytest.param(
            "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n",
            {"memory/docker/abc/memory.limit_in_bytes": "3000"},
            (3000, "memory/docker/abc/memory.limit_in_bytes"),
            id="v1",
        ),
        pytest.param(
            "4:memory:/docker/abc\n",
            {"memory/memory.limit_in_bytes": V1_UNLIMITED},
            None,
            id="v1, none",
        ),
        pytest.param("", {}, None, id="no cgroups"),
    ],
)
def test_memory_limit(
    tmp_path: Path, cgroup: str, files: dict[str, str], expected: tuple[int, str] | None
) -> None:
    """The least limit counts, of the process's own group and of those around it."""
    found = memory_limit(_machine(tmp_path, cgroup, files))
    if expected is not None:
        expected = (expected[0], str(tmp_path / "cgroup" / expected[1]))

    assert expected == found


def test_a_small_limit_is_said_and_mended(tmp_path: Path) -> None:
    """The event names the limit, and both ways out of it."""
    limit = 200 * MIB
    machine = _machine(tmp_path, "0::/\n", {"memory.max": str(limit)})
    event = check_memory(machine, 512 * MIB)

    assert event is not None
    assert (limit, 512 * MIB) == (event.limit_bytes, event.store_max_bytes)
    assert f"at most {limit - PROCESS_BYTES}, or" in event.mend
    assert str(512 * MIB + PROCESS_BYTES) in event.mend
    assert check_memory(machine, limit - PROCESS_BYTES) is None


def test_no_proc(tmp_path: Path) -> None:
    """Where nothing can be told nothing is said."""
    assert check_memory(Machine(tmp_path / "none", tmp_path), 1 << 40) is None


def test_arena_dir(tmp_path: Path) -> None:
    """A file system with less room than the store is said; arenas that are about to go are room."""
    system = os.statvfs(tmp_path)
    free = system.f_bavail * system.f_frsize
    event = check_arena_dir(tmp_path, 4 * free)

    assert event is not None
    assert str(tmp_path) == event.path
    assert event.free_bytes < event.store_max_bytes
    assert check_arena_dir(tmp_path, 1) is None


def test_arena_dir_has_room_for_what_waits_there_for_the_disk(tmp_path: Path) -> None:
    """A quarter of the store: rows, and batches. Both ways out leave room for it, too."""
    system = os.statvfs(tmp_path)
    free = system.f_bavail * system.f_frsize
    event = check_arena_dir(tmp_path, free * 9 // 10)

    assert event is not None
    assert event.store_max_bytes < event.free_bytes < event.needed_bytes
    most = int(event.mend.rsplit(" ", 1)[1])
    assert most * 5 // 4 <= event.free_bytes
    assert f"size={event.needed_bytes + event.store_max_bytes // 8}" in event.mend


def test_an_arena_dir_that_is_missing_is_said_elsewhere(tmp_path: Path) -> None:
    """By the engine."""
    free = 1 << 60
    assert check_arena_dir(tmp_path / "missing", 4 * free) is None
