"""Filters at the merge: any of them, before any mapping, any traffic, both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines import Datagram, Outcome, broken_equations, engine_kinds, needs_native, run
from tests.property.compare import PLAN, differences, weights
from tests.property.traffic import traffic_of
from veneurpy.engine import EngineKind, EngineOptions, MetricType
from veneurpy.engine.tag_patterns import TagMatch, TagPattern
from veneurpy.rules import Filter, FilterRewriter, Filters, Mapping, MappingRewriter, Rule

_TAGS = st.lists(
    st.sampled_from(["a:1", "a:12", "b:1", "a", "ab:1", "aab", "veneurlocalonly", ":", "é:*", ""]),
    max_size=4,
)
_TEXTS = st.text("ab1:*é", min_size=1, max_size=4)
_PATTERNS = st.one_of(
    st.builds(
        TagPattern,
        st.sampled_from([TagMatch.GLOB, TagMatch.EXACT, TagMatch.PREFIX]),
        _TEXTS.map(str.encode),
    ),
    st.builds(
        TagPattern,
        st.just(TagMatch.REGEX),
        st.sampled_from(["^a:", r"\d", "^[^:]*$", "é", "1$", ""]).map(str.encode),
    ),
)
_MATCHES = {
    "any": [""],
    "exact": ["a", "a.b"],
    "prefix": ["a", "a."],
    "glob": ["a.*", "*", "*.b"],
    "regex": ["(a)", r"^(\w+)\.b"],
}


@st.composite
def _line(draw: st.DrawFn) -> str:
    name = ".".join(draw(st.lists(st.sampled_from(["a", "b", "é"]), min_size=1, max_size=2)))
    type_ = draw(st.sampled_from(["c", "g", "ms", "h", "s"]))
    tags = draw(_TAGS)
    return f"{name}:{draw(st.integers(-9, 50))}|{type_}" + (f"|#{','.join(tags)}" if tags else "")


@st.composite
def _filter(draw: st.DrawFn) -> Filter:
    kind = draw(st.sampled_from(list(_MATCHES)))
    return Filter(
        kind,  # type: ignore[arg-type]
        draw(st.sampled_from(_MATCHES[kind])),
        tags=tuple(draw(st.lists(_PATTERNS, max_size=2))),
        drops=draw(st.integers(0, 7)) == 0,
        rename=draw(st.sampled_from(["", "", "b", "n.$1", "$1"])),
        unwanted=tuple(draw(st.lists(_PATTERNS, max_size=1))),
        stripped=tuple(draw(st.lists(_PATTERNS, max_size=3))),
        added=tuple(draw(st.lists(st.sampled_from(["a:9", "b", "c:1"]), max_size=2))),
    )


_TRAFFIC = traffic_of(_line())
_FILTERS = st.lists(_filter(), max_size=4).map(tuple)
_MAPPING = Mapping(
    (
        Rule("n.*", "b", (("a", "$1"),)),
        Rule("b", "b", (("a", "0"), ("c", "0")), keeps_tags=True),
        Rule("a.b", drops=True),
    )
)


def _options(filters: tuple[Filter, ...], *, maps: bool, extend: bool = False) -> EngineOptions:
    onward = MappingRewriter(_MAPPING) if maps else None
    rewriter = FilterRewriter(Filters(filters), onward)
    return EngineOptions(rewriter=rewriter, extend_tags=("b:implicit",) if extend else ())


@needs_native
@given(_TRAFFIC, _FILTERS, st.booleans(), st.booleans())
def test_native_equals_reference(
    traffic: list[Datagram], filters: tuple[Filter, ...], maps: bool, extend: bool
) -> None:
    """Whatever the filters are, both engines make the same points of the same lines."""
    options = _options(filters, maps=maps, extend=extend)
    native = run("native", traffic, PLAN, options, readers=2)
    reference = run("python", traffic, PLAN, options, readers=2)
    assert reference.accounts == native.accounts
    assert [] == differences(native, reference, weights(traffic, options))
    assert reference.series == native.series


@needs_native
@given(
    st.text("ab:*,", max_size=12),
    st.sampled_from(TagMatch),
    st.text("ab:*", min_size=1, max_size=6),
)
def test_patterns_fit_the_same_tags(tags: str, match: TagMatch, text: str) -> None:
    """A pattern strips the same tags, and decides over the same series, in both engines."""
    text = text.replace("*", "[ab]+") if match is TagMatch.REGEX else text
    pattern = TagPattern(match, text.encode())
    filters = (
        Filter(stripped=(pattern,)),
        Filter("exact", "dropped", unwanted=(pattern,)),
        Filter("exact", "renamed", tags=(pattern,), rename="b"),
    )
    options = _options(filters, maps=False)
    lines = "\n".join(f"{name}:1|c|#{tags}" for name in ("a", "dropped", "renamed"))
    native = run("native", [Datagram(lines.encode(), 0)], PLAN, options, readers=1)
    reference = run("python", [Datagram(lines.encode(), 0)], PLAN, options, readers=1)
    assert reference.rows == native.rows
    assert reference.accounts == native.accounts


@engine_kinds
@given(traffic=_TRAFFIC, filters=_FILTERS)
def test_what_is_remembered_changes_nothing(
    kind: EngineKind, traffic: list[Datagram], filters: tuple[Filter, ...]
) -> None:
    """The rows are the same where all answers are forgotten at once."""
    options = _options(filters, maps=True)
    remembered = run(kind, traffic, PLAN, options, readers=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("veneurpy.rules.remembered.REMEMBERED", 1)
        forgotten = run(kind, traffic, PLAN, _options(filters, maps=True), readers=2)
    assert remembered.rows == forgotten.rows


@engine_kinds
@given(traffic=_TRAFFIC, filters=_FILTERS)
def test_counters_are_conserved(
    kind: EngineKind, traffic: list[Datagram], filters: tuple[Filter, ...]
) -> None:
    """Without a drop, filters change where counters are, and not their sum."""
    kept = tuple(replace(each, drops=False, unwanted=()) for each in filters)
    plain = run(kind, traffic, PLAN, EngineOptions(), readers=2)
    filtered = run(kind, traffic, PLAN, _options(kept, maps=False), readers=2)
    assert _sum(plain) == _sum(filtered)
    assert 0 == filtered.total.filtered


@engine_kinds
@given(traffic=_TRAFFIC, filters=_FILTERS, maps=st.booleans())
def test_the_ledger_balances(
    kind: EngineKind, traffic: list[Datagram], filters: tuple[Filter, ...], maps: bool
) -> None:
    """What is dropped is `filtered`: values = aggregated + filtered + rejected."""
    outcome = run(kind, traffic, PLAN, _options(filters, maps=maps, extend=True), readers=2)
    assert [] == [line for _, part in outcome.accounts for line in broken_equations(part)]


def _sum(outcome: Outcome) -> float:
    return sum(row.value for row in outcome.rows if row.series_type is MetricType.COUNTER)
