"""Memory that is used again is addressed by huge pages, small stores included."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engines import END_MS, NOW_NS, START_MS, needs_native
from tests.waiting import wait_until
from veneurpy.engine import EngineOptions, open_engine

HUGE_PAGE = 1 << 21
MIB = 1 << 20
PATIENCE_S = 20.0
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SMAPS = Path("/proc/self/smaps_rollup")
TMPFS = Path("/dev/shm")
HUGE_FILES_SINCE = (6, 6)
"""Linux moves files of tmpfs into huge pages when it is asked to, whatever is set for others."""

pytestmark = [
    needs_native,
    pytest.mark.skipif(
        not SETTING.exists() or "[never]" in SETTING.read_text() or not SMAPS.exists(),
        reason="the system gives no huge pages, or does not tell",
    ),
]


def huge_bytes() -> int:
    """What of this process is in huge pages, plain memory and files of tmpfs."""
    told = dict(line.split(":") for line in SMAPS.read_text().splitlines()[1:])
    kinds = ("AnonHugePages", "ShmemPmdMapped")
    return sum(int(told.get(kind, "0 kB").split()[0]) for kind in kinds) << 10


def linux() -> tuple[int, ...]:
    """The kernel's version."""
    return tuple(int(part) for part in os.uname().release.split(".")[:2])


def check_small_store(arena_dir: Path | None) -> None:
    """Raises unless a thousand timers have a huge page at each end, which is counted."""
    before = huge_bytes()
    options = EngineOptions(store_max_bytes=256 * MIB, arena_dir=arena_dir)
    with closing(open_engine("native", options, start_ms=START_MS)) as engine:
        feed = engine.open_reader("udp").feed
        for number in range(1000):
            values = b":".join([b"1"] * 20)
            feed(b"shop.seconds:%s|ms|#id:%d" % (values, number), now_ns=NOW_NS)
        counted = engine.memory.arenas
        engine.rotate(END_MS).release()
        wait_until(lambda: huge_bytes() - before >= 2 * HUGE_PAGE, "there are none", PATIENCE_S)

        assert counted < engine.memory.arenas <= counted + 2 * HUGE_PAGE


def test_memory() -> None:
    """A thousand timers are enough, in plain memory."""
    check_small_store(None)


@pytest.mark.skipif(linux() < HUGE_FILES_SINCE, reason="the kernel is too old")
@pytest.mark.skipif(not TMPFS.is_dir(), reason="there is no tmpfs")
def test_files() -> None:
    """And where arenas are files, so that they outlive the process."""
    with TemporaryDirectory(dir=TMPFS) as folder:
        check_small_store(Path(folder))
