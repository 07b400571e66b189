"""The points that intervals published of themselves, to be found when a `T` names their start."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from veneurpy.engine import Columns, StringTable

Key = tuple[bytes, bytes, int, frozenset[str]]
"""A series: name, tags, type, the sinks that it is for."""


def key_of(columns: Columns, row: int) -> Key:
    """The series of a row."""
    return (
        columns.names.raw(columns.name[row]),
        columns.tags.raw(columns.tag[row]),
        columns.series_type[row],
        columns.sink_sets[columns.sinks[row]],
    )


@dataclass(frozen=True, slots=True)
class OwnPoints:
    """The rows of one interval, those with a time of their own apart."""

    start_ms: int
    length_s: float
    columns: Columns

    def rows_of(self, keys: Collection[Key]) -> dict[Key, int]:
        """Where these series are. A walk through everything, hence for few flushes only."""
        if not keys:
            return {}
        columns = self.columns
        names = _indices(columns.names, {key[0] for key in keys})
        tags = _indices(columns.tags, {key[1] for key in keys})
        rows = (
            row
            for row, (name, tag) in enumerate(zip(columns.name, columns.tag, strict=True))
            if name in names and tag in tags and self._is_own(row)
        )
        found = ((key_of(columns, row), row) for row in rows)
        return {key: row for key, row in found if key in keys}

    def _is_own(self, row: int) -> bool:
        marks = self.columns.own_time
        is_timed = marks is not None and marks[row]
        return not is_timed and self.columns.timestamp_ms[row] == self.start_ms


class History:
    """The last intervals, of at most `most` rows together; the newest in any case, until `trim`."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._intervals: deque[OwnPoints] = deque()
        self._rows = 0

    def add(self, points: OwnPoints, *, earliest_ms: int) -> None:
        """Remembers an interval; forgets those that start before `earliest_ms`, or have no room."""
        self._intervals.append(points)
        self._rows += len(points.columns)
        while len(self._intervals) > 1 and (
            self._rows > self._most or self._intervals[0].start_ms < earliest_ms
        ):
            self._rows -= len(self._intervals.popleft().columns)

    def trim(self) -> None:
        """Forgets the newest too if it is too large to be there still when the next is added."""
        if self._rows > self._most:
            self._intervals.clear()
            self._rows = 0

    def at(self, start_ms: int) -> OwnPoints | None:
        """The interval that starts then."""
        return next((each for each in self._intervals if each.start_ms == start_ms), None)


def _indices(table: StringTable, wanted: set[bytes]) -> set[int]:
    return {index for index in range(len(table)) if table.raw(index) in wanted}
