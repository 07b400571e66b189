"""A closed interval as batches for the owners of its series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from veneurpy.engine.exchange import Encoding
from veneurpy.engine.owners import OwnerTable
from veneurpy.engine.reference_digest import Moments
from veneurpy.engine.reference_metric_writer import Entry, as_int64, batches, write_metric
from veneurpy.engine.reference_store import (
    Counter,
    Histogram,
    Series,
    SeriesKey,
    Store,
    new_series,
)
from veneurpy.engine.roles import forwards, is_global
from veneurpy.engine.tags import ImplicitTags
from veneurpy.engine.types import EngineOptions, Role

Merged = dict[SeriesKey, Series]


def merge_for_wire(
    own: Sequence[Store], others: Sequence[Store], role: Role, options: EngineOptions
) -> Merged:
    """All that a node in this role forwards: scopes, and histograms and timers, stay apart."""
    implicit = ImplicitTags(options.extend_tags)
    merged: Merged = {}
    for store in (*own, *others):
        is_own = store in own
        for sent, series in store.series.items():
            key = store.becomes(sent)
            if (
                key is None
                or key.timestamp_s is not None
                or not forwards(role, key.type, key.scope)
            ):
                continue
            sinks = key.sinks if role is Role.OWNER else frozenset[bytes]()
            key = key._replace(tags=implicit.extend(key.tags) if is_own else key.tags, sinks=sinks)
            into = merged.setdefault(key, new_series(key.type, options.compression))
            if is_own and role is Role.HOST and isinstance(series, Histogram):
                # Whoever forwards them publishes their aggregates.
                series = replace(series, imported_direct=Moments())
            into.merge(series)  # type: ignore[arg-type]
    return merged


def encode(
    merged: Merged,
    table: OwnerTable,
    role: Role,
    max_bytes: int,
    veneur_owners: frozenset[int],
    compression: float,
) -> Encoding:
    """Batches for the owners, and what rounding for Veneur's counters left over."""
    carry: list[bytes] = []
    entries = _entries(merged, table, role, veneur_owners, compression, carry)
    return Encoding(batches(entries, max_bytes), b"".join(carry))


def _entries(
    merged: Merged,
    table: OwnerTable,
    role: Role,
    veneur_owners: frozenset[int],
    compression: float,
    carry: list[bytes],
) -> Iterator[Entry]:
    for key, series in merged.items():
        owner = _owner(table, role, key)
        foreign = owner in veneur_owners
        if foreign and isinstance(series, Counter):
            rest = series.sum - as_int64(series.sum)
            if rest:
                carry.append(write_metric(key, Counter(0, rest), compression, foreign=False))
            if rest == series.sum and series.samples == 0:
                continue
        yield Entry(
            owner,
            write_metric(key, series, compression, foreign=foreign, with_sinks=True),
            series.samples,
        )


def _owner(table: OwnerTable, role: Role, key: SeriesKey) -> int:
    if is_global(key.type, key.scope):
        return table.owner(key.name, key.type, key.tags)
    if table.self_index is None:
        raise ValueError(f"an owner's table needs self_index (role {role.name})")
    return table.self_index
