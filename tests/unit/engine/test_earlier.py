"""What the revision before had, found by series."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veneurpy.engine import Columns
from veneurpy.engine import earlier as module
from veneurpy.engine.earlier import RowValues, earlier_values
from veneurpy.testing import batch

native = pytest.importorskip("veneurpy.engine.native.earlier", exc_type=ImportError)
SETS = (frozenset[str](), frozenset({"a"}), frozenset({"a", "b"}))
ROW = st.tuples(
    st.sampled_from(["a", "b", "", "é"]),
    st.floats(-9, 9),
    st.sampled_from(["counter", "counter", "gauge"]),
    st.sampled_from(["", "x:1", "x:1,y:2"]),
    st.integers(0, 2),
    st.integers(0, 2),
)
Side = tuple[list[tuple[str, float, str, str, int, int]], list[frozenset[str]], int]
SIDE = st.tuples(st.lists(ROW, max_size=12), st.permutations(SETS), st.integers(1, 3))


def columns_of(side: Side) -> Columns:
    """Rows with kinds and sink sets, of which a side may know fewer than the other."""
    rows, sets, known = side
    return replace(
        batch(*(row[:4] for row in rows)).columns,
        series_type=memoryview(array("B", [row[4] for row in rows])),
        sinks=memoryview(array("H", [row[5] % known for row in rows])),
        sink_sets=tuple(sets[:known]),
    )


@given(SIDE, SIDE)
def test_native_and_python_agree(now_side: Side, then_side: Side) -> None:
    """On any rows, in any order, with any sink sets on either side."""
    now, then = columns_of(now_side), columns_of(then_side)
    expected = module._earlier(now, then)
    found = earlier_values(now, then)
    assert list(expected.items()) == list(found.items())
    assert list(module._less(found, now.value)) == list(found.less(now.value))


def test_a_counter_is_found_by_all_that_makes_its_series() -> None:
    """Not by its name alone, and no gauge is found at all."""
    then = batch(("a", 1.0, "counter", "x:1"), ("a", 2.0, "counter"), ("g", 3.0)).columns
    now = batch(("g", 9.0), ("a", 5.0, "counter"), ("a", 6.0, "counter", "x:2")).columns
    assert {1: 2.0} == earlier_values(now, then)
    assert [9.0, 3.0, 6.0] == list(earlier_values(now, then).less(now.value))


def test_rows_of_a_mapping_are_found_whatever_their_order() -> None:
    """And what is not there is not."""
    values = RowValues.of({7: 1.0, 2: 5.0})
    assert ([2, 7], 5.0, 0.0) == (list(values), values[2], values.get(3, 0.0))
    with pytest.raises(KeyError):
        values[8]


@pytest.mark.parametrize("damaged", ["name", "offsets"])
def test_columns_that_lie_are_read_within_their_bounds(damaged: str) -> None:
    """A row whose string is nowhere is no row."""
    now = batch(("a", 1.0, "counter")).columns
    assert {0: 1.0} == earlier_values(now, now)
    assert {} == earlier_values(_damaged(now, damaged), now)


def _damaged(columns: Columns, what: str) -> Columns:
    if what == "name":
        return replace(columns, name=memoryview(array("I", [77])))
    offsets = memoryview(array("I", [0, 1 << 31]))
    return replace(columns, names=replace(columns.names, offsets=offsets))
