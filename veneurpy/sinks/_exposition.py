"""The series that a scrape shows: running totals of counters, last values of gauges."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from veneurpy.model import PointType
from veneurpy.ports import FlushBatch
from veneurpy.sinks._labels import help_text, label_text, metric_name
from veneurpy.sinks._rows import number
from veneurpy.sinks._shown import (
    OWN_PREFIX,
    RESERVED_NAME,
    TOO_MANY_SERIES,
    TYPE_CONFLICT,
    Applied,
    own_text,
)

_TOTAL = "_total"
_LINES_A_PIECE = 1000
_CACHED_TEXTS = 10_000


class Identity(NamedTuple):
    """A series as it was sent and as it is shown."""

    name: str
    tags: str
    metric: str
    labels: str


@dataclass(slots=True)
class _Family:
    type: PointType
    sent_name: str
    slots: dict[str, int] = field(default_factory=dict)
    """Labels to the place of the series' numbers."""


class _Numbers:
    """What is known of each series, in columns: an object each would be work for the collector,
    which holds the event loop for as long as it looks at a million of them.
    """

    def __init__(self) -> None:
        self.value = array("d")
        self.seen_s = array("d")
        self.timestamp_ms = array("q")
        self.sent_name: list[str] = []
        self.sent_tags: list[str] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.value) - len(self._free)

    def add(self, sent_name: str, sent_tags: str) -> int:
        if not self._free:
            self._free.append(len(self.value))
            for column in (self.value, self.seen_s, self.timestamp_ms):
                column.append(0)
            self.sent_name.append("")
            self.sent_tags.append("")
        slot = self._free.pop()
        self.value[slot] = self.seen_s[slot] = self.timestamp_ms[slot] = 0
        self.sent_name[slot], self.sent_tags[slot] = sent_name, sent_tags
        return slot

    def remove(self, slot: int) -> None:
        self.sent_name[slot] = self.sent_tags[slot] = ""
        self._free.append(slot)


class PythonExposition:
    """The same in Python, for where the native modules are not built."""

    def __init__(
        self, *, max_series: int, gauges_last_s: float, counters_last_s: float, host: str = ""
    ) -> None:
        self._max_series = max_series
        self._last_s = {PointType.GAUGE: gauges_last_s, PointType.COUNTER: counters_last_s}
        self._host = host
        self._families: dict[str, _Family] = {}
        self._types: dict[str, PointType] = {}
        self._rejected: Counter[str] = Counter()
        self._numbers = _Numbers()
        self._collisions = 0

    def __repr__(self) -> str:
        return f"PythonExposition(series={len(self._numbers)}, collisions={self._collisions})"

    def apply(self, batch: FlushBatch, now_s: float) -> Applied:
        self._expire(now_s)
        applied = Applied({}, set())
        identities = _Identities(batch, self._host)
        for row in range(len(batch.columns)) if batch.rows is None else batch.rows:
            series = identities.of(row)
            if reason := self._show(batch, row, series, now_s):
                self._rejected[reason] += 1
                applied.rejected[reason] = applied.rejected.get(reason, 0) + 1
                if reason == TYPE_CONFLICT:
                    applied.conflicts.add(series.name)
        return applied

    def text(self, now_s: float) -> Sequence[bytes | memoryview]:
        lines: list[str] = []
        numbers = self._numbers
        for metric, family in sorted(self._families.items()):
            oldest_s = now_s - self._last_s[family.type]
            heads = _heads(metric, family.type, family.sent_name)
            for labels, slot in family.slots.items():
                if numbers.seen_s[slot] >= oldest_s:
                    lines.append(f"{heads}{metric}{labels} {number(numbers.value[slot])}\n")
                    heads = ""
        lines.append(own_text(len(numbers), self._collisions, self._rejected))
        starts = range(0, len(lines), _LINES_A_PIECE)
        return ["".join(lines[i : i + _LINES_A_PIECE]).encode() for i in starts]

    def _show(self, batch: FlushBatch, row: int, series: Identity, now_s: float) -> str | None:
        columns = batch.columns
        value = columns.value[row]
        if columns.type[row] == PointType.COUNTER:
            return self._count(series, value - batch.before.get(row, 0.0), now_s)
        timestamp_ms = columns.timestamp_ms[row]
        is_dated = timestamp_ms != batch.start_ms
        return self._set(series, value, now_s, timestamp_ms, is_dated=is_dated)

    def _count(self, series: Identity, value: float, now_s: float) -> str | None:
        """Adds to a counter; returns why not, if it was rejected."""
        found = self._find(series, PointType.COUNTER)
        if isinstance(found, str):
            return found
        self._numbers.value[found] += value
        self._numbers.seen_s[found] = now_s
        return None

    def _set(
        self, series: Identity, value: float, now_s: float, timestamp_ms: int, *, is_dated: bool
    ) -> str | None:
        """Sets a gauge; returns why not, if it was rejected."""
        found = self._find(series, PointType.GAUGE)
        if isinstance(found, str):
            return found
        numbers = self._numbers
        numbers.seen_s[found] = now_s
        if not is_dated or timestamp_ms >= numbers.timestamp_ms[found]:
            numbers.value[found], numbers.timestamp_ms[found] = value, timestamp_ms
        return None

    def _expire(self, now_s: float) -> None:
        for metric, family in list(self._families.items()):
            oldest_s = now_s - self._last_s[family.type]
            for labels, slot in list(family.slots.items()):
                if self._numbers.seen_s[slot] < oldest_s:
                    del family.slots[labels]
                    self._numbers.remove(slot)
            if not family.slots:
                self._forget(metric)

    def _find(self, series: Identity, kind: PointType) -> int | str:
        metric = series.metric
        if kind is PointType.COUNTER and not metric.endswith(_TOTAL):
            metric += _TOTAL
        family = self._families.get(metric)
        slot = family.slots.get(series.labels) if family and family.type is kind else None
        if slot is None:
            return self._new(metric, series, kind)
        numbers = self._numbers
        if numbers.sent_name[slot] != series.name or numbers.sent_tags[slot] != series.tags:
            self._collisions += 1
        return slot

    def _new(self, metric: str, series: Identity, kind: PointType) -> int | str:
        stem = metric.removesuffix(_TOTAL)
        if metric.startswith(OWN_PREFIX):
            return RESERVED_NAME
        if self._types.get(stem, kind) is not kind:
            return TYPE_CONFLICT
        if len(self._numbers) >= self._max_series:
            return TOO_MANY_SERIES
        self._types[stem] = kind
        family = self._families.setdefault(metric, _Family(kind, series.name))
        slot = family.slots[series.labels] = self._numbers.add(series.name, series.tags)
        return slot

    def _forget(self, metric: str) -> None:
        self._families.pop(metric, None)
        stem = metric.removesuffix(_TOTAL)
        if stem not in self._families and stem + _TOTAL not in self._families:
            self._types.pop(stem, None)


class _Identities:
    """The rows of a batch as series, with names and labels made once for many rows."""

    def __init__(self, batch: FlushBatch, host: str) -> None:
        self._columns = batch.columns
        self._host = host
        self._names: dict[int, tuple[str, str]] = {}
        self._labels: dict[int, tuple[str, str]] = {}

    def of(self, row: int) -> Identity:
        name_index, tag_index = self._columns.name[row], self._columns.tag[row]
        if (name := self._names.get(name_index)) is None:
            sent = self._columns.names[name_index]
            name = _remember(self._names, name_index, (sent, metric_name(sent)))
        if (tags := self._labels.get(tag_index)) is None:
            sent = self._columns.tags[tag_index]
            tags = _remember(self._labels, tag_index, (sent, label_text(sent, self._host)))
        return Identity(name[0], tags[0], name[1], tags[1])


def _remember(
    cache: dict[int, tuple[str, str]], index: int, texts: tuple[str, str]
) -> tuple[str, str]:
    if len(cache) >= _CACHED_TEXTS:
        cache.clear()
    cache[index] = texts
    return texts


def _heads(metric: str, kind: PointType, sent_name: str) -> str:
    word = kind.name.lower()
    return f"# HELP {metric} StatsD {word} {help_text(sent_name)}\n# TYPE {metric} {word}\n"
