"""Points with a time of their own, over several flushes."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from veneurpy.engine import Columns, MetricType, Scope
from veneurpy.flush.late import LatePoints, Parted
from veneurpy.model import Point, PointType
from veneurpy.spool import LateRow
from veneurpy.testing import START_MS, columns_of

END_MS = START_MS + 10_000
T = START_MS - 3_000


def points(*rows: tuple[str, float, int], kind: PointType = PointType.COUNTER) -> Columns:
    """Columns of (name, value, timestamp)."""
    return columns_of(
        [
            Point(name, (), kind, Scope.MIXED, time_ms, 10, "h", value)
            for name, value, time_ms in rows
        ]
    )


def part(late: LatePoints, columns: Columns, flushes: int = 0) -> Parted:
    """Parts the columns of the flush after so many others."""
    shift = 10_000 * flushes
    return late.part(columns, START_MS + shift, END_MS + shift, 10.0)


def test_a_flush_without_own_times_is_left_alone() -> None:
    """Not even a list of its rows is made."""
    columns = points(("a", 1, START_MS), ("b", 2, START_MS))
    parted = part(LatePoints(window_s=600), columns)
    assert parted == Parted(columns, None, {})
    assert parted.columns is columns


def test_rows_of_their_own_time_stand_apart() -> None:
    """They come with revision 0 the first time."""
    columns = points(("a", 1, START_MS), ("b", 2, T), ("c", 3, T + 1000))
    parted = part(LatePoints(window_s=600), columns)
    assert [0] == parted.own
    assert {(0, 1.0): [1, 2]} == parted.late
    assert [1, 2, 3] == list(parted.columns.value)
    assert parted.amended == 0


def test_a_counter_is_amended_with_the_sum() -> None:
    """Each further flush of one (series, T) has the next revision and all that came so far."""
    late = LatePoints(window_s=600)
    part(late, points(("b", 2, T)))
    second = part(late, points(("b", 3, T), ("a", 1, START_MS + 10_000)), 1)
    third = part(late, points(("b", 4, T)), 2)
    assert ({(1, 1.0): [0]}, [5, 1]) == (second.late, list(second.columns.value))
    assert ({(2, 1.0): [0]}, [9]) == (third.late, list(third.columns.value))
    assert (1, 1) == (second.amended, third.amended)


def test_a_gauge_is_amended_with_the_latest() -> None:
    """It is the last value, not a sum."""
    late = LatePoints(window_s=600)
    part(late, points(("g", 2, T), kind=PointType.GAUGE))
    again = part(late, points(("g", 3, T), kind=PointType.GAUGE), 1)
    assert ({(1, 1.0): [0]}, [3]) == (again.late, list(again.columns.value))


def timed(columns: Columns, *marks: int) -> Columns:
    """The columns with these marks of an own time."""
    return replace(columns, own_time=memoryview(bytes(marks)))


def published(parted: Parted) -> dict[tuple[int, float], list[float]]:
    """The values by revision and length, the interval's own as revision 0."""
    values = parted.columns.value
    own = range(len(values)) if parted.own is None else parted.own
    late = {part: [values[row] for row in rows] for part, rows in parted.late.items()}
    return {(0, 10.0): [values[row] for row in own]} | late


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(PointType.COUNTER, (9.0, 12.0)), (PointType.GAUGE, (2.0, 3.0))],
    ids=lambda value: value.name if isinstance(value, PointType) else "",
)
def test_an_own_time_may_be_the_start_of_the_interval(
    kind: PointType, expected: tuple[float, float]
) -> None:
    """It amends the interval's own point, and a straggler in the next interval amends both."""
    late = LatePoints(window_s=600)
    columns = points(("b", 2, START_MS), ("b", 7, START_MS), ("c", 1, START_MS), kind=kind)
    first = part(late, timed(columns, 1, 0, 0))
    assert {(0, 10.0): [7, 1], (1, 10.0): [expected[0]]} == published(first)
    again = part(late, timed(points(("b", 3, START_MS), kind=kind), 1), 1)
    assert {(0, 10.0): [], (2, 10.0): [expected[1]]} == published(again)


def test_an_own_time_may_be_the_start_of_an_interval_that_is_over() -> None:
    """Its point is amended, though it had no T then."""
    late = LatePoints(window_s=600)
    part(late, points(("b", 7, START_MS), ("c", 1, START_MS)))
    again = part(late, points(("b", 2, START_MS)), 1)
    assert {(0, 10.0): [], (1, 10.0): [9]} == published(again)
    part(late, points(("b", 1, START_MS + 20_000)), 2)
    much_later = part(late, points(("b", 5, START_MS + 20_000)), 5)
    assert {(0, 10.0): [], (1, 10.0): [6]} == published(much_later)


def test_an_own_time_may_be_the_start_of_an_interval_to_come() -> None:
    """Then the interval's own point is the amendment."""
    late = LatePoints(window_s=600)
    part(late, points(("b", 2, END_MS)))
    then = part(late, timed(points(("b", 7, END_MS), ("c", 1, END_MS)), 0, 0), 1)
    assert {(0, 10.0): [1], (1, 10.0): [9]} == published(then)
    assert {0: 2.0} == then.before


def test_a_sum_says_what_it_contains() -> None:
    """By row, of counters only: for sinks that add up."""
    late = LatePoints(window_s=600)
    rows = (("b", 2.0, START_MS), ("b", 7.0, START_MS), ("c", 1.0, START_MS))
    assert {0: 7.0} == part(late, timed(points(*rows), 1, 0, 1)).before
    gauges = timed(points(*rows, kind=PointType.GAUGE), 1, 0, 1)
    assert {} == part(LatePoints(window_s=600), gauges).before


def test_a_process_goes_on_where_the_one_before_was() -> None:
    """What it published counts on, also at the start of an interval, with its length."""
    before = LatePoints(window_s=600)
    first = part(
        before, timed(points(("b", 2, START_MS), ("b", 7, START_MS), ("c", 1, T)), 1, 0, 1)
    )
    late = LatePoints(window_s=600)
    late.restore(first.published)
    assert len(before) == len(late) == 2
    again = part(late, timed(points(("b", 3, START_MS), ("c", 4, T)), 1, 1), 1)
    assert {(0, 10.0): [], (2, 10.0): [12], (1, 1.0): [5]} == published(again)
    assert {0: 9.0, 1: 1.0} == again.before


def test_series_are_told_apart() -> None:
    """Another name, second, type, tag set or set of sinks is another point."""
    late = LatePoints(window_s=600)
    columns = points(("b", 2, T))
    part(late, columns)
    others = [
        points(("c", 2, T)),
        points(("b", 2, T + 1000)),
        replace(columns, series_type=memoryview(bytes([MetricType.GAUGE]))),
        replace(columns, sink_sets=[frozenset({"x"})]),
        columns_of([Point("b", ("x:1",), PointType.COUNTER, Scope.MIXED, T, 10, "h", 2.0)]),
    ]
    assert [{(0, 1.0): [0]}] * 5 == [part(late, other, 1).late for other in others]
    assert {(1, 1.0): [0]} == part(late, columns, 1).late


def test_the_engines_columns_are_never_written_to() -> None:
    """The sums stand in a column of their own."""
    late = LatePoints(window_s=600)
    part(late, points(("b", 2, T)))
    columns = points(("b", 3, T))
    part(late, columns, 1)
    assert [3] == list(columns.value)


def test_what_is_too_old_to_come_is_forgotten() -> None:
    """The memory is bounded by time."""
    late = LatePoints(window_s=60)
    part(late, points(("b", 2, T)))
    assert len(late) == 1
    part(late, points(("a", 1, START_MS + 60_000)), 6)
    assert len(late) == 0


def test_the_memory_is_bounded_and_says_so() -> None:
    """Beyond the bound the oldest seconds go, and the points in them are counted."""
    late = LatePoints(window_s=600, most=3)
    rows = [(name, 1.0, T + 1000 * second) for second in range(2) for name in "abc"]
    parted = part(late, points(*rows))
    assert parted.forgotten == 3
    assert len(late) == 3
    assert {(0, 1.0): [0], (1, 1.0): [1]} == part(
        late, points(("a", 1, T), ("a", 1, T + 1000)), 1
    ).late


def test_long_names_count_by_their_bytes() -> None:
    """A second goes with all that is in it, whether it was published, recalled or restored."""
    late, long = LatePoints(window_s=600, most_bytes=50), "n" * 20
    part(late, points((f"{long}a", 1, START_MS)))
    assert 0 == part(late, points((f"{long}a", 1, START_MS), (f"{long}b", 1, T)), 1).forgotten
    parted = part(late, points((f"{long}b", 1, T), (f"{long}c", 1, T + 1000)), 2)
    assert (1, 2) == (parted.forgotten, len(late))
    restored = LatePoints(window_s=600, most_bytes=50)
    restored.restore(parted.published * 2)
    assert 2 == len(restored)
    restored.restore([LateRow(T + 2000, parted.published[0].key, 0, 1.0, 1.0)])
    assert 2 == len(restored)


def test_an_interval_too_large_to_be_recalled_is_not_kept() -> None:
    """Its columns are free once the flush is through: the next would find no room beside them."""
    late = LatePoints(window_s=600, most=2)
    small, large = points(("a", 1, START_MS)), points(*((n, 1, START_MS) for n in "abc"))
    part(late, small)
    kept = sys.getrefcount(small)
    part(late, large, 1)
    assert (kept - 1, 2) == (sys.getrefcount(small), sys.getrefcount(large))
