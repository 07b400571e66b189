"""Gauges of plain StatsD that are flushed again: what a closed interval hands on to the next."""

from __future__ import annotations

from collections.abc import Sequence

from veneurpy.engine.reference_gauge import Gauge
from veneurpy.engine.reference_store import Memory, SeriesKey, Store
from veneurpy.engine.roles import publishes
from veneurpy.engine.tags import ImplicitTags
from veneurpy.engine.types import EngineOptions, MetricType, Role, Scope

CARRIED_SHARE = 4
"""Carried gauges take at most one in so many bytes of the store."""
_NS_PER_MS = 1_000_000

_Kept = dict[tuple[SeriesKey, bool], tuple[Scope, Gauge]]


def carried(
    stores: Sequence[Store], options: EngineOptions, role: Role, end_ms: int, memory: Memory
) -> tuple[Store, int]:
    """A store of the gauges that go on after `end_ms`, and how many found no room in it."""
    out = Store(-1, options, memory, keeps_gauges=True)
    most = options.store_max_bytes // CARRIED_SHARE
    oldest_ns = end_ms * _NS_PER_MS - int(options.gauge_ttl_s * 1e9)
    forgotten = 0
    for (key, _), (scope, gauge) in _merged(stores, options, role).items():
        if gauge.last_ns <= oldest_ns:
            continue
        key = key._replace(scope=scope)
        series = out.find(key) if out.taken_bytes + out.bytes_of(key) <= most else None
        if not isinstance(series, Gauge):
            forgotten += 1
            continue
        series.is_carried = True
        series.value, series.time_ns = gauge.current, gauge.last_ns
    return out, forgotten


def _merged(stores: Sequence[Store], options: EngineOptions, role: Role) -> _Kept:
    """As they are published: scopes that are, as one; by what is forwarded, apart."""
    implicit = ImplicitTags(options.extend_tags)
    merged: _Kept = {}
    keeping = set()
    for store in stores:
        for sent, series in store.series.items():
            key = store.becomes(sent)
            if key is None or not isinstance(series, Gauge) or key.timestamp_s is not None:
                continue
            is_published = publishes(role, MetricType.GAUGE, key.scope)
            scope = Scope.MIXED if is_published else key.scope
            place = key._replace(tags=implicit.extend(key.tags), scope=scope), is_published
            seen, gauge = merged.get(place, (key.scope, Gauge()))
            gauge.merge(series)
            merged[place] = (seen if seen is key.scope else Scope.MIXED), gauge
            if store.keeps_gauges:
                keeping.add(place)
    return {place: kept for place, kept in merged.items() if place in keeping}
