"""What plain StatsD's gauges say over several intervals: both engines agree, whatever comes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from tests.engines import (
    NOW_NS,
    START_MS,
    Datagram,
    Outcome,
    broken_equations,
    feed,
    needs_native,
    outcome_of,
)
from tests.property.compare import PLAN, differences, weights
from veneurpy.engine import EngineKind, EngineOptions, Grammar, Role, open_engine

INTERVAL_MS = 10_000
READERS = (Grammar(is_statsd=True), Grammar(is_statsd=True), Grammar())

_lines = st.builds(
    b"%s:%s|g%s".__mod__,
    st.tuples(
        st.sampled_from([b"a", b"b", b"c"]),
        st.sampled_from([b"1", b"2", b"+1", b"+2", b"-4", b"+8:-16", b"32:+64", b"+128:5"]),
        st.sampled_from(
            b" |#x,y |#y,x |#env:a |#env:b |T1500000003 |#veneurlocalonly |#veneurglobalonly "
            b"|#veneursinkonly:s |#veneursinkonly:s,x ".split(b" ")
        ),
    ),
)
_interval = st.lists(
    st.builds(
        Datagram,
        data=st.lists(_lines, min_size=1, max_size=4).map(b"\n".join),
        reader=st.integers(0, len(READERS) - 1),
        now_ns=st.integers(-3, 3).map(lambda n: NOW_NS + n),
    ),
    max_size=5,
)

AT_ONE_TIME = [
    Datagram(b"a:1|g\na:-4|g|#veneurlocalonly", reader=0, now_ns=NOW_NS),
    Datagram(b"a:1|g\na:1|g", reader=1, now_ns=NOW_NS),
]
"""Gauges of two scopes, which become one where both are published."""


@needs_native
@example(traffic=[[], AT_ONE_TIME], ttl_s=15.0, extend_tags=(), role=Role.OWNER)
@given(
    traffic=st.lists(_interval, min_size=2, max_size=5),
    ttl_s=st.sampled_from([0.0, 15.0, 25.0, 3600.0]),
    extend_tags=st.sampled_from([(), ("env:prod",)]),
    role=st.sampled_from([Role.STANDALONE, Role.STANDALONE, Role.HOST, Role.OWNER]),
)
def test_engines_carry_alike(
    traffic: list[list[Datagram]], ttl_s: float, extend_tags: tuple[str, ...], role: Role
) -> None:
    """Both have the same gauges in every interval, and in the last one all that was not shown."""
    options = EngineOptions(extend_tags=extend_tags, gauge_ttl_s=ttl_s)
    total = weights([datagram for one in traffic for datagram in one], options)
    ours = _outcomes("python", traffic, options, role)
    theirs = _outcomes("native", traffic, options, role)
    for reference, native in zip(ours, theirs, strict=True):
        assert [] == differences(reference, native, total)
        assert reference.accounts == native.accounts
        assert reference.series == native.series


def _outcomes(
    kind: EngineKind, traffic: list[list[Datagram]], options: EngineOptions, role: Role
) -> list[Outcome]:
    """Each interval's; then one more, in which everything is published."""
    engine = open_engine(kind, options, start_ms=START_MS)
    readers = [engine.open_reader(str(i), grammar=g) for i, g in enumerate(READERS)]
    found = []
    for number, datagrams in enumerate([*traffic, []]):
        later_ns = number * INTERVAL_MS * 1_000_000
        feed(readers, [d._replace(now_ns=d.now_ns + later_ns) for d in datagrams], kind)
        interval = engine.rotate(START_MS + (number + 1) * INTERVAL_MS)
        is_last = number == len(traffic)
        plan = replace(PLAN, role=Role.STANDALONE if is_last else role)
        found.append(outcome_of(interval, plan))
        interval.release()
        assert interval.forgotten == 0
        for _, accounts in found[-1].accounts:
            assert [] == broken_equations(accounts)
    engine.close()
    return found
