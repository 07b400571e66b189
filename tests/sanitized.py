"""Runs the tests with another build of the native modules: `pytest -p tests.sanitized`.

VENEURPY_BUILD is its directory. Such a build is compiled with VENEURPY_DEBUG (held.h), so that
what it holds can be asked: every test gives back all that it took.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
import uvloop

import veneurpy.engine.native

PATIENCE_S = 2.0
Held = dict[str, int]
BEFORE = pytest.StashKey[Held]()


def use_build(directory: Path) -> None:
    """From now on native modules come from there, and only from there."""
    if any(name.startswith(f"{veneurpy.engine.native.__name__}.") for name in sys.modules):
        raise RuntimeError("native modules of another build are loaded already")
    veneurpy.engine.native.__path__[:] = [str(directory.resolve(strict=True))]


def held() -> Held:
    """What the native modules hold now, and the descriptors of the process."""
    counts = [
        (ctypes.c_int64 * 2).in_dll(ctypes.CDLL(module.__file__), "vnp_held")
        for name, module in list(sys.modules.items())
        if name.startswith(f"{veneurpy.engine.native.__name__}.")
    ]
    return {
        "allocations": sum(count[0] for count in counts),
        "mappings": sum(count[1] for count in counts),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def grown(before: Held) -> Held:
    """What there is more of than there was."""
    return {name: n - before[name] for name, n in held().items() if n > before.get(name, n)}


def pytest_configure() -> None:
    """Before any test module is imported."""
    use_build(Path(os.environ["VENEURPY_BUILD"]))
    # libuv's pipe for signals: the process opens it with its first loop and keeps it.
    uvloop.new_event_loop().close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The reference has nothing to hide here, and takes its time."""
    items[:] = [
        item
        for item in items
        if not (hasattr(item, "callspec") and "python" in item.callspec.params.values())
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Asks before any fixture takes something."""
    item.stash[BEFORE] = held()
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a failed test holds is seen in its report, which goes on holding it."""
    report = yield
    if report.failed:
        item.stash[BEFORE] = {}
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Function) -> Generator[None, None, None]:
    """Asks again when all fixtures are done with it."""
    yield
    item.funcargs.clear()
    give_up_s = time.monotonic() + PATIENCE_S
    while grown(item.stash[BEFORE]) and time.monotonic() < give_up_s:
        # Cycles keep some of it, or a thread that is about to end. Not for every test: with many
        # objects it takes its time.
        gc.collect()
        time.sleep(0.01)
    assert {} == grown(item.stash[BEFORE]), "not given back"
