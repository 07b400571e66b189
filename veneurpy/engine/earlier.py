"""What the revision before had of the counters in columns."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from veneurpy.engine.columns import Columns
from veneurpy.engine.text import view_of
from veneurpy.engine.types import PointType

_Key = tuple[bytes, bytes, int, frozenset[str]]
_NOWHERE = 0xFFFF


class RowValues(Mapping[int, float]):
    """Values of some rows: two buffers, however many there are.

    A dict of a million would stop every other thread while it is freed.
    """

    __slots__ = ("numbers", "values_of")

    def __init__(self, rows: memoryview, values: memoryview) -> None:
        """`rows` of format "I", ascending; `values` of format "d", as many."""
        if len(rows) != len(values):
            raise ValueError("as many values as rows were expected")
        self.numbers = rows
        self.values_of = values

    @classmethod
    def of(cls, values: Mapping[int, float]) -> RowValues:
        """The same as any mapping has."""
        if isinstance(values, cls):
            return values
        rows = array("I", sorted(values))
        return cls(memoryview(rows), memoryview(array("d", (values[row] for row in rows))))

    def __repr__(self) -> str:
        return f"RowValues({len(self)} rows)"

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __getitem__(self, row: int) -> float:
        at = bisect_left(self.numbers, row)
        if at == len(self.numbers) or self.numbers[at] != row:
            raise KeyError(row)
        value: float = self.values_of[at]
        return value

    def less(self, column: memoryview) -> memoryview:
        """The column, each of these rows less its value here."""
        try:
            from veneurpy.engine.native.earlier import less
        except ImportError:
            return _less(self, column)
        return less(column, self.numbers, self.values_of)


def earlier_values(now: Columns, then: Columns) -> RowValues:
    """By row of `now`, the value that `then` has of the same counter, if it has that.

    The same is: by name, tags, type and sinks, whatever its scope. Lets other threads run.
    """
    try:
        from veneurpy.engine.native.earlier import earlier
    except ImportError:
        return _earlier(now, then)
    rows, values = earlier(
        view_of(now),
        view_of(then),
        key=os.urandom(32),
        sinks_then=_sinks_in(now.sink_sets, then.sink_sets),
        now_kinds=now.series_type,
        now_sinks=now.sinks,
        then_kinds=then.series_type,
        then_sinks=then.sinks,
    )
    return RowValues(rows, values)


def _sinks_in(now: Sequence[frozenset[str]], then: Sequence[frozenset[str]]) -> memoryview:
    numbers = {names: number for number, names in enumerate(then)}
    return memoryview(array("H", (numbers.get(names, _NOWHERE) for names in now)))


def _less(rows: RowValues, column: memoryview) -> memoryview:
    """`RowValues.less` where the native modules are not built."""
    values = array("d")
    values.frombytes(column.cast("B"))
    for row, value in rows.items():
        values[row] -= value
    return memoryview(values)


def _earlier(now: Columns, then: Columns) -> RowValues:
    """`earlier_values` where the native modules are not built."""
    values = {_key(then, row): then.value[row] for row in _counters(then)}
    mine = {_key(now, row): row for row in _counters(now)}
    found = sorted((row, values[key]) for key, row in mine.items() if key in values)
    rows = array("I", (row for row, _ in found))
    return RowValues(memoryview(rows), memoryview(array("d", (value for _, value in found))))


def _counters(columns: Columns) -> Iterator[int]:
    return (row for row, kind in enumerate(columns.type) if kind == PointType.COUNTER)


def _key(columns: Columns, row: int) -> _Key:
    return (
        columns.names.raw(columns.name[row]),
        columns.tags.raw(columns.tag[row]),
        columns.series_type[row],
        columns.sink_sets[columns.sinks[row]],
    )
