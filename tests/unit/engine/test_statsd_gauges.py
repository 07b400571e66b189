"""Gauges of plain StatsD: changes across readers, and values that are carried on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.engines import (
    NOW_NS,
    START_MS,
    Datagram,
    broken_equations,
    close_interval,
    engine_kinds,
    feed,
    run,
)
from veneurpy.engine import (
    Engine,
    EngineKind,
    EngineOptions,
    Grammar,
    MetricType,
    Plan,
    Role,
    open_engine,
)

STATSD = Grammar(is_statsd=True)
OPTIONS = EngineOptions(grammar=STATSD, gauge_ttl_s=3600.0)
INTERVAL_MS = 10_000


class Intervals:
    """One engine over several intervals of ten seconds."""

    def __init__(self, kind: EngineKind, options: EngineOptions, readers: int = 1) -> None:
        self.engine: Engine = open_engine(kind, options, start_ms=START_MS)
        self.readers = [self.engine.open_reader(f"reader {i}") for i in range(readers)]
        self._kind: EngineKind = kind
        self._end_ms = START_MS

    def flush(self, *packets: bytes, role: Role = Role.STANDALONE) -> dict[str, float]:
        """Feeds an interval in its middle and closes it; the gauges by name and tags."""
        now_ns = (self._end_ms + INTERVAL_MS // 2) * 1_000_000
        traffic = [Datagram(packet, now_ns=now_ns) for packet in packets]
        return self.flush_all(traffic, role=role)

    def flush_all(self, traffic: list[Datagram], role: Role = Role.STANDALONE) -> dict[str, float]:
        feed(self.readers, traffic, self._kind)
        self._end_ms += INTERVAL_MS
        outcome = close_interval(self.engine, Plan(role=role), self._end_ms)
        assert [] == [e for _, accounts in outcome.accounts for e in broken_equations(accounts)]
        return {
            ",".join([row.name, *row.tags]): row.value
            for row in outcome.rows
            if row.series_type is MetricType.GAUGE
        }


@pytest.fixture
def intervals(kind: EngineKind) -> Iterator[Intervals]:
    """With one reader, of plain StatsD."""
    opened = Intervals(kind, OPTIONS)
    yield opened
    opened.engine.close()


@engine_kinds
@pytest.mark.parametrize(
    ("times_ns", "expected"),
    [((1, 2), 8.0), ((2, 1), 5.0), ((1, 1), 8.0)],
    ids=["after", "before", "at one time, at the higher reader"],
)
def test_change_at_another_reader(
    kind: EngineKind, times_ns: tuple[int, int], expected: float
) -> None:
    """A change counts for what another reader wrote, if it came after that by the clock."""
    written, changed = times_ns
    traffic = [
        Datagram(b"g:5|g", 0, now_ns=NOW_NS + written),
        Datagram(b"g:+3|g", 1, now_ns=NOW_NS + changed),
    ]
    for order in (traffic, traffic[::-1]):
        outcome = run(kind, order, Plan(), OPTIONS, readers=2)
        assert [expected] == [row.value for row in outcome.rows]


@engine_kinds
def test_tie_at_the_lower_reader(kind: EngineKind) -> None:
    """At one time the higher reader comes later, whichever of them has the change."""
    traffic = [Datagram(b"g:+3|g", 0), Datagram(b"g:5|g", 1)]
    outcome = run(kind, traffic, Plan(), OPTIONS, readers=2)
    assert [5.0] == [row.value for row in outcome.rows]


@engine_kinds
def test_changes_of_three_readers(kind: EngineKind) -> None:
    """All changes after the last write count, and none before it, whoever took them."""
    traffic = [
        Datagram(b"g:+1000|g", 2, now_ns=NOW_NS + 1),
        Datagram(b"g:100|g\ng:+1|g", 0, now_ns=NOW_NS + 10),
        Datagram(b"g:+2000|g", 1, now_ns=NOW_NS + 5),
        Datagram(b"g:+2|g\ng:+4|g", 1, now_ns=NOW_NS + 20),
        Datagram(b"g:-8|g", 2, now_ns=NOW_NS + 15),
    ]
    outcome = run(kind, traffic, Plan(), OPTIONS, readers=3)
    assert [99.0] == [row.value for row in outcome.rows]
    assert 7 == outcome.total.aggregated[MetricType.GAUGE]


@engine_kinds
def test_dialects_side_by_side(kind: EngineKind) -> None:
    """A sign is a change where the reader is of plain StatsD, and there alone."""
    engine = open_engine(kind, EngineOptions(gauge_ttl_s=3600.0), start_ms=START_MS)
    plain = engine.open_reader("plain", grammar=STATSD)
    dog = engine.open_reader("dog")
    dog.feed(b"g:-5|g\nd:+1|g", now_ns=NOW_NS)
    plain.feed(b"g:+3|g\np:+1|g", now_ns=NOW_NS + 1)
    first = close_interval(engine, Plan(), START_MS + INTERVAL_MS)
    second = close_interval(engine, Plan(), START_MS + 2 * INTERVAL_MS)
    engine.close()

    assert {"g": -2.0, "d": 1.0, "p": 1.0} == {row.name: row.value for row in first.rows}
    # What plain StatsD had no part in is not carried on.
    assert {"g": -2.0, "p": 1.0} == {row.name: row.value for row in second.rows}


@engine_kinds
def test_carried_on(intervals: Intervals) -> None:
    """A gauge is flushed again, changes count upon it, a write replaces it."""
    assert {"g": 7.0, "h": 1.0} == intervals.flush(b"g:5|g\ng:+2|g\nh:1|g")
    assert {"g": 7.0, "h": 1.0} == intervals.flush()
    assert {"g": 4.0, "h": 1.0} == intervals.flush(b"g:-3|g")
    assert {"g": 5.0, "h": 9.0} == intervals.flush(b"h:+1|g", b"h:9|g", b"g:+1|g")
    assert {"g": 5.0, "h": 9.0} == intervals.flush()


@engine_kinds
def test_carried_before_whatever_comes(kind: EngineKind) -> None:
    """What is carried is older than any sample of the interval, whatever the clock says of it."""
    intervals = Intervals(kind, OPTIONS, readers=2)
    late_ns = NOW_NS + 60_000_000_000
    assert {"g": 5.0, "h": 5.0} == intervals.flush_all(
        [Datagram(b"g:5|g\nh:5|g", 0, now_ns=late_ns)]
    )
    assert {"g": 8.0, "h": 1.0} == intervals.flush_all([Datagram(b"g:+3|g\nh:1|g", 1)])
    intervals.engine.close()


@engine_kinds
def test_forgotten_after_its_time(kind: EngineKind) -> None:
    """A gauge is flushed again until its time is over since it was last sent, a change included."""
    intervals = Intervals(kind, replace(OPTIONS, gauge_ttl_s=14.0))
    assert {"g": 5.0, "h": 1.0} == intervals.flush(b"g:5|g\nh:1|g")  # at 5 s
    assert {"g": 6.0, "h": 1.0} == intervals.flush(b"g:+1|g")  # at 15 s: h is over at 19 s
    assert {"g": 6.0} == intervals.flush()
    assert {} == intervals.flush()
    assert {"g": 1.0} == intervals.flush(b"g:+1|g")
    intervals.engine.close()


@engine_kinds
def test_not_carried_without_a_time(kind: EngineKind) -> None:
    """Without `gauge_ttl_s` every interval starts anew."""
    intervals = Intervals(kind, replace(OPTIONS, gauge_ttl_s=0.0))
    assert {"g": 5.0} == intervals.flush(b"g:5|g")
    assert {"g": 1.0} == intervals.flush(b"g:+1|g")
    assert {} == intervals.flush()
    intervals.engine.close()


@engine_kinds
def test_tags_are_carried(kind: EngineKind) -> None:
    """Tags, implicit ones, scopes and sinks come through, interval after interval."""
    options = replace(OPTIONS, extend_tags=("env:prod",))
    engine = open_engine(kind, options, start_ms=START_MS)
    reader = engine.open_reader("x")
    lines = [
        b"g:1|g|#b,a",
        b"g:2|g|#veneurlocalonly,x",
        b"g:3|g|#veneurglobalonly,y",
        b"g:4|g|#veneursinkonly:t,veneursinkonly:s",
        b"g:5|g|#env:dev",
    ]
    reader.feed(b"\n".join(lines), now_ns=NOW_NS)
    first = close_interval(engine, Plan(), START_MS + INTERVAL_MS)
    for number in range(2, 5):
        start_ms = START_MS + (number - 1) * INTERVAL_MS
        again = close_interval(engine, Plan(), START_MS + number * INTERVAL_MS)
        assert [row._replace(timestamp_ms=start_ms) for row in first.rows] == again.rows
        assert first.series == again.series
    engine.close()


@engine_kinds
@pytest.mark.parametrize("role", [Role.HOST, Role.OWNER])
def test_what_is_forwarded_is_carried(kind: EngineKind, role: Role) -> None:
    """A gauge that this node does not publish keeps its scope, and its value, all the same."""
    intervals = Intervals(kind, OPTIONS)
    shown = {"g": 2.0} if role is Role.HOST else {}
    packets = [b"g:1|g|#veneurglobalonly\ng:2|g"]
    assert shown == intervals.flush(*packets, role=role)
    assert shown == intervals.flush(role=role)
    values = intervals.flush(b"g:+1|g|#veneurglobalonly\ng:+0|g", role=Role.STANDALONE)
    # Here both are published, and the last that was sent counts for both.
    assert 1 == len(values)
    intervals.engine.close()


@engine_kinds
def test_own_times_are_not_carried(intervals: Intervals) -> None:
    """A gauge with a `T` says what was at that time, once."""
    second = (START_MS + INTERVAL_MS // 2) // 1000 - 1
    assert {"g": 5.0} == intervals.flush(b"g:5|g|T%d" % second)
    assert {} == intervals.flush()


@engine_kinds
def test_no_room_to_carry(kind: EngineKind) -> None:
    """Gauges that find no room to be carried on are counted, and the others stay."""
    engine = open_engine(kind, replace(OPTIONS, store_max_bytes=1 << 23), start_ms=START_MS)
    reader = engine.open_reader("x")
    carried = forgotten = 0
    for number in range(40):
        lines = [b"%0200d.%d:%d|g" % (i, number, i) for i in range(500)]
        for line in lines:
            reader.feed(line, now_ns=NOW_NS)
        interval = engine.rotate(START_MS + number + 1)
        held = interval.series
        interval.release()
        taken = held - interval.forgotten
        assert carried <= taken
        carried, forgotten = taken, interval.forgotten
        assert engine.memory.peak <= 1 << 23
    assert forgotten > 0
    assert carried > 1000
    engine.close()
