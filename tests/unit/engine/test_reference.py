"""The engine in plain Python: intervals, readers, columns. What lines mean is in tests/golden."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest

from tests.engines import END_MS, NOW_NS, START_MS, broken_equations, close_interval, rows
from veneurpy.engine import (
    Accounts,
    EngineOptions,
    MetricType,
    Output,
    Plan,
    PointType,
    Statistic,
)
from veneurpy.engine.reference import ReferenceEngine

COUNT = Plan((Output(".count", Statistic.COUNT, PointType.COUNTER),))


@pytest.fixture
def engine() -> ReferenceEngine:
    return ReferenceEngine(EngineOptions(), start_ms=START_MS)


def values(engine: ReferenceEngine, now_ms: int = END_MS) -> dict[str, float]:
    return {row.name: row.value for row in close_interval(engine, COUNT, now_ms).rows}


def test_intervals_follow_one_another(engine: ReferenceEngine) -> None:
    """An interval starts where the one before ended, and has a random name of its own."""
    first = engine.rotate(END_MS)
    first.release()
    second = engine.rotate(END_MS + 7)

    assert (START_MS, END_MS) == (first.start_ms, first.end_ms)
    assert (END_MS, END_MS + 7) == (second.start_ms, second.end_ms)
    assert first.uuid != second.uuid
    assert isinstance(first.uuid, UUID)
    assert 4 == first.uuid.version


def test_nothing_is_carried_over(engine: ReferenceEngine) -> None:
    """Every interval begins empty."""
    reader = engine.open_reader("x")
    reader.feed(b"a:1|c\nb:1|g\nc:x|s\nd:1|h\n_sc|x|0")
    close_interval(engine, COUNT)
    outcome = close_interval(engine, COUNT)

    assert [] == outcome.rows
    assert [] == outcome.side_log
    assert [("x", Accounts())] == outcome.accounts


def test_rotate_wants_the_interval_before_released(engine: ReferenceEngine) -> None:
    """Only one closed interval exists at a time, and refusing another costs no data."""
    reader = engine.open_reader("x")
    interval = engine.rotate(END_MS)
    reader.feed(b"a:1|c")
    with pytest.raises(RuntimeError):
        engine.rotate(END_MS + 1)
    interval.release()
    interval.release()

    assert {"a": 1.0} == values(engine)


def test_columns_outlive_the_interval(engine: ReferenceEngine) -> None:
    """What columns returned stays valid after the release."""
    reader = engine.open_reader("x")
    reader.feed(b"a:1|c|#x")
    interval = engine.rotate(END_MS)
    columns = interval.columns(COUNT)
    interval.release()
    reader.feed(b"b:2|c|#y")

    assert [("a", ("x",), 1.0)] == [(row.name, row.tags, row.value) for row in rows(columns)]


def test_plans_may_differ(engine: ReferenceEngine) -> None:
    """An interval can be asked for columns more than once."""
    engine.open_reader("x").feed(b"a:1:2|h")
    interval = engine.rotate(END_MS)
    maximum = Plan((Output(".max", Statistic.MAX, PointType.GAUGE),))

    assert [("a.count", 2.0)] == [(r.name, r.value) for r in rows(interval.columns(COUNT))]
    assert [("a.max", 2.0)] == [(r.name, r.value) for r in rows(interval.columns(maximum))]
    assert [] == rows(interval.columns(Plan()))
    assert 1 == interval.series


def test_column_formats(engine: ReferenceEngine) -> None:
    """Columns are little-endian buffers of the promised widths."""
    engine.open_reader("x").feed(b"a:1|c\nb:1|c|#veneursinkonly:s")
    columns = engine.rotate(END_MS).columns(COUNT)
    formats = {
        name: (getattr(columns, name).format, getattr(columns, name).itemsize)
        for name in (
            "name",
            "tag",
            "type",
            "scope",
            "series_type",
            "sinks",
            "timestamp_ms",
            "value",
        )
    }

    assert {
        "name": ("I", 4),
        "tag": ("I", 4),
        "type": ("B", 1),
        "scope": ("B", 1),
        "series_type": ("B", 1),
        "sinks": ("H", 2),
        "timestamp_ms": ("q", 8),
        "value": ("d", 8),
    } == formats
    assert ("I", 4) == (columns.names.offsets.format, columns.names.offsets.itemsize)
    assert ["a", "b"] == list(columns.names)
    assert frozenset() == columns.sink_sets[0]


def test_readers_keep_their_own_accounts(engine: ReferenceEngine) -> None:
    """Accounts and the side log are by reader, points are not."""
    first, second = engine.open_reader("x"), engine.open_reader("x")
    first.feed(b"a:1|c\n_sc|x|0")
    second.feed(b"a:2|c")
    second.feed(b"bad\n_e{")
    outcome = close_interval(engine, COUNT)

    assert {"a": 3.0} == {row.name: row.value for row in outcome.rows}
    assert ["x", "x"] == [listener for listener, _ in outcome.accounts]
    assert [1, 2] == [accounts.datagrams for _, accounts in outcome.accounts]
    assert [2, 3] == [accounts.lines for _, accounts in outcome.accounts]
    assert [(0, b"_sc|x|0"), (1, b"_e{")] == outcome.side_log


def test_a_reader_may_come_late(engine: ReferenceEngine) -> None:
    """A reader that is opened in the middle of an interval counts from then on."""
    engine.open_reader("x").feed(b"a:1|c")
    interval = engine.rotate(END_MS)
    late = engine.open_reader("y")
    late.feed(b"a:5|c")

    assert ["x"] == [listener for listener, _ in interval.accounts]
    interval.release()
    assert {"a": 5.0} == values(engine)
    assert "y" == late.listener


def test_gauges_keep_the_order_of_arrival(engine: ReferenceEngine) -> None:
    """Within a reader the last write wins even if the clock steps back."""
    reader = engine.open_reader("x")
    reader.feed(b"a:1|g|#x,y", now_ns=NOW_NS)
    reader.feed(b"a:2|g|#y,x", now_ns=NOW_NS - 5_000_000_000)

    assert {"a": 2.0} == values(engine)


def test_open_accounts_are_a_copy(engine: ReferenceEngine) -> None:
    """A glance at the open interval changes nothing and does not change."""
    reader = engine.open_reader("x")
    reader.feed(b"a:1:2|c\nbad")
    (glance,) = engine.open_accounts()
    reader.feed(b"a:1|c")

    assert ("x", 2, 2) == (glance[0], glance[1].lines, glance[1].values)
    assert 2 == glance[1].aggregated[MetricType.COUNTER]
    glance[1].rejected["bad_name"] += 1
    assert 0 == close_interval(engine, COUNT).total.rejected["bad_name"]


def test_full_store() -> None:
    """Beyond store_max_bytes what exists goes on, and new series are accepted but not kept."""
    engine = ReferenceEngine(EngineOptions(store_max_bytes=500), start_ms=START_MS)
    reader = engine.open_reader("x")
    reader.feed(b"a:1|c\nb:1|c\nc:1:2:x|c\na:1|c")
    outcome = close_interval(engine, COUNT)

    assert {"a": 2.0, "b": 1.0} == {row.name: row.value for row in outcome.rows}
    assert 4 == outcome.total.accepted
    assert 1 == outcome.total.values_rejected["bad_value"]
    assert 2 == outcome.total.values_rejected["store_full"]
    assert [] == broken_equations(outcome.total)


def test_release_gives_room() -> None:
    """The closed interval counts against store_max_bytes until it is released."""
    engine = ReferenceEngine(EngineOptions(store_max_bytes=500), start_ms=START_MS)
    reader = engine.open_reader("x")
    reader.feed(b"a:1|c\nb:1|c")
    interval = engine.rotate(END_MS)
    reader.feed(b"a:1|c")
    interval.release()
    interval.release()
    reader.feed(b"b:1|c\nc:1|c\nd:1|c")

    assert {"b": 1.0, "c": 1.0} == values(engine)


def test_type_conflicts(engine: ReferenceEngine) -> None:
    """Names of more than one of counter, gauge and set are named; histograms collide with none."""
    engine.open_reader("x").feed(b"a:1|c\na:1|g\nb:1|c\nb:1|h\nc:1|c\nd:1|g|#x\nd:1|s|#y")
    engine.open_reader("y").feed(b"c:1|s")

    assert ["a", "c", "d"] == engine.rotate(END_MS).type_conflicts


def test_type_conflicts_are_bounded(engine: ReferenceEngine) -> None:
    """A client cannot make the list grow without end."""
    engine.open_reader("x").feed(b"\n".join(b"%d:1|c\n%d:1|g" % (i, i) for i in range(700)))
    engine.open_reader("x").feed(b"\n".join(b"b%d:1|c\nb%d:1|g" % (i, i) for i in range(700)))

    assert len(engine.rotate(END_MS).type_conflicts) <= 1000


def test_more_sink_sets_than_can_be_told_apart(
    engine: ReferenceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of sink sets beyond the width of their column go to no sink, never to a wrong one."""
    monkeypatch.setattr("veneurpy.engine.reference_columns._NO_SINK", 3)
    reader = engine.open_reader("x")
    for sink in (b"a", b"b", b"c", b"d", b"a"):
        reader.feed(b"x:1|c|#veneursinkonly:%s\ny:1|c" % sink)
    columns = engine.rotate(END_MS).columns(COUNT)
    named = sorted("".join(columns.sink_sets[index]) for index in columns.sinks)

    assert ["", "", "", "a", "b"] == named
    assert frozenset({""}) == columns.sink_sets[3]


def test_it_receives_nothing_by_itself(engine: ReferenceEngine) -> None:
    """There is no reader on a socket, and a reader that is fed has nothing to read at its stop."""
    with pytest.raises(NotImplementedError):
        engine.attach(0, "x")
    reader = engine.open_reader("x")

    assert 0 == reader.stop(1.0)
    assert 0 == reader.stop(1.0)


def test_close_is_idempotent(engine: ReferenceEngine) -> None:
    """After the close nothing is there, and feeding does no harm."""
    reader = engine.open_reader("x")
    engine.rotate(END_MS)
    engine.close()
    engine.close()
    reader.feed(b"a:1|c")

    assert [] == engine.open_accounts()


def test_rotating_while_feeding_loses_nothing(engine: ReferenceEngine) -> None:
    """Each datagram is in exactly one interval, whole, whatever thread rotates."""
    reader = engine.open_reader("x")
    sent = 2000
    feeder = threading.Thread(target=lambda: [reader.feed(b"a:1|c\nb:1|ms") for _ in range(sent)])
    feeder.start()
    counted: list[tuple[float, float]] = []
    while feeder.is_alive() or not counted:
        found = values(engine)
        counted.append((found.get("a", 0.0), found.get("b.count", 0.0)))
    found = values(engine)
    counted.append((found.get("a", 0.0), found.get("b.count", 0.0)))

    assert sent == sum(counters for counters, _ in counted)
    assert all(counters == timers for counters, timers in counted)


def test_the_ledger_counts_what_the_store_holds(
    engine: ReferenceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that gets lost between parser and store is seen in the equations."""
    monkeypatch.setattr("veneurpy.engine.reference_store.Counter.add", lambda self, value: None)
    engine.open_reader("x").feed(b"a:1|c\nb:1|g")

    assert ["values: 2 != 1"] == broken_equations(close_interval(engine, COUNT).total)


def test_state_shows(engine: ReferenceEngine) -> None:
    """One sees in their repr what engine, reader and interval are up to."""
    reader = engine.open_reader("udp://x")
    interval = engine.rotate(END_MS)

    assert "1 readers" in repr(engine)
    assert "udp://x" in repr(reader)
    assert "closed" in repr(interval)
    interval.release()
    assert "released" in repr(interval)
