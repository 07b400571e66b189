"""Which rows go to which sink."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veneurpy.engine import Columns
from veneurpy.flush.route import kept_from, rows_for
from veneurpy.testing import batch


def columns(*sets: set[str]) -> Columns:
    """One row for each set of sinks."""
    plain = batch(*(("a", 1.0) for _ in sets)).columns
    numbers = memoryview(bytes(b for i in range(len(sets)) for b in (i, 0))).cast("H")
    return replace(plain, sink_sets=[frozenset(names) for names in sets], sinks=numbers)


@pytest.mark.parametrize(
    ("sink", "kind", "expected"),
    [
        pytest.param("east", "localfile", [0, 1, 3], id="by name"),
        pytest.param("west", "localfile", [0, 2, 3], id="by another name"),
        pytest.param("x", "prometheus", [0, 3], id="by kind"),
        pytest.param("x", "console", [0], id="not named"),
    ],
)
def test_rows_that_name_sinks_go_only_there(sink: str, kind: str, expected: list[int]) -> None:
    """A sink is named by its name or its kind; rows that name none go everywhere."""
    table = columns(set(), {"east"}, {"west", "north"}, {"prometheus", "localfile"})
    assert expected == rows_for(table, None, sink, kind)
    assert 4 - len(expected) == kept_from(table, [(sink, kind)])


def test_nothing_named_means_all() -> None:
    """No list of rows is made when every row is meant."""
    assert rows_for(columns(set()), None, "x", "console") is None
    assert [0] == rows_for(columns(set()), [0], "x", "console")


def test_a_choice_of_rows_is_narrowed() -> None:
    """Only rows of the choice are looked at."""
    table = columns(set(), {"east"}, {"west"})
    assert [1] == rows_for(table, [1, 2], "east", "blackhole")


def test_rows_that_name_no_sink_there_is() -> None:
    """They are counted over all sinks together."""
    table = columns(set(), {"east"}, {"nowhere"}, {"nowhere", "elsewhere"})
    assert kept_from(table, [("east", "localfile"), ("x", "console")]) == 2
    assert kept_from(table, []) == 3
