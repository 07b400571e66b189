"""Who owns a series: the same member on every node, in either engine."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines import needs_native
from veneurpy.engine import MetricType, OwnerTable, TagMatcher
from veneurpy.engine.owners import series_hash

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "wire.json").read_text())["owners"]
MEMBERS = tuple(GOLDEN["members"])

_texts = st.text(st.characters(codec="utf-8", exclude_characters=","), min_size=1, max_size=40).map(
    str.encode
)
_matchers = st.builds(
    TagMatcher, st.sampled_from(["exact", "prefix"]), st.sampled_from(["a", "b:", "", "ab"])
)
_tags = st.sets(_texts | st.sampled_from([b"a:1", b"ab:2", b"a", b"b:x", b"abc"]), max_size=4)
tables = st.builds(
    OwnerTable,
    st.lists(st.text(max_size=6), min_size=1, max_size=6, unique=True).map(tuple),
    st.sampled_from(["rendezvous", "veneur"]),
    st.lists(_matchers, max_size=2).map(tuple),
)


@pytest.mark.parametrize("case", GOLDEN["series"], ids=lambda case: case["name"][:5])
def test_golden_owners(case: dict[str, Any]) -> None:
    """Hashes and owners are those that are written down."""
    name, tags = case["name"].encode(), tuple(tag.encode() for tag in case["tags"])
    type_ = MetricType[case["type"]]

    assert case["hash"] == f"{series_hash(name, type_, tags):016x}"
    assert case["owner"] == MEMBERS[OwnerTable(MEMBERS).owner(name, type_, tags)]


@needs_native
@given(tables, _texts, st.sampled_from(MetricType), _tags)
def test_native_equals_reference(
    table: OwnerTable, name: bytes, type_: MetricType, tags: set[bytes]
) -> None:
    """Both engines send a series to the same member."""
    from veneurpy.engine.native.owners import CompiledOwners

    ordered = tuple(sorted(tags))

    assert table.owner(name, type_, ordered) == CompiledOwners(table).owner(
        name, type_, b",".join(ordered)
    )


def test_a_member_that_leaves_moves_only_its_own() -> None:
    """Of series that others own none changes its owner; every member has about its share."""
    names = [b"%d" % i for i in range(3000)]
    before = [MEMBERS[OwnerTable(MEMBERS).owner(n, MetricType.COUNTER, ())] for n in names]
    left = OwnerTable(MEMBERS[:2])
    after = [left.members[left.owner(n, MetricType.COUNTER, ())] for n in names]

    assert all(a == b for a, b in zip(before, after, strict=True) if a != MEMBERS[2])
    assert all(850 < share < 1150 for share in Counter(before).values())


@pytest.mark.parametrize(("members", "self_index"), [((), None), (("a",), 1), (("a",), -1)])
def test_tables_are_sound(members: tuple[str, ...], self_index: int | None) -> None:
    """There is at least one member, and this node is one of them or none."""
    with pytest.raises(ValueError, match="member"):
        OwnerTable(members, self_index=self_index)


def test_ignored_tags_route_alike() -> None:
    """Series that differ in ignored tags only have one owner."""
    table = OwnerTable(
        MEMBERS, ignore_tags=(TagMatcher("exact", "host"), TagMatcher("prefix", "p"))
    )
    owners = {
        table.owner(b"m", MetricType.SET, tags)
        for tags in ((b"a",), (b"a", b"host:1"), (b"a", b"host"), (b"a", b"pod:x", b"p"))
    }

    assert owners == {table.owner(b"m", MetricType.SET, (b"a",))}
    assert series_hash(b"m", MetricType.SET, (b"ab",)) != series_hash(
        b"ma", MetricType.SET, (b"b",)
    )
