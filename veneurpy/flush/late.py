"""Points with a time of their own (`T`): what came for one second in several flushes is one point.

It is published again with a higher revision and, if it is a counter, with the sum of all flushes.
The second may be the start of an interval, whose own point of the series is then one of these.
"""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from veneurpy.engine import Columns, PointType
from veneurpy.flush.own import History, Key, OwnPoints, key_of
from veneurpy.spool import LateRow

SECOND_S = 1.0
"""What a point with a time of its own stands for."""


class Published(NamedTuple):
    """What the sinks know of a (series, second)."""

    revision: int
    value: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Parted:
    """The rows of a flush, the interval's own apart from those that may be amended."""

    columns: Columns
    """The engine's, but for the values that are sums by now."""
    own: Sequence[int] | None
    """Rows of the interval itself; None for all there are."""
    late: dict[tuple[int, float], list[int]]
    """Rows with a time of their own, or amended: by revision and length in seconds."""
    before: Mapping[int, float] = field(default_factory=dict)
    """Of amended counters, by row: what the revision before had."""
    forgotten: int = 0
    """Points that can no longer be amended, for want of room."""
    published: Sequence[LateRow] = field(default=())
    """What is to be remembered of `late`, by a process after this one too."""

    @property
    def amended(self) -> int:
        return sum(len(rows) for (revision, _), rows in self.late.items() if revision > 0)


class LatePoints:
    """Remembers what was published of each (series, T), for `window_s` and at most `most` points.

    Their names and tags are at most `most_bytes`: clients make them as long as they like.

    So that a T may name an interval's start, the points of the last intervals are remembered as
    well: of the last one, and once there was a T, of as many as have `most` points together. Used
    by one thread.
    """

    def __init__(self, *, window_s: float, most: int = 100_000, most_bytes: int = 32 << 20) -> None:
        self._window_ms = round(window_s * 1000)
        self._most, self._most_bytes = most, most_bytes
        self._known: dict[int, dict[Key, Published]] = {}
        self._count = 0
        self._bytes = 0
        self._history = History(most=most)
        self._is_used = False

    def __len__(self) -> int:
        return self._count

    def restore(self, rows: Iterable[LateRow]) -> None:
        """Takes over what a process before this one published."""
        for time_ms, raw_key, revision, value, length_s in rows:
            published = Published(revision, value, length_s)
            self._known.setdefault(time_ms, {})[_key_from(raw_key)] = published
        self._count = sum(map(len, self._known.values()))
        self._bytes = sum(map(_bytes_of, self._known.values()))
        self._is_used = self._is_used or bool(self._known)
        self._shrink()

    def forgotten_before(self, end_ms: int) -> int:
        """Up to which time nothing is remembered once the interval that ends then is through."""
        return end_ms - self._window_ms

    def part(self, columns: Columns, start_ms: int, end_ms: int, length_s: float) -> Parted:
        """Parts the rows of the interval from `start_ms` to `end_ms`."""
        try:
            return self._part(columns, start_ms, end_ms, length_s)
        finally:
            self._history.trim()

    def _part(self, columns: Columns, start_ms: int, end_ms: int, length_s: float) -> Parted:
        earliest_ms = self.forgotten_before(end_ms)
        self._forget_before(earliest_ms)
        timed = _timed(columns, start_ms)
        self._is_used = self._is_used or bool(timed)
        here = OwnPoints(start_ms, length_s, columns)
        self._history.add(here, earliest_ms=earliest_ms if self._is_used else start_ms)
        # A T may have named this interval's start before it began.
        foretold = sorted(here.rows_of(self._known.get(start_ms, {})).values())
        if not timed and not foretold:
            return Parted(columns, None, {})
        revised = _Revised(columns)
        for row in foretold:
            self._publish(revised, row, length_s)
        self._recall(columns, timed)
        for row in timed:
            self._publish(revised, row, SECOND_S)
        return revised.parted(self._shrink())

    def _recall(self, columns: Columns, timed: Sequence[int]) -> None:
        """Makes the intervals' own points known, where a T names them for the first time."""
        named: defaultdict[int, set[Key]] = defaultdict(set)
        for row in timed:
            time_ms = columns.timestamp_ms[row]
            if self._history.at(time_ms) is not None:
                named[time_ms].add(key_of(columns, row))
        for time_ms, keys in named.items():
            known = self._known.setdefault(time_ms, {})
            points = self._history.at(time_ms)
            assert points is not None
            for key, row in points.rows_of(keys - known.keys()).items():
                known[key] = Published(0, points.columns.value[row], points.length_s)
                self._count += 1
                self._bytes += _bytes_of([key])

    def _publish(self, revised: _Revised, row: int, length_s: float) -> None:
        time_ms: int = revised.columns.timestamp_ms[row]
        known = self._known.setdefault(time_ms, {})
        key = key_of(revised.columns, row)
        before = known.get(key)
        if before is None:
            self._count += 1
            self._bytes += _bytes_of([key])
        known[key] = revised.amend(row, length_s, before)
        revised.published.append(LateRow(time_ms, _raw(key), *known[key]))

    def _forget_before(self, time_ms: int) -> None:
        for known_ms in [known_ms for known_ms in self._known if known_ms < time_ms]:
            self._forget(known_ms)

    def _shrink(self) -> int:
        """Forgets the oldest seconds until there is room; returns the points that were in them."""
        before = self._count
        while self._count > self._most or self._bytes > self._most_bytes:
            self._forget(min(self._known))
        return before - self._count

    def _forget(self, time_ms: int) -> None:
        forgotten = self._known.pop(time_ms)
        self._count -= len(forgotten)
        self._bytes -= _bytes_of(forgotten)


class _Revised:
    """The rows of one flush that are not simply its own, in the making."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._values = array("d")
        self._values.frombytes(columns.value.cast("B"))
        self._late: dict[tuple[int, float], list[int]] = {}
        self._before: dict[int, float] = {}
        self.published: list[LateRow] = []

    def amend(self, row: int, length_s: float, before: Published | None) -> Published:
        """Takes a row in, as the first of its (series, second) or as an amendment of `before`."""
        now = Published(0, self._values[row], length_s)
        if before is not None:
            value = now.value
            if self.columns.type[row] == PointType.COUNTER:
                self._before[row] = before.value
                value += before.value
            now = Published(before.revision + 1, value, max(length_s, before.length_s))
        self._values[row] = now.value
        self._late.setdefault((now.revision, now.length_s), []).append(row)
        return now

    def parted(self, forgotten: int) -> Parted:
        excluded = {row for rows in self._late.values() for row in rows}
        own = [row for row in range(len(self.columns)) if row not in excluded]
        columns = replace(self.columns, value=memoryview(self._values))
        late = dict(sorted(self._late.items()))
        return Parted(columns, own, late, self._before, forgotten, self.published)


def _timed(columns: Columns, start_ms: int) -> list[int]:
    """The rows with a time of their own. As a rule there are none, which is told without a loop."""
    if columns.own_time is not None:
        marks = bytes(columns.own_time)
        return [row for row, mark in enumerate(marks) if mark] if b"\x01" in marks else []
    times = columns.timestamp_ms
    if bytes(times) == bytes(array("q", [start_ms])) * len(times):
        return []
    return [row for row, time_ms in enumerate(times) if time_ms != start_ms]


def _bytes_of(keys: Iterable[Key]) -> int:
    return sum(len(name) + len(tags) for name, tags, _, _ in keys)


def _raw(key: Key) -> bytes:
    name, tags, kind, sinks = key
    return json.dumps([name.decode(), tags.decode(), int(kind), *sorted(sinks)]).encode()


def _key_from(raw: bytes) -> Key:
    name, tags, kind, *sinks = json.loads(raw)
    return name.encode(), tags.encode(), kind, frozenset(sinks)
