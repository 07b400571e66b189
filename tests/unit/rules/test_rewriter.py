"""What is remembered of a mapping's answers."""

from __future__ import annotations

import tracemalloc

import pytest

from veneurpy.engine import MetricType
from veneurpy.rules import Mapping, MappingRewriter, Rule, remembered


def test_long_names_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the names are that clients make up, what is remembered of them is bounded."""
    monkeypatch.setattr(remembered, "REMEMBERED_BYTES", 1 << 20)
    asked = MappingRewriter(Mapping((Rule("a.*", "b", (("x", "$1"),)),)))
    tracemalloc.start()
    try:
        for number in range(3000):
            name = b"a.%d" % number + 4000 * b"x"
            assert asked.of(name, MetricType.COUNTER) is not None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
