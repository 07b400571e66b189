"""Run as a script: fills arenas as it is told on stdin, then again while its parent traces it.

It imports nothing of the tests, so that PYTHONPATH decides alone which veneurpy is stepped through.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from importlib import import_module

import veneurpy
from veneurpy.engine import Budget, Engine, EngineOptions, Grammar, open_engine

STEPPED = {"receiver_take": "receiver", "receiver_swap": "receiver", "arena_begin": "arena"}
SKIPPED = {"td_sort_doubles": "sort", "td_merge_values": "sort"}


def address(function: str, module: str) -> int:
    """Where a native function starts, as its module tells those that call it."""
    capsule = import_module(f"veneurpy.engine.native.{module}").__pyx_capi__[function]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    found = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    assert isinstance(found, int)
    return found


class Script:
    """Feeds datagrams, and rotates where there is none; interval n starts n ms after the first."""

    def __init__(self, engine: Engine, start_ms: int, now_ns: int) -> None:
        self._engine = engine
        self._reader = engine.open_reader("udp://127.0.0.1:8125")
        self._start_ms = start_ms
        self._now_ns = now_ns

    def run(self, actions: list[str]) -> None:
        for action in actions:
            if action:
                self._reader.feed(action.encode("latin-1"), now_ns=self._now_ns)
            else:
                self._start_ms += 1
                self._engine.rotate(self._start_ms).release()


def main() -> None:
    told = json.load(sys.stdin)
    options = EngineOptions(
        arena_dir=told["arena_dir"],
        store_max_bytes=told["store_max_bytes"],
        budgets=(Budget(**told["budget"]),),
        grammar=Grammar(is_statsd=told["is_statsd"]),
    )
    engine = open_engine("native", options, start_ms=told["start_ms"])
    script = Script(engine, told["start_ms"], told["now_ns"])
    script.run(told["before"])
    said = {
        "package": veneurpy.__file__,
        "stepped": {function: address(function, module) for function, module in STEPPED.items()},
        "skipped": [address(function, module) for function, module in SKIPPED.items()],
    }
    print(json.dumps(said), flush=True)
    gc.disable()
    ctypes.CDLL(None).ptrace(0, 0, None, None)
    signal.raise_signal(signal.SIGSTOP)
    script.run(told["traced"])
    os._exit(0)


if __name__ == "__main__":
    main()
