"""Memory that is used again is addressed by huge pages, small stores included."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.engines import END_MS, NOW_NS, START_MS, needs_native
from veneurpy.engine import EngineOptions, open_engine

HUGE_PAGE = 1 << 21
MIB = 1 << 20
PATIENCE_S = 20.0
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SMAPS = Path("/proc/self/smaps_rollup")

pytestmark = [
    needs_native,
    pytest.mark.skipif(
        not SETTING.exists() or "[never]" in SETTING.read_text() or not SMAPS.exists(),
        reason="the system gives no huge pages, or does not tell",
    ),
]


def huge_bytes() -> int:
    """What of this process is in huge pages."""
    (line,) = (line for line in SMAPS.read_text().splitlines() if line.startswith("AnonHugePages"))
    return int(line.split()[1]) << 10


def test_small_store() -> None:
    """A thousand timers are enough for a huge page at each end, which is counted."""
    before, options = huge_bytes(), EngineOptions(store_max_bytes=256 * MIB)
    with closing(open_engine("native", options, start_ms=START_MS)) as engine:
        feed = engine.open_reader("udp").feed
        for number in range(1000):
            values = b":".join([b"1"] * 20)
            feed(b"shop.seconds:%s|ms|#id:%d" % (values, number), now_ns=NOW_NS)
        counted = engine.memory.arenas
        engine.rotate(END_MS).release()
        deadline_s = time.monotonic() + PATIENCE_S
        while huge_bytes() - before < 2 * HUGE_PAGE:
            assert time.monotonic() < deadline_s, "there are none"
            time.sleep(0.01)

        assert counted < engine.memory.arenas <= counted + 2 * HUGE_PAGE
