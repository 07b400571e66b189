"""Points with a time of their own (`T`): what came for one second in several flushes is one point.

It is published again with a higher revision and, if it is a counter, with the sum of all flushes.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from veneurpy.engine import Columns, PointType
from veneurpy.spool import LateRow

Key = tuple[bytes, bytes, int, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Parted:
    """The rows of a flush, the interval's own apart from those with a time of their own."""

    columns: Columns
    """The engine's, but for the values that are sums by now."""
    own: Sequence[int] | None
    """Rows of the interval itself; None for all there are."""
    late: dict[int, list[int]]
    """Rows with a time of their own, by revision."""
    forgotten: int = 0
    """Points that can no longer be amended, for want of room."""
    published: Sequence[LateRow] = field(default=())
    """What is to be remembered of the rows with a time of their own."""

    @property
    def amended(self) -> int:
        return sum(len(rows) for revision, rows in self.late.items() if revision > 0)


class LatePoints:
    """Remembers what was published of each (series, T), for `window_s` and at most `most` points.

    Used by one thread.
    """

    def __init__(self, *, window_s: float, most: int = 100_000) -> None:
        self._window_ms = round(window_s * 1000)
        self._most = most
        self._known: dict[int, dict[Key, tuple[int, float]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def restore(self, rows: Iterable[LateRow]) -> None:
        """Takes over what a process before this one published."""
        for row in rows:
            known = self._known.setdefault(row.timestamp_ms, {})
            known[_key_of(row.key)] = row.revision, row.value
        self._count = sum(map(len, self._known.values()))
        self._shrink()

    def forgotten_before(self, end_ms: int) -> int:
        """Up to which time nothing is remembered once the interval that ends then is through."""
        return end_ms - self._window_ms

    def part(self, columns: Columns, start_ms: int, end_ms: int) -> Parted:
        """Parts the rows of the interval from `start_ms` to `end_ms`."""
        self._forget_before(self.forgotten_before(end_ms))
        timed = _timed(columns, start_ms)
        if not timed:
            return Parted(columns, None, {})
        late: dict[int, list[int]] = {}
        values = array("d", columns.value)
        published = []
        for row in timed:
            key = _key(columns, row)
            revision, values[row] = self._publish(columns, row, key)
            late.setdefault(revision, []).append(row)
            time_ms: int = columns.timestamp_ms[row]
            published.append(LateRow(time_ms, _key_bytes(key), revision, values[row]))
        if any(late):
            columns = replace(columns, value=memoryview(values))
        excluded = set(timed)
        own = [row for row in range(len(columns)) if row not in excluded]
        return Parted(columns, own, late, self._shrink(), published)

    def _publish(self, columns: Columns, row: int, key: Key) -> tuple[int, float]:
        """The revision and the value that a row is to be published with."""
        value: float = columns.value[row]
        known = self._known.setdefault(columns.timestamp_ms[row], {})
        before = known.get(key)
        if before is None:
            self._count += 1
            known[key] = 0, value
            return 0, value
        if columns.type[row] == PointType.COUNTER:
            value += before[1]
        known[key] = before[0] + 1, value
        return known[key]

    def _forget_before(self, time_ms: int) -> None:
        for known_ms in [known_ms for known_ms in self._known if known_ms < time_ms]:
            self._count -= len(self._known.pop(known_ms))

    def _shrink(self) -> int:
        """Forgets the oldest seconds until there is room; returns the points that were in them."""
        before = self._count
        while self._count > self._most:
            self._count -= len(self._known.pop(min(self._known)))
        return before - self._count


def _timed(columns: Columns, start_ms: int) -> list[int]:
    """The rows with a time of their own. As a rule there are none, which is told without a loop."""
    if columns.own_time is not None:
        marks = bytes(columns.own_time)
        return [row for row, mark in enumerate(marks) if mark] if 1 in marks else []
    times = columns.timestamp_ms
    if bytes(times) == bytes(array("q", [start_ms])) * len(times):
        return []
    return [row for row, time_ms in enumerate(times) if time_ms != start_ms]


def _key(columns: Columns, row: int) -> Key:
    return (
        columns.names.raw(columns.name[row]),
        columns.tags.raw(columns.tag[row]),
        columns.series_type[row],
        columns.sink_sets[columns.sinks[row]],
    )


def _key_bytes(key: Key) -> bytes:
    name, tags, kind, sinks = key
    return json.dumps([name.decode(), tags.decode(), int(kind), *sorted(sinks)]).encode()


def _key_of(raw: bytes) -> Key:
    name, tags, kind, *sinks = json.loads(raw)
    return name.encode(), tags.encode(), kind, frozenset(sinks)
