"""The native engine says what the reference says, and both keep their books."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines import (
    START_MS,
    Datagram,
    Outcome,
    broken_equations,
    close_interval,
    engine_kinds,
    needs_native,
    run,
)
from tests.property.compare import PLAN, differences, weights
from tests.property.traffic import READERS, datagrams, grammars
from veneurpy.engine import EngineKind, EngineOptions, MetricType, open_engine

options = st.builds(
    EngineOptions,
    extend_tags=st.sampled_from([(), ("env:prod",), ("x", "y:3", ""), ("veneurlocalonly",)]),
    max_datagram_bytes=st.sampled_from([8192, 8192, 60]),
    store_max_bytes=st.just(1 << 23),
    interval_s=st.sampled_from([10.0, 0.2]),
    late_window_s=st.sampled_from([600.0, 1.0]),
    max_timestamps=st.sampled_from([1024, 2]),
    side_log_max_bytes=st.sampled_from([4 << 20, 60]),
    grammar=grammars,
)


@needs_native
@given(datagrams, options)
def test_native_equals_reference(traffic: list[Datagram], options: EngineOptions) -> None:
    """For any bytes both engines have the same points and the same accounts."""
    reference = run("python", traffic, PLAN, options, READERS)
    native = run("native", traffic, PLAN, options, READERS)

    assert [] == differences(reference, native, weights(traffic, options))
    assert reference.accounts == native.accounts
    assert reference.series == native.series
    assert reference.side_log == native.side_log
    assert reference.type_conflicts == native.type_conflicts


@needs_native
@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize("members", [1536, 1537, 20_000])
def test_large_sets_are_equal(members: int, readers: int) -> None:
    """Sets that are no longer exact are estimated alike, however they were merged."""
    traffic = [
        Datagram(b"a:%d|s\na:common%d|s" % (i, i % 700), i % readers) for i in range(members - 700)
    ]
    reference = run("python", traffic, PLAN, readers=readers)
    native = run("native", traffic, PLAN, readers=readers)

    assert reference.rows == native.rows
    assert abs(members - native.rows[0].value) <= (0.03 * members if members > 1536 else 0)


@engine_kinds
@given(datagrams, options)
def test_ledger_balances(kind: EngineKind, traffic: list[Datagram], options: EngineOptions) -> None:
    """For any bytes every datagram, line and value is in exactly one account of its reader."""
    assert [] == _broken(run(kind, traffic, PLAN, options, READERS))


@engine_kinds
def test_ledger_balances_when_the_store_is_full(kind: EngineKind) -> None:
    """Values that find no room are accounted for as such, and the next interval has room again."""
    engine = open_engine(kind, EngineOptions(store_max_bytes=1 << 21), start_ms=START_MS)
    reader = engine.open_reader("x")
    for interval in range(2):
        for type_ in (b"c", b"ms", b"g"):
            for j in range(80):
                reader.feed(b"\n".join(b"%0100d.%d:1:2|%s" % (i, j, type_) for i in range(50)))
        outcome = close_interval(engine, PLAN, START_MS + interval)

        assert [] == _broken(outcome)
        assert 80 * 3 * 50 == outcome.total.accepted
        assert 80 * 3 * 50 * 2 == outcome.total.values
        assert outcome.total.values_rejected["store_full"] > 0
        assert outcome.total.values_rejected["bad_value"] == 0
        assert outcome.total.aggregated[MetricType.COUNTER] > 0
    engine.close()


def _broken(outcome: Outcome) -> list[str]:
    return [broken for _, accounts in outcome.accounts for broken in broken_equations(accounts)]
