"""The closed stores of all readers as one: merged series, then the rows of their points."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from veneurpy.engine.columns import Columns, StringTable
from veneurpy.engine.reference_digest import Distribution, Moments
from veneurpy.engine.reference_gauge import Gauge
from veneurpy.engine.reference_store import (
    Counter,
    Histogram,
    MemberSet,
    Series,
    SeriesKey,
    Store,
    new_series,
)
from veneurpy.engine.roles import publishes
from veneurpy.engine.tags import ImplicitTags
from veneurpy.engine.types import MetricType, Output, Plan, PointType, Role, Scope, Statistic

MAX_TYPE_CONFLICTS = 1000
_NO_SINK = (1 << 16) - 1
"""Stands for the sets beyond those a u16 can tell apart: who makes up so many names no sink."""
_HISTOGRAMS = frozenset({MetricType.HISTOGRAM, MetricType.TIMER})


class GroupKey(NamedTuple):
    """What series are merged by over all readers: published scopes are one, so are histograms and
    timers."""

    name: bytes
    tags: tuple[bytes, ...]
    kind: MetricType
    sinks: frozenset[bytes]
    timestamp_s: int | None
    is_published: bool


@dataclass(slots=True)
class Group:
    """What came together under one key."""

    series: Series
    scope: Scope
    type: MetricType
    published: Moments = field(default_factory=Moments)
    """What the aggregates of a histogram are made of."""
    is_touched: bool = False

    def take(self, key: SeriesKey, series: Series) -> None:
        """Merges one series of one reader."""
        # The group's kind says that both are of one class.
        self.series.merge(series)  # type: ignore[arg-type]
        if isinstance(series, Histogram):
            mixed = key.scope is Scope.MIXED
            self.published.merge(series.direct if mixed else series.distribution.moments)
        if key.scope is not self.scope:
            self.scope = Scope.MIXED
        if key.type is MetricType.HISTOGRAM:
            self.type = key.type


Groups = dict[GroupKey, Group]


def merge(
    stores: Sequence[Store],
    extend_tags: Sequence[str],
    compression: float,
    role: Role = Role.STANDALONE,
    touched: Collection[SeriesKey] = (),
) -> Groups:
    """Merges what the readers hold and gives every series its implicit tags."""
    implicit = ImplicitTags(extend_tags)
    groups: Groups = {}
    for store in stores:
        for sent, series in store.series.items():
            if (key := store.becomes(sent)) is None:
                continue
            kind = MetricType.HISTOGRAM if key.type in _HISTOGRAMS else key.type
            is_published = key.timestamp_s is not None or publishes(role, kind, key.scope)
            tags = implicit.extend(key.tags)
            group_key = GroupKey(key.name, tags, kind, key.sinks, key.timestamp_s, is_published)
            group = groups.get(group_key)
            if group is None:
                group = Group(new_series(kind, compression), key.scope, key.type)
                groups[group_key] = group
            group.take(key, series)
            group.is_touched |= sent in touched
    return groups


def type_conflicts(groups: Groups) -> list[str]:
    """Names that came as more than one of counter, gauge and set, in order, at most so many."""
    kinds: dict[bytes, set[MetricType]] = {}
    for key in groups:
        if key.kind is not MetricType.HISTOGRAM and key.is_published:
            kinds.setdefault(key.name, set()).add(key.kind)
    names = sorted(name for name, seen in kinds.items() if len(seen) > 1)
    return [name.decode() for name in names[:MAX_TYPE_CONFLICTS]]


def columns(groups: Groups, plan: Plan, start_ms: int, *, touched_only: bool = False) -> Columns:
    """One row per point; those with no time of their own are of the interval's start."""
    rows = _Rows()
    for key, group in groups.items():
        if not key.is_published or (touched_only and not group.is_touched):
            continue
        timestamp_ms = start_ms if key.timestamp_s is None else 1000 * key.timestamp_s
        for suffix, type_, value in _points(group, plan):
            rows.add(key, group, suffix, type_, timestamp_ms, value)
    return rows.columns()


def _points(group: Group, plan: Plan) -> Iterator[tuple[bytes, PointType, float]]:
    match group.series:
        case Counter() as counter:
            yield b"", PointType.COUNTER, counter.sum
        case Gauge() as gauge:
            yield b"", PointType.GAUGE, gauge.current
        case MemberSet() as members:
            yield b"", PointType.GAUGE, float(members.members.estimate())
        case Histogram() as histogram:
            outputs: Sequence[Output] = plan.histograms
            if plan.role is Role.HOST and group.scope is Scope.MIXED:
                outputs = [o for o in outputs if o.statistic is not Statistic.QUANTILE]
            yield from _statistics(histogram.distribution, group.published, outputs)


def _statistics(
    samples: Distribution, published: Moments, outputs: Sequence[Output]
) -> Iterator[tuple[bytes, PointType, float]]:
    quantiles = {q: 0.0 for output in outputs if (q := _quantile(output)) is not None}
    quantiles = dict(zip(quantiles, samples.quantiles(list(quantiles)), strict=True))
    for output in outputs:
        quantile = _quantile(output)
        value = _aggregate(published, output.statistic) if quantile is None else quantiles[quantile]
        if value is not None:
            yield output.suffix.encode(), output.type, value


def _quantile(output: Output) -> float | None:
    if output.statistic is Statistic.MEDIAN:
        return 0.5
    return output.quantile if output.statistic is Statistic.QUANTILE else None


def _aggregate(samples: Moments, statistic: Statistic) -> float | None:
    """None where there is no such thing."""
    if samples.weight == 0:
        return None
    match statistic:
        case Statistic.MIN:
            return samples.minimum
        case Statistic.MAX:
            return samples.maximum
        case Statistic.SUM:
            return samples.sum
        case Statistic.COUNT:
            return samples.weight
        case Statistic.AVG:
            return samples.sum / samples.weight
        case Statistic.HMEAN:
            return _harmonic_mean(samples)
    raise ValueError(statistic)


def _harmonic_mean(samples: Moments) -> float | None:
    """0 if any sample is 0; None if the reciprocals add up to 0 or to no number."""
    if samples.zeros:
        return 0.0
    if samples.reciprocal_sum == 0:
        return None
    mean = samples.weight / samples.reciprocal_sum
    return mean if math.isfinite(mean) else None


class _Strings:
    """Distinct strings in order of their first use."""

    def __init__(self) -> None:
        self._index: dict[bytes, int] = {}

    def index(self, text: bytes) -> int:
        return self._index.setdefault(text, len(self._index))

    def table(self) -> StringTable:
        offsets = array("I", [0])
        for text in self._index:
            offsets.append(offsets[-1] + len(text))
        return StringTable(memoryview(offsets), memoryview(b"".join(self._index)))


class _Rows:
    """Columns that grow."""

    def __init__(self) -> None:
        self._names = _Strings()
        self._tags = _Strings()
        self._sink_sets: dict[frozenset[bytes], int] = {frozenset(): 0}
        self._name = array("I")
        self._tag = array("I")
        self._type = array("B")
        self._scope = array("B")
        self._series_type = array("B")
        self._sinks = array("H")
        self._timestamp_ms = array("q")
        self._value = array("d")
        self._own_time = array("B")

    def add(
        self,
        key: GroupKey,
        group: Group,
        suffix: bytes,
        type_: PointType,
        timestamp_ms: int,
        value: float,
    ) -> None:
        self._name.append(self._names.index(key.name + suffix))
        self._tag.append(self._tags.index(b",".join(key.tags)))
        self._type.append(type_)
        self._scope.append(group.scope)
        self._series_type.append(group.type)
        self._sinks.append(self._sink_set(key.sinks))
        self._timestamp_ms.append(timestamp_ms)
        self._value.append(value)
        self._own_time.append(key.timestamp_s is not None)

    def _sink_set(self, sinks: frozenset[bytes]) -> int:
        index = self._sink_sets.setdefault(sinks, len(self._sink_sets))
        return min(index, _NO_SINK)

    def columns(self) -> Columns:
        sink_sets = [frozenset(sink.decode() for sink in sinks) for sinks in self._sink_sets]
        if len(sink_sets) > _NO_SINK:
            sink_sets[_NO_SINK:] = [frozenset({""})]
        return Columns(
            names=self._names.table(),
            tags=self._tags.table(),
            sink_sets=sink_sets,
            name=memoryview(self._name),
            tag=memoryview(self._tag),
            type=memoryview(self._type),
            scope=memoryview(self._scope),
            series_type=memoryview(self._series_type),
            sinks=memoryview(self._sinks),
            timestamp_ms=memoryview(self._timestamp_ms),
            value=memoryview(self._value),
            own_time=memoryview(self._own_time),
        )
