"""What the fuzzers check, without a fuzzer: for their seeds, and for inputs that once broke it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import has_native

if not has_native():
    pytest.skip("the native engine is not built", allow_module_level=True)

benches = [importlib.import_module(f"tests.fuzz.{name}") for name in ("lines", "origin")]
FINDINGS = Path(__file__).parent / "findings"
TARGETS = ("lines", "sketches", "arenas", "wire", "origin", "dog")


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    yield
    for each in benches:
        each.close()


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    """The fuzzer starts from inputs in which there is nothing to find."""
    target = importlib.import_module(f"tests.fuzz.{name}")
    seeds = list(target.seeds())
    assert len(seeds) > 1
    for seed in seeds:
        target.check(seed)


def test_former_findings() -> None:
    """What was found and mended stays so: `findings/<target>/<what it was>`."""
    for path in sorted(FINDINGS.glob("*/*")):
        importlib.import_module(f"tests.fuzz.{path.parent.name}").check(path.read_bytes())
