"""What leaves a host arrives at owners: nothing is lost, nothing counted twice."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engines import END_MS, START_MS, Datagram, Outcome, Row, engine_kinds, rows, run
from tests.property.compare import PLAN, Weights, differences, weights
from tests.property.traffic import datagrams
from tests.wire import ALONE
from veneurpy.engine import (
    EngineKind,
    EngineOptions,
    MetricType,
    OwnerTable,
    Role,
    TagMatcher,
    open_engine,
)

# One reader: between several, equal times of a gauge are told apart otherwise than between senders.
traffic = datagrams.map(lambda sent: [d._replace(reader=0) for d in sent])
options = st.sampled_from([EngineOptions(), EngineOptions(extend_tags=("env:prod", "x"))])
MOST_WEIGHT = 1e9
"""Of the values of a name, for sums to be compared."""
THREE = OwnerTable(("a", "b", "c"), self_index=1)
few = settings(max_examples=settings.default.max_examples // 4)
"""Each opens several engines."""
tables = st.sampled_from(
    [ALONE, THREE, OwnerTable(("b", "a"), "veneur", (TagMatcher("prefix", "y"),), 0)]
)


@engine_kinds
@few
@given(traffic, options, tables, st.sampled_from([1, 1 << 20]))
def test_owners_publish_what_one_node_would(
    kind: EngineKind,
    sent: list[Datagram],
    options: EngineOptions,
    table: OwnerTable,
    max_bytes: int,
) -> None:
    """Owners that receive themselves have the points of a node that stands alone."""
    expected = run(kind, sent, PLAN, options)

    own, owned = forwarded(kind, sent, options, table, Role.OWNER, max_bytes)

    found = Outcome(sorted(own + owned), [], 0, [], [])
    if table is ALONE:
        assert [] == differences(expected, found, weights(sent, options))
    weight = weights(sent, options)
    assert totals(expected.rows, weight) == pytest.approx(totals(found.rows, weight), abs=1e-3)


@engine_kinds
@few
@given(traffic, options, tables)
def test_hosts_and_owners_conserve(
    kind: EngineKind, sent: list[Datagram], options: EngineOptions, table: OwnerTable
) -> None:
    """What a host publishes and what its owners do, in either engine, adds up to what there was."""
    expected = run(kind, sent, PLAN, options)

    own, owned = forwarded(kind, sent, options, table, Role.HOST, 1 << 20, "python")

    weight = weights(sent, options)
    assert totals(expected.rows, weight) == pytest.approx(totals(own + owned, weight), abs=1e-3)
    assert {row.name for row in expected.rows} == {row.name for row in own + owned}


def forwarded(
    kind: EngineKind,
    sent: list[Datagram],
    options: EngineOptions,
    table: OwnerTable,
    role: Role,
    max_bytes: int,
    importer: EngineKind | None = None,
) -> tuple[list[Row], list[Row]]:
    """(rows of the interval, rows of all owners)."""
    engine = open_engine(kind, options, start_ms=START_MS)
    reader = engine.open_reader("x")
    for datagram in sent:
        reader.feed(datagram.data, truncated=datagram.truncated, now_ns=datagram.now_ns)
    interval = engine.rotate(END_MS)
    own = rows(interval.columns(replace(PLAN, role=role)))
    other = open_engine(importer or kind, options, start_ms=START_MS)
    stores = [other.open_import(START_MS) for _ in table.members]
    for owner, payload, series, samples in interval.encode(
        table, role=role, max_bytes=max_bytes
    ).parts:
        imported = stores[owner].merge(payload, sender="host", received_ns=1)
        assert (series, samples, {}) == imported
        assert max_bytes > 1 or series == 1
    owned = [row for store in stores for row in rows(store.columns(PLAN))]
    for store in stores:
        store.release()
    interval.release()
    engine.close()
    other.close()
    return own, owned


def totals(found: list[Row], weight: Weights) -> dict[tuple[str, object], float]:
    """Of counters, and of the counts and sums of histograms, by name; where rounding is small."""
    out: dict[tuple[str, object], float] = defaultdict(float)
    for row in found:
        name, _, statistic = row.name.partition("#")
        is_sum = statistic in ("count", "sum") or row.series_type is MetricType.COUNTER
        if is_sum and weight[name] < MOST_WEIGHT:
            out[row.name, row.tags] += row.value
    return out
