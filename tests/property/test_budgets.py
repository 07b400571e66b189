"""Budgets of names: both engines fold alike, sums are kept, known series stay exact."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines import (
    NOW_NS,
    START_MS,
    Datagram,
    Outcome,
    broken_equations,
    engine_kinds,
    needs_native,
    run,
)
from tests.property.compare import PLAN, differences, weights
from tests.property.traffic import READERS, datagrams
from veneurpy.engine import (
    FOLDED_TAG,
    Budget,
    EngineKind,
    EngineOptions,
    MetricType,
    Overflow,
    open_engine,
)

_budgets = st.builds(
    Budget,
    max_series=st.sampled_from([0, 1, 2, 3, 5, 9]),
    max_values=st.sampled_from([0, 0, 1, 2, 3]),
    on_overflow=st.sampled_from(Overflow),
)
options = st.builds(
    EngineOptions,
    budgets=st.one_of(
        st.tuples(_budgets),
        st.tuples(_budgets.map(lambda b: Budget("a", b.max_series, b.max_values)), _budgets),
    ),
    extend_tags=st.sampled_from([(), (), ("x",)]),
    max_timestamps=st.sampled_from([1024, 2]),
)

_tag = st.builds(b"%s:%d".__mod__, st.tuples(st.sampled_from([b"k", b"l"]), st.integers(0, 6)))
_words = st.sampled_from(
    [b"bare", b"veneurlocalonly", b"veneurglobalonly", b"veneursinkonly:s", b""]
)
_lines = st.builds(
    lambda name, value, type_, tags: b"%s:%d|%s|#%s" % (name, value, type_, b",".join(tags)),
    st.sampled_from([b"a", b"b"]),
    st.integers(-100, 100),
    st.sampled_from([b"c", b"c", b"ms", b"s", b"g"]),
    st.lists(st.one_of(_tag, _tag, _words), max_size=4),
)
busy = st.lists(
    st.builds(
        Datagram,
        data=st.lists(_lines, max_size=30).map(b"\n".join),
        reader=st.integers(0, READERS - 1),
        truncated=st.just(False),
        now_ns=st.just(NOW_NS),
    ),
    max_size=4,
)
"""Few names, many tag sets."""


@needs_native
@given(st.one_of(busy, busy, datagrams), options)
def test_engines_fold_alike(traffic: list[Datagram], options: EngineOptions) -> None:
    """With any budgets and any traffic both engines have the same points and accounts."""
    reference = run("python", traffic, PLAN, options, READERS)
    native = run("native", traffic, PLAN, options, READERS)

    assert [] == differences(reference, native, weights(traffic, options))
    assert reference.accounts == native.accounts
    assert reference.series == native.series


@engine_kinds
@given(st.one_of(busy, datagrams), options)
def test_ledger_balances(kind: EngineKind, traffic: list[Datagram], options: EngineOptions) -> None:
    """Whatever is folded or rejected is in exactly one account."""
    outcome = run(kind, traffic, PLAN, options, READERS)

    assert [] == [b for _, accounts in outcome.accounts for b in broken_equations(accounts)]


@engine_kinds
@given(busy, options)
def test_sums_are_kept(kind: EngineKind, traffic: list[Datagram], options: EngineOptions) -> None:
    """The counters of a name add up to what they would without budgets, less what is rejected."""
    outcome = run(kind, traffic, PLAN, options, READERS)
    if outcome.total.values_rejected["over_budget"]:
        return
    free = run(kind, traffic, PLAN, EngineOptions(budgets=(Budget(max_series=0),)), READERS)

    assert _counter_sums(free) == _counter_sums(outcome)


@engine_kinds
@given(busy, st.sampled_from([1, 2, 5]))
def test_known_series_stay_exact(kind: EngineKind, traffic: list[Datagram], most: int) -> None:
    """A series that is there, and is not the folded one, has the value it has without budgets."""
    # Scopes of one series are published together: here they are tags like any other.
    plain = [d._replace(reader=0, data=d.data.replace(b"veneur", b"x")) for d in traffic]
    bounded = run(kind, plain, PLAN, EngineOptions(budgets=(Budget(max_series=most),)))
    free = run(kind, plain, PLAN)
    everything = {row[:-1]: row.value for row in free.rows}

    for row in bounded.rows:
        if FOLDED_TAG not in row.tags:
            assert everything[row[:-1]] == row.value


@engine_kinds
def test_other_spellings_are_not_new(kind: EngineKind) -> None:
    """At the bound a known series is recognised however its tags are spelled."""
    options = EngineOptions(budgets=(Budget(max_series=1),))
    spellings = [b"y:2,x:1", b"x:1,y:2", b"x:1,y:2,x:1", b",x:1,y:2", b"y:2,,x:1"]
    outcome = run(kind, [Datagram(b"a:1|c|#" + s) for s in spellings], PLAN, options)

    assert [("x:1", "y:2")] == [row.tags for row in outcome.rows]
    assert 5 == outcome.rows[0].value
    assert 0 == outcome.total.folded


@engine_kinds
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(Overflow.FOLD, {("veneurpy.folded:true",): 18.0}, id="fold"),
        pytest.param(Overflow.DROP_TAG, {("path:/",): 18.0}, id="drop-tag"),
        pytest.param(Overflow.REJECT, {}, id="reject"),
    ],
)
def test_policies(
    kind: EngineKind, policy: Overflow, expected: dict[tuple[str, ...], float]
) -> None:
    """The excess is folded, or loses the tag that has the most values, or is rejected."""
    options = EngineOptions(budgets=(Budget(max_series=2, on_overflow=policy),))
    outcome = run(kind, [Datagram(b"a:1|c|#path:/,id:%d" % i) for i in range(20)], PLAN, options)
    known = {("id:0", "path:/"): 1.0, ("id:1", "path:/"): 1.0}

    assert known | expected == {row.tags: row.value for row in outcome.rows}
    assert (0 if policy is Overflow.REJECT else 18) == outcome.total.folded
    assert 18 - outcome.total.folded == outcome.total.values_rejected["over_budget"]


@engine_kinds
def test_gauges_are_never_folded(kind: EngineKind) -> None:
    """A folded gauge would be a lie."""
    options = EngineOptions(budgets=(Budget(max_series=1),))
    outcome = run(kind, [Datagram(b"a:%d|g|#x:%d" % (i, i)) for i in range(3)], PLAN, options)

    assert [0.0] == [row.value for row in outcome.rows]
    assert 2 == outcome.total.values_rejected["over_budget"]


@needs_native
@given(busy, busy, options)
def test_top_is_alike(
    first: list[Datagram], second: list[Datagram], options: EngineOptions
) -> None:
    """Both engines name the same names with the same figures, but for the bytes."""
    tops = []
    for kind in ("python", "native"):
        engine = open_engine(kind, options, start_ms=START_MS)
        readers = [engine.open_reader(str(i)) for i in range(READERS)]
        for traffic in (first, second):
            for datagram in traffic:
                readers[datagram.reader].feed(datagram.data, now_ns=NOW_NS)
            interval = engine.rotate(START_MS)
            tops.append(sorted(top._replace(bytes=0) for top in interval.top(1000)))
            interval.release()
        engine.close()

    assert tops[:2] == tops[2:]


def test_top_names_the_offender() -> None:
    """The tag that explodes is named, with an estimate of its values."""
    engine = open_engine("native", EngineOptions(budgets=(Budget(max_series=1000),)), start_ms=0)
    reader = engine.open_reader("x")
    for i in range(0, 50_000, 100):
        lines = [b"attack:1|c|#env:prod,id:%d" % j for j in range(i, i + 100)]
        reader.feed(b"\n".join(lines))
    reader.feed(b"other:1|c")
    (top,) = (top for top in engine.rotate(1).top(10) if top.name == "attack")

    assert (50_000, 1001, "id", 49_000, 0) == (
        top.samples,
        top.series,
        top.tag,
        top.folded,
        top.rejected,
    )
    assert abs(50_000 - top.values) <= 2_000
    engine.close()


def _counter_sums(outcome: Outcome) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for row in outcome.rows:
        if row.series_type is MetricType.COUNTER:
            sums[row.name] += row.value
    return sums


@engine_kinds
@pytest.mark.parametrize("most", [0, 1000])
def test_two_tags_explode(kind: EngineKind, most: int) -> None:
    """What remains without the worst tag is folded where another one has all its values as well."""
    budget = Budget(max_series=most, max_values=100, on_overflow=Overflow.DROP_TAG)
    traffic = [Datagram(b"a:1|c|#k:%d,l:%d" % (i, -i)) for i in range(2000)]
    outcome = run(kind, traffic, PLAN, EngineOptions(budgets=(budget,)))
    values = {tag for row in outcome.rows for tag in row.tags if tag.startswith("l:")}

    assert 2000 == sum(row.value for row in outcome.rows)
    # Those from before the values were counted, a quarter of the bound, come on top.
    assert 100 <= len(values) <= 125
