"""The process that a Server is the one job of."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from veneurpy.server.process import run_process

class Server:
    def __init__(self):
        self.kept = [[] for _ in range(1000)]

    async def run(self):
        return 0 if gc.get_freeze_count() > 1000 and gc.collect() == 0 else 3

raise SystemExit(run_process(Server))
"""


def test_a_full_collection_leaves_out_what_was_there_before() -> None:
    """It holds up every thread, so it must be short while the node runs."""
    assert 0 == subprocess.run([sys.executable, "-c", PROGRAM], timeout=60, check=False).returncode
