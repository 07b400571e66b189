"""Features that were each made by itself, in one line: mapping, plain StatsD, origins and so on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.engines import (
    NOW_NS,
    START_MS,
    Datagram,
    Outcome,
    broken_equations,
    in_buffer,
    needs_native,
    outcome_of,
)
from tests.property import compare, test_wire_agrees
from tests.wire import ALONE, Owner
from veneurpy.engine import (
    Budget,
    EngineKind,
    EngineOptions,
    Grammar,
    Interval,
    NameTags,
    OriginTag,
    Overflow,
    Process,
    Role,
    open_engine,
)
from veneurpy.rules import Mapping, MappingRewriter, Rule

INTERVAL_MS = 10_000
EVERY_STYLE = NameTags.INFLUXDB | NameTags.LIBRATO | NameTags.SIGNALFX | NameTags.GRAPHITE
READERS = (Grammar(EVERY_STYLE, is_statsd=True), Grammar(is_statsd=True), Grammar())
SENDERS = (("10.0.0.1", None), (None, Process(0, 7)), (None, None))
"""Of each reader's datagrams."""
MUCH: compare.Weights = defaultdict(lambda: 1e6)
"""Values are whole: sums differ by nothing or by much."""

NAMES = "a a.x a.y b.x b.x,k=9 a.y;k=8;j=1 a[k=7].x c c#k=1,a=2 a.veneurlocalonly"
FIELDS = (
    " |#k:5 |#k:6,a:1 |#a:1,a:2,z |#veneurlocalonly |#veneurglobalonly,k:1 |#veneursinkonly:s "
    "|T1500000003 |c:ci-abc |e:cn-n,pu-p|card:low"
)
_names = st.sampled_from(NAMES.split())
_fields = st.sampled_from(FIELDS.split(" "))
_changes = st.sampled_from(["1", "2", "+1", "-4", "+8:-16", "32:+64"])
_values = st.sampled_from(["1", "2", "4:8", "-3"])
_lines = st.builds("{}:{}|g{}".format, _names, _changes, _fields) | st.builds(
    "{}:{}|{}{}".format, _names, _values, st.sampled_from(["c", "ms", "h", "s", "m"]), _fields
)
_interval = st.lists(
    st.builds(
        Datagram,
        data=st.lists(_lines, min_size=1, max_size=4).map(lambda some: "\n".join(some).encode()),
        reader=st.integers(0, len(READERS) - 1),
        now_ns=st.integers(-3, 3).map(lambda n: NOW_NS + n),
    ),
    max_size=6,
)
_rules = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["a.*", "b.*", "*.*", "a", "c"]),
        st.sampled_from(["a", "b.x", "new", "new.$1", "$1"]),
        st.dictionaries(
            st.sampled_from(["a", "k", "env", "container_id"]), st.sampled_from(["1", "$1", "5"])
        ).map(lambda tags: tuple(tags.items())),
        type=st.sampled_from(["", "", "gauge", "counter"]),
        drops=st.sampled_from([False, False, False, True]),
        keeps_tags=st.booleans(),
    ),
    max_size=3,
)
_options = st.builds(
    EngineOptions,
    rewriter=_rules.map(lambda rules: MappingRewriter(Mapping(tuple(rules)))),
    gauge_ttl_s=st.sampled_from([0.0, 15.0, 3600.0]),
    extend_tags=st.sampled_from([(), ("env:prod",), ("k:all",)]),
    origin_tags=st.sampled_from([(), tuple(OriginTag)]),
    budgets=st.sampled_from(
        [Budget(), Budget(max_series=1, on_overflow=Overflow.FOLD), Budget(max_values=1)]
    ).map(lambda budget: (budget,)),
    max_series_per_client=st.sampled_from([0, 0, 2]),
)
_scenarios = given(
    traffic=st.lists(_interval, min_size=2, max_size=4),
    options=_options,
    role=st.sampled_from([Role.STANDALONE, Role.HOST, Role.OWNER]),
)
_fewer = settings(max_examples=settings().max_examples // 3)
"""Each one is long."""
Traffic = list[list[Datagram]]


@dataclass(frozen=True)
class Closed:
    """What an interval said, and what its owner makes of what was forwarded."""

    outcome: Outcome
    owner: Owner


@needs_native
@_fewer
@_scenarios
def test_engines_agree(traffic: Traffic, options: EngineOptions, role: Role) -> None:
    """Whatever is on at once, both make the same points, accounts and batches of each interval."""
    ours = _closed("python", traffic, options, role)
    theirs = _closed("native", traffic, options, role)
    for reference, native in zip(ours, theirs, strict=True):
        assert reference.outcome.accounts == native.outcome.accounts
        assert [] == compare.differences(reference.outcome, native.outcome, MUCH)
        assert reference.outcome.series == native.outcome.series
        assert [] == test_wire_agrees.differences(reference.owner, native.owner)


_at_once = [Datagram(f"a:{n}|g".encode(), reader=n) for n in range(len(READERS))]


@needs_native
@_fewer
@example(traffic=[_at_once], options=EngineOptions(), role=Role.STANDALONE)
@_scenarios
def test_a_death_changes_nothing(traffic: Traffic, options: EngineOptions, role: Role) -> None:
    """Points and batches are the same where a process dies and the next one goes on."""
    lived = _closed("native", traffic, options, role)
    for dies_at in (number for number, datagrams in enumerate(traffic) if datagrams):
        with TemporaryDirectory() as folder:
            died = _closed("native", traffic, replace(options, arena_dir=folder), role, dies_at)
        for one, other in zip(lived, died, strict=True):
            assert [] == compare.differences(one.outcome, other.outcome, MUCH)
            assert [] == test_wire_agrees.differences(one.owner, other.owner)


def _closed(
    kind: EngineKind, traffic: Traffic, options: EngineOptions, role: Role, dies_at: int = -1
) -> list[Closed]:
    """Each interval's; then one more, in which everything is published."""
    engine = open_engine(kind, options, start_ms=START_MS)
    readers = [engine.open_reader(str(i), grammar=g) for i, g in enumerate(READERS)]
    found = []
    for number, datagrams in enumerate([*traffic, []]):
        later_ns = number * INTERVAL_MS * 1_000_000
        for datagram in datagrams:
            client, process = SENDERS[datagram.reader]
            data, now_ns = in_buffer(datagram.data, kind), datagram.now_ns + later_ns
            readers[datagram.reader].feed(data, now_ns=now_ns, client=client, process=process)
        if number == dies_at:
            engine.close(leave_arenas=True)
            engine = open_engine(kind, options, start_ms=START_MS + number * INTERVAL_MS)
            (left,) = engine.recovered()
            engine.resume(left)
            readers = [engine.open_reader(str(i), grammar=g) for i, g in enumerate(READERS)]
        interval = engine.rotate(START_MS + (number + 1) * INTERVAL_MS)
        found.append(_read(interval, Role.STANDALONE if number == len(traffic) else role))
    engine.close()
    return found


def _read(interval: Interval, role: Role) -> Closed:
    outcome, owner = outcome_of(interval, replace(compare.PLAN, role=role)), Owner("python")
    for part in interval.encode(ALONE, role=role).parts:
        assert {} == owner.merge(part.payload).rejected
    interval.release()
    assert 0 == interval.forgotten
    assert [] == [line for _, accounts in outcome.accounts for line in broken_equations(accounts)]
    return Closed(outcome, owner)
