"""Run as a script: a reader receives what is queued on a socket, while its parent traces it.

The loop that a reader's thread runs is run by this thread, since it is the one that is traced. It
imports nothing of the tests, so that PYTHONPATH decides alone which veneurpy is stepped through.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import json
import os
import signal
import sys
import threading
from pathlib import Path

import veneurpy
from veneurpy.engine import Engine, EngineOptions, open_engine

STOP_S = 600.0
_spec = importlib.util.spec_from_file_location("stepped", Path(__file__).with_name("stepped.py"))
assert _spec
assert _spec.loader
stepped = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stepped)


class Later(threading.Thread):
    """A reader's thread does its work when somebody waits for it, and on that thread."""

    def start(self) -> None:
        if not self.name.startswith("reader"):
            super().start()

    def join(self, timeout: float | None = None) -> None:
        if self.name.startswith("reader"):
            self.run()
        else:
            super().join(timeout)


def ask_for_rotation(engine: Engine, arena_dir: Path, start_ms: int) -> None:
    """Returns when the reader is about to be asked to swap its arenas."""
    threading.Thread(target=engine.rotate, args=(start_ms + 1,), daemon=True).start()
    while sum(path.read_bytes()[8:12] == b"OPEN" for path in arena_dir.glob("*.arena")) < 2:
        pass


def main() -> None:
    told = json.load(sys.stdin)
    options = EngineOptions(arena_dir=told["arena_dir"], store_max_bytes=told["store_max_bytes"])
    engine = open_engine("native", options, start_ms=told["start_ms"])
    threading.Thread = Later  # type: ignore[misc]
    reader = engine.attach(told["fd"], "udp://127.0.0.1:8125")
    if told["rotate"]:
        ask_for_rotation(engine, Path(told["arena_dir"]), told["start_ms"])
    said = {
        "package": veneurpy.__file__,
        "stepped": {"receiver_run": stepped.address("receiver_run", "receiver")},
        "skipped": [stepped.address("parse_datagram", "parser")],
    }
    print(json.dumps(said), flush=True)
    gc.disable()
    ctypes.CDLL(None).ptrace(0, 0, None, None)
    signal.raise_signal(signal.SIGSTOP)
    reader.stop(STOP_S)
    os._exit(0)


if __name__ == "__main__":
    main()
