"""At no instant of a reader's work would a death lose anything that had been taken."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from tests.engines import needs_native
from tests.recovery.mutants import build
from tests.recovery.scenarios import SCENARIOS
from tests.recovery.stepping import step_through

IS_LONG = os.environ.get("VENEURPY_RECOVERY") == "long"

pytestmark = [
    needs_native,
    pytest.mark.skipif(
        sys.platform != "linux" or platform.machine() != "x86_64",
        reason="single-stepping is written for x86-64 Linux",
    ),
    pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="steps would be ASan's"),
    pytest.mark.timeout(1800 if IS_LONG else 120),
]


@pytest.fixture(scope="session")
def mutant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("mutant"), ["blocks.pyx", "store.pyx"])


@pytest.fixture(scope="session")
def gauge_mutant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("gauge_mutant"), ["changes.pyx", "carry.pyx"])


@pytest.mark.parametrize(
    "name", [name for name, scenario in SCENARIOS.items() if scenario.is_short or IS_LONG]
)
def test_every_instant_is_a_prefix(name: str, tmp_path: Path) -> None:
    """After each instruction the files hold exactly what was received up to some sample."""
    found = step_through(SCENARIOS[name], tmp_path, skip_sorting=not IS_LONG)
    print(f"{name}: {found!r}")
    assert [] == found.torn[:5]
    assert len(found.states) > 1
    assert found.instants > SCENARIOS[name].instants


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        pytest.param("counters", "broken", id="a pair in two stores"),
        pytest.param("timer grows", "!=", id="a sample counted before it is there"),
        pytest.param("digest compacts", "!=", id="a digest compacted in place"),
    ],
)
def test_a_wrong_order_of_writes_is_seen(
    name: str, mistake: str, mutant: Path, tmp_path: Path
) -> None:
    """The harness finds torn instants where there are some."""
    found = step_through(SCENARIOS[name], tmp_path, package_root=mutant, skip_sorting=True)
    print(f"{name}: {found!r}")
    assert any(mistake in torn for torn in found.torn)
    assert found.instants > SCENARIOS[name].instants


@pytest.mark.parametrize("name", ["gauges change", "gauges are carried"])
def test_gauges_that_count_too_early_are_seen(
    name: str, gauge_mutant: Path, tmp_path: Path
) -> None:
    """A change counted before it is there, and gauges called whole before they are carried."""
    found = step_through(SCENARIOS[name], tmp_path, package_root=gauge_mutant)
    print(f"{name}: {found!r}")
    assert any("!=" in torn for torn in found.torn)
