"""Accounts and budgets of clients: both engines say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines import (
    NOW_NS,
    START_MS,
    Outcome,
    broken_equations,
    close_interval,
    engine_kinds,
    needs_native,
    outcome_of,
)
from tests.property.compare import PLAN, differences, weights
from tests.property.test_budgets import busy
from tests.property.traffic import READERS, Datagram
from veneurpy.engine import (
    FOLDED_TAG,
    ClientTop,
    EngineKind,
    EngineOptions,
    Overflow,
    open_engine,
)
from veneurpy.engine.types import Budget

clients = st.lists(st.sampled_from([None, "10.0.0.1", "10.0.0.2", "fe80::1"]), min_size=1)
options = st.builds(
    EngineOptions,
    max_series_per_client=st.sampled_from([0, 1, 2, 5]),
    budgets=st.builds(
        lambda most, policy: (Budget(max_series=most, on_overflow=policy),),
        st.sampled_from([0, 3]),
        st.sampled_from(Overflow),
    ),
)


@needs_native
@given(busy, busy, clients, options)
def test_engines_agree(
    first: list[Datagram], second: list[Datagram], senders: list[str | None], options: EngineOptions
) -> None:
    """With any budget the same clients have the same figures, and the points are the same."""
    reference = _run("python", first, second, senders, options)
    native = _run("native", first, second, senders, options)

    assert reference[0] == native[0]
    both = zip((first, second), reference[1], native[1], strict=True)
    for traffic, expected, found in both:
        assert [] == differences(expected, found, weights(traffic, options))
        assert expected.accounts == found.accounts
        assert [] == [b for _, accounts in found.accounts for b in broken_equations(accounts)]


@engine_kinds
def test_budget(kind: EngineKind) -> None:
    """What a client may not begin is folded; what others have begun it may go on with."""
    engine = open_engine(kind, EngineOptions(max_series_per_client=2), start_ms=START_MS)
    reader = engine.open_reader("x")
    for i in range(10):
        reader.feed(b"a:1|c|#id:%d" % i, client="10.0.0.1")
    for i in range(2, 4):
        reader.feed(b"a:1|c|#id:%d" % i, client="10.0.0.2")
    reader.feed(b"a:1|c|#id:2\nbad", client="10.0.0.1")
    closed = engine.rotate(START_MS)
    tops = {top.client: top._replace(bytes=0) for top in closed.clients(10)}
    closed.release()
    engine.close()

    assert {
        "10.0.0.1": ClientTop("10.0.0.1", 11, 11, 2, 2, 0, folded=8, rejected=1, over=8),
        "10.0.0.2": ClientTop("10.0.0.2", 2, 2, 2, 2, 0, folded=0, rejected=0, over=0),
    } == tops


@engine_kinds
@pytest.mark.parametrize("policy", Overflow)
def test_policies(kind: EngineKind, policy: Overflow) -> None:
    """The excess of a client goes where the budget of the name sends its own."""
    budget = Budget(on_overflow=policy)
    options = EngineOptions(max_series_per_client=1, budgets=(budget,))
    engine = open_engine(kind, options, start_ms=START_MS)
    reader = engine.open_reader("x")
    for i in range(5):
        reader.feed(b"a:1|c|#id:%d" % i, client="10.0.0.1")
    outcome = close_interval(engine, PLAN)
    engine.close()
    points = {row.tags: row.value for row in outcome.rows}

    kept = 1 if policy is Overflow.REJECT else 2
    assert kept == len(points)
    assert (0 if policy is Overflow.REJECT else 4) == points.get((FOLDED_TAG,), 0)
    assert (4 if policy is Overflow.REJECT else 0) == outcome.total.values_rejected["over_budget"]


@engine_kinds
@pytest.mark.parametrize("policy", [Overflow.FOLD, Overflow.DROP_TAG])
def test_made_up_names(kind: EngineKind, policy: Overflow) -> None:
    """A client beyond its bound may begin so many series again that stand for others."""
    options = EngineOptions(max_series_per_client=10, budgets=(Budget(on_overflow=policy),))
    engine = open_engine(kind, options, start_ms=START_MS)
    reader = engine.open_reader("x")
    for i in range(500):
        reader.feed(b"made.up.%d:1|c|#id:%d" % (i, i), client="10.0.0.1")
    reader.feed(b"made.up.15:1|c|#id:x", client="10.0.0.1")
    reader.feed(b"honest:1|c", client="10.0.0.2")
    outcome = close_interval(engine, PLAN)
    engine.close()
    accounts = outcome.total

    assert 10 + 10 + 1 == outcome.series
    assert 10 + 1 == accounts.folded
    assert 500 - 20 == accounts.values_rejected["over_budget"]
    assert [] == broken_equations(accounts)


@engine_kinds
def test_more_clients_than_fit(kind: EngineKind) -> None:
    """Those that find the table full share one account, which no budget bounds; nothing is lost."""
    options = EngineOptions(max_series_per_client=1)
    engine = open_engine(kind, options, start_ms=START_MS)
    reader = engine.open_reader("x")
    for i in range(2000):
        reader.feed(b"a:1|c|#id:%d,x:1\na:1|c|#id:%d,x:2" % (i, i), client=f"client {i}")
    closed = engine.rotate(START_MS)
    tops = {top.client: top for top in closed.clients(10_000)}
    closed.release()
    engine.close()

    assert 896 + 1 == len(tops)
    assert 4000 == sum(top.samples for top in tops.values())
    assert (2 * 1104, 2 * 1104, 0) == tops[""][2:4] + tops[""][8:]
    assert {1} == {top.over for top in tops.values() if top.client}


def _run(
    kind: EngineKind,
    first: list[Datagram],
    second: list[Datagram],
    senders: list[str | None],
    options: EngineOptions,
) -> tuple[list[list[ClientTop]], list[Outcome]]:
    engine = open_engine(kind, options, start_ms=START_MS)
    readers = [engine.open_reader(str(i)) for i in range(READERS)]
    tops, outcomes = [], []
    for traffic, now_ns in ((first, NOW_NS), (second, NOW_NS + 10_000_000_000)):
        for number, datagram in enumerate(traffic):
            sender = senders[number % len(senders)]
            readers[datagram.reader].feed(datagram.data, now_ns=now_ns, client=sender)
        closed = engine.rotate(START_MS)
        tops.append(sorted(top._replace(bytes=0) for top in closed.clients(1000)))
        outcomes.append(outcome_of(closed, PLAN))
        closed.release()
    engine.close()
    return tops, outcomes
