"""Names rewritten at the merge: any rules, any traffic, both engines."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.engines import Datagram, Outcome, broken_equations, engine_kinds, needs_native, run
from tests.property.compare import PLAN, differences, weights
from tests.property.traffic import traffic_of
from veneurpy.engine import EngineKind, EngineOptions, MetricType
from veneurpy.rules import Mapping, MappingRewriter, Rule

_PARTS = st.sampled_from(["a", "b", "c,d", "é"])
_TAGS = st.lists(
    st.sampled_from(["a:1", "a:2", "b:1", "a", "veneurlocalonly", "k:0", ""]), max_size=3
)


@st.composite
def _line(draw: st.DrawFn) -> str:
    name = ".".join(draw(st.lists(_PARTS, min_size=1, max_size=3)))
    type_ = draw(st.sampled_from(["c", "g", "ms", "h", "s"]))
    value = draw(st.integers(-50, 50))
    tags = draw(_TAGS)
    return f"{name}:{value}|{type_}" + (f"|#{','.join(tags)}" if tags else "")


@st.composite
def _rule(draw: st.DrawFn) -> Rule:
    parts = draw(st.lists(st.sampled_from(["*", "a", "b"]), min_size=1, max_size=3))
    tags = draw(
        st.dictionaries(st.sampled_from(["a", "b", "k"]), st.sampled_from(["1", "$1", "x$2"]))
    )
    return Rule(
        ".".join(parts),
        draw(st.sampled_from(["a", "b.b", "new", "$1", "$2", "a.$1"])),
        tuple(tags.items()),
        type=draw(st.sampled_from(["", "", "counter", "gauge", "observer"])),  # type: ignore[arg-type]
        drops=draw(st.integers(0, 5)) == 0,
        keeps_tags=draw(st.booleans()),
    )


_TRAFFIC = traffic_of(_line())
_RULES = st.lists(_rule(), max_size=4).map(tuple)


def _options(rules: tuple[Rule, ...], *, extend: bool) -> EngineOptions:
    rewriter = MappingRewriter(Mapping(rules))
    return EngineOptions(rewriter=rewriter, extend_tags=("b:implicit",) if extend else ())


@needs_native
@given(_TRAFFIC, _RULES, st.booleans())
def test_native_equals_reference(
    traffic: list[Datagram], rules: tuple[Rule, ...], extend: bool
) -> None:
    """Whatever the rules are, both engines make the same points of the same lines."""
    options = _options(rules, extend=extend)
    native = run("native", traffic, PLAN, options, readers=2)
    reference = run("python", traffic, PLAN, options, readers=2)
    assert reference.accounts == native.accounts
    assert [] == differences(native, reference, weights(traffic, options))
    assert reference.series == native.series


@engine_kinds
@given(traffic=_TRAFFIC, rules=_RULES)
def test_counters_are_conserved(
    kind: EngineKind, traffic: list[Datagram], rules: tuple[Rule, ...]
) -> None:
    """Without a drop, rules change where counters are, and not their sum."""
    kept = tuple(replace(rule, drops=False) for rule in rules)
    plain = run(kind, traffic, PLAN, EngineOptions(), readers=2)
    mapped = run(kind, traffic, PLAN, _options(kept, extend=False), readers=2)
    assert _sum(plain) == _sum(mapped)
    assert 0 == mapped.total.filtered


@engine_kinds
@given(traffic=_TRAFFIC, rules=_RULES)
def test_the_ledger_balances(
    kind: EngineKind, traffic: list[Datagram], rules: tuple[Rule, ...]
) -> None:
    """What is dropped is `filtered`: values = aggregated + filtered + rejected."""
    outcome = run(kind, traffic, PLAN, _options(rules, extend=True), readers=2)
    assert [] == [line for _, part in outcome.accounts for line in broken_equations(part)]


@engine_kinds
@given(traffic=_TRAFFIC, rules=_RULES)
def test_order_does_not_matter(
    kind: EngineKind, traffic: list[Datagram], rules: tuple[Rule, ...]
) -> None:
    """The points are the same in whatever order lines come, but for gauges."""
    options = _options(rules, extend=False)
    one = run(kind, traffic, PLAN, options, readers=2)
    other = run(kind, traffic[::-1], PLAN, options, readers=2)
    assert _but_gauges(one) == _but_gauges(other)


def _sum(outcome: Outcome) -> float:
    return sum(row.value for row in outcome.rows if row.series_type is MetricType.COUNTER)


def _but_gauges(outcome: Outcome) -> dict[tuple[object, ...], float]:
    """Sums of squares and their like come in any order: to nine digits."""
    return {
        tuple(row)[:-1]: float(f"{row.value:.9g}")
        for row in outcome.rows
        if row.series_type is not MetricType.GAUGE
    }
