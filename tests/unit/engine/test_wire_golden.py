"""What Veneur wrote is read, and what we write is what it would have written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.engines import engine_kinds
from tests.wire import Owner, encoded, in_list, metric
from veneurpy.engine import EngineKind, MetricType, OwnerTable, Scope
from veneurpy.engine.reference_hll import key_of, metro_hash64
from veneurpy.engine.reference_hll_wire import read_set, sparse_bytes
from veneurpy.engine.reference_metric import metrics_of
from veneurpy.engine.reference_protobuf import bytes_field, fields

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "wire.json").read_text())
MEANINGS = [
    ("a.b.c", ("x:y", "z"), MetricType.COUNTER, Scope.GLOBAL, {"": 3.0}),
    ("h", (), MetricType.HISTOGRAM, Scope.MIXED, {"median": 1.5, "q0.0": 1.0, "q1.0": 2.0}),
    ("s", ("t",), MetricType.SET, Scope.MIXED, {"": 1.0}),
]
SETS = {case["members"]: case["sha256"] for case in GOLDEN["sets"]}
EXACT = [0, 2, 100, 164]
SPARSE = [*EXACT, 5000, 7000]
DENSE = [10_000, 50_000]

cases = pytest.mark.parametrize("case", range(len(MEANINGS)))


@engine_kinds
@cases
def test_metrics_are_read(kind: EngineKind, case: int) -> None:
    """Veneur's messages mean what they say."""
    name, tags, type_, scope, values = MEANINGS[case]
    owner = Owner(kind)

    assert (1, 1, {}) == owner.merge(in_list(message_of(case)))
    found = owner.rows()
    assert {(tags, type_, scope)} == {(row.tags, row.series_type, row.scope) for row in found}
    points = {row.name.removeprefix(name).removeprefix("#"): row.value for row in found}
    assert values == {statistic: points[statistic] for statistic in values}
    owner.close()


@engine_kinds
@cases
def test_metrics_are_written(kind: EngineKind, case: int) -> None:
    """What is passed on to a Veneur is what Veneur would have sent, to the byte."""
    owner = Owner(kind)
    owner.merge(in_list(message_of(case)), foreign=True)

    payloads, carry = encoded(kind, foreign=True, sources=[owner.store])

    assert [message_of(case)] == [m for payload in payloads for m in metrics_of(payload)]
    assert b"" == carry
    owner.close()


@engine_kinds
@pytest.mark.parametrize("members", [*EXACT[1:], *DENSE])
def test_sets_are_written(kind: EngineKind, members: int) -> None:
    """A set that Veneur would send in the same form is the same to the byte."""
    lines = [b"s:%d|s" % i for i in range(members)]
    datagrams = [b"\n".join(lines[i : i + 700]) for i in range(0, members, 700)]

    [payload], _ = encoded(kind, *datagrams, foreign=True)

    assert SETS[members] == hashlib.sha256(sketch_of(payload)).hexdigest()


@pytest.mark.parametrize("members", SPARSE)
def test_sparse_sets_are_written(members: int) -> None:
    """The list of keys is Veneur's, as long as Veneur makes them."""
    keys = {key_of(metro_hash64(b"%d" % i)) for i in range(members)}

    assert SETS[members] == hashlib.sha256(sparse_bytes(keys)).hexdigest()
    assert sorted(keys) == read_set(sparse_bytes(keys)).keys


@engine_kinds
@pytest.mark.parametrize("case", GOLDEN["digests"], ids=lambda case: str(case["what"]))
def test_digests_are_read(kind: EngineKind, case: dict[str, Any]) -> None:
    """A digest has the quantiles that Veneur has for it; one of no samples is refused."""
    owner = Owner(kind)
    value = bytes_field(7, bytes_field(1, bytes.fromhex(case["hex"])))
    message = metric(value, name=b"h", type_=MetricType.HISTOGRAM, scope=Scope.GLOBAL)

    imported = owner.merge(in_list(message))

    points = {row.name: row.value for row in owner.rows()}
    if case["what"] == "empty":
        assert (0, 0, {"bad_digest": 1}) == imported
        assert {} == points
    else:
        quantiles = {q: case["quantiles"][q] for q in ("0", "0.25", "0.5", "0.99", "1")}
        assert pytest.approx(quantiles) == {q: points[f"h#q{float(q)}"] for q in quantiles}
        assert case["sum"] == points["h#sum"]
        assert pytest.approx(2.812374, rel=1e-6) == points["h#hmean"]
    owner.close()


def test_ring_owners() -> None:
    """A series has the owner that Veneur's proxy sends it to."""
    table = OwnerTable(tuple(GOLDEN["ring"]["destinations"]), "veneur")
    for lookup in GOLDEN["ring"]["lookups"]:
        name, _, tags = lookup["key"].partition("counter")
        sent = tuple(tag.encode() for tag in tags.split(","))

        assert lookup["dest"] == table.members[table.owner(name.encode(), MetricType.COUNTER, sent)]


def message_of(case: int) -> bytes:
    return bytes.fromhex(GOLDEN["metrics"][case]["hex"])


def sketch_of(payload: bytes) -> bytes:
    """The bytes of the only metric's set."""
    [message] = metrics_of(payload)
    value = next(field.data for field in fields(message) if field.number == 8)
    return next(field.data for field in fields(value) if field.number == 1)
