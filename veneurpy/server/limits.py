"""Limits of the machine that `store_max_bytes` does not fit into: better known at the start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from veneurpy.server.durable import SPARE_SHARE
from veneurpy.telemetry.events import ArenaDirSmall, Event, MemoryLimitSmall

PROCESS_BYTES = 96 << 20
"""What the process takes beside the store: code, sinks and their buffers."""
_UNLIMITED = 1 << 60
"""What cgroup v1 calls no limit is a little less than 2^63."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to look; tests have a tree of their own."""

    proc: Path = Path("/proc/self")
    cgroups: Path = Path("/sys/fs/cgroup")


def memory_limit(machine: Machine) -> tuple[int, str] | None:
    """The least limit of memory that this process, or a group around it, has, and where it is set.

    None where there is none, or it cannot be told.
    """
    found = [
        (limit, str(path))
        for path in _limit_files(machine)
        if (limit := _number_in(path)) is not None and limit < _UNLIMITED
    ]
    return min(found, default=None)


def check_memory(machine: Machine, store_max_bytes: int) -> MemoryLimitSmall | None:
    """What is to be said of a limit that the store does not fit into."""
    found = memory_limit(machine)
    needed = store_max_bytes + PROCESS_BYTES
    if found is None or found[0] >= needed:
        return None
    return MemoryLimitSmall(found[1], found[0], store_max_bytes, needed)


def check_arena_dir(folder: Path, store_max_bytes: int) -> ArenaDirSmall | None:
    """What is to be said of a file system that the store does not fit into, with the spare spool.

    What a process before this one left there is about to go: it counts as room.
    """
    try:
        system = os.statvfs(folder)
        taken = sum(512 * path.stat().st_blocks for path in folder.iterdir() if path.is_file())
    except OSError:
        # The engine is about to say what is wrong with it.
        return None
    free = system.f_bavail * system.f_frsize + taken
    needed = store_max_bytes + 2 * (store_max_bytes // SPARE_SHARE)
    return ArenaDirSmall(str(folder), free, store_max_bytes, needed) if free < needed else None


def misfits(machine: Machine, store_max_bytes: int, arena_dir: str | None) -> Iterator[Event]:
    """What is to be said of all that the store does not fit into."""
    if (memory := check_memory(machine, store_max_bytes)) is not None:
        yield memory
    if arena_dir and (folder := check_arena_dir(Path(arena_dir), store_max_bytes)) is not None:
        yield folder


def _limit_files(machine: Machine) -> Iterator[Path]:
    """memory.max (v2) or memory.limit_in_bytes (v1) of the process's group and of all above it.

    In a container the path may begin outside of what is mounted: what is there is looked at.
    """
    try:
        lines = (machine.proc / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, name = machine.cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = machine.cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = PurePosixPath("/", path).relative_to("/")
        for group in (own, *own.parents):
            yield root / group / name


def _number_in(path: Path) -> int | None:
    """None where there is no file, or it says `max`."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
