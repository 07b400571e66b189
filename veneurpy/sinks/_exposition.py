"""The series that a scrape shows: running totals of counters, last values of gauges."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from veneurpy.model import PointType
from veneurpy.sinks._labels import help_text
from veneurpy.sinks._rows import number

OWN_PREFIX = "veneurpy_prometheus_"
"""Names of the exposition's own metrics; nobody else's may begin so."""

LINES_AT_ONCE = 1000

TYPE_CONFLICT = "type_conflict"
TOO_MANY_SERIES = "max_series"
RESERVED_NAME = "reserved_name"

_TOTAL = "_total"


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


class Exposition:
    """All series by name and labels. For one thread."""

    def __init__(self, *, max_series: int, gauges_last_s: float, counters_last_s: float) -> None:
        self._max_series = max_series
        self._last_s = {PointType.GAUGE: gauges_last_s, PointType.COUNTER: counters_last_s}
        self._families: dict[str, _Family] = {}
        self._types: dict[str, PointType] = {}
        self._rejected = dict.fromkeys((TYPE_CONFLICT, TOO_MANY_SERIES, RESERVED_NAME), 0)
        self._numbers = _Numbers()
        self._collisions = 0

    def __repr__(self) -> str:
        return f"Exposition(series={len(self._numbers)}, collisions={self._collisions})"

    def count(self, series: Identity, value: float, now_s: float) -> str | None:
        """Adds to a counter; returns why not, if it was rejected."""
        found = self._find(series, PointType.COUNTER)
        if isinstance(found, str):
            return found
        self._numbers.value[found] += value
        self._numbers.seen_s[found] = now_s
        return None

    def set(
        self, series: Identity, value: float, now_s: float, timestamp_ms: int, *, is_dated: bool
    ) -> str | None:
        """Sets a gauge; returns why not, if it was rejected.

        A sample that carried a time of its own (`is_dated`) does not replace a newer one.
        """
        found = self._find(series, PointType.GAUGE)
        if isinstance(found, str):
            return found
        numbers = self._numbers
        numbers.seen_s[found] = now_s
        if not is_dated or timestamp_ms >= numbers.timestamp_ms[found]:
            numbers.value[found], numbers.timestamp_ms[found] = value, timestamp_ms
        return None

    def expire(self, now_s: float) -> Iterator[None]:
        """Forgets what was not flushed for too long; yields now and then, to be gone on with."""
        looked_at = 0
        for metric, family in list(self._families.items()):
            oldest_s = now_s - self._last_s[family.type]
            for labels, slot in list(family.slots.items()):
                if self._numbers.seen_s[slot] < oldest_s:
                    del family.slots[labels]
                    self._numbers.remove(slot)
                looked_at += 1
                if looked_at % LINES_AT_ONCE == 0:
                    yield
            if not family.slots:
                self._forget(metric)

    def text(self, now_s: float) -> Iterator[str]:
        """The exposition in pieces of whole lines, without what has expired."""
        lines: list[str] = []
        numbers = self._numbers
        for metric, family in sorted(self._families.items()):
            oldest_s = now_s - self._last_s[family.type]
            heads = _heads(metric, family.type, family.sent_name)
            for labels in list(family.slots):
                slot = family.slots.get(labels)  # not there: it has expired since the last yield
                if slot is not None and numbers.seen_s[slot] >= oldest_s:
                    lines.append(f"{heads}{metric}{labels} {number(numbers.value[slot])}\n")
                    heads = ""
                if len(lines) >= LINES_AT_ONCE:
                    yield "".join(lines)
                    lines.clear()
        yield "".join([*lines, *self._own_lines()])

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
            return self._reject(RESERVED_NAME)
        if self._types.get(stem, kind) is not kind:
            return self._reject(TYPE_CONFLICT)
        if len(self._numbers) >= self._max_series:
            return self._reject(TOO_MANY_SERIES)
        self._types[stem] = kind
        family = self._families.setdefault(metric, _Family(kind, series.name))
        slot = family.slots[series.labels] = self._numbers.add(series.name, series.tags)
        return slot

    def _reject(self, reason: str) -> str:
        self._rejected[reason] += 1
        return reason

    def _forget(self, metric: str) -> None:
        self._families.pop(metric, None)
        stem = metric.removesuffix(_TOTAL)
        if stem not in self._families and stem + _TOTAL not in self._families:
            self._types.pop(stem, None)

    def _own_lines(self) -> Iterator[str]:
        yield (
            f"# HELP {OWN_PREFIX}series Series kept for this exposition.\n"
            f"# TYPE {OWN_PREFIX}series gauge\n"
            f"{OWN_PREFIX}series {len(self._numbers)}\n"
            f"# HELP {OWN_PREFIX}collisions_total Points that share a series with others.\n"
            f"# TYPE {OWN_PREFIX}collisions_total counter\n"
            f"{OWN_PREFIX}collisions_total {self._collisions}\n"
            f"# HELP {OWN_PREFIX}rejected_total Points that could not be shown.\n"
            f"# TYPE {OWN_PREFIX}rejected_total counter\n"
        )
        for reason, rows in self._rejected.items():
            yield f'{OWN_PREFIX}rejected_total{{reason="{reason}"}} {rows}\n'


def _heads(metric: str, kind: PointType, sent_name: str) -> str:
    word = kind.name.lower()
    return f"# HELP {metric} StatsD {word} {help_text(sent_name)}\n# TYPE {metric} {word}\n"
