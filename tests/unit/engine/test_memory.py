"""store_max_bytes bounds everything that the native engine holds: arenas, merging and columns."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from tests.descriptors import limited
from tests.engines import START_MS, close_interval, needs_native, rows
from veneurpy.config.budgets import READER_BYTES
from veneurpy.engine import (
    Budget,
    Columns,
    Engine,
    EngineOptions,
    Grammar,
    Interval,
    MemoryUse,
    Output,
    Plan,
    PointType,
    Reader,
    Statistic,
    open_engine,
)
from veneurpy.engine.tag_patterns import TagMatch, TagPattern
from veneurpy.rules import Filter, FilterRewriter, Filters, Mapping, MappingRewriter, Rule

pytestmark = needs_native

MIB = 1 << 20
PLAN = Plan(
    (
        Output(".min", Statistic.MIN, PointType.GAUGE),
        Output(".max", Statistic.MAX, PointType.GAUGE),
        Output(".count", Statistic.COUNT, PointType.COUNTER),
        *(
            Output(f".{q}percentile", Statistic.QUANTILE, PointType.GAUGE, float(f"0.{q}"))
            for q in ("50", "75", "99")
        ),
    )
)
LINES_EACH = 40

Shape = Callable[[int], bytes]

SHAPES: dict[str, Shape] = {
    "counters": lambda i: b"shop.calls:1|c|#region:eu,id:%d" % i,
    "tiny counters": lambda i: b"a:1|c|#%x" % i,
    "names of their own": lambda i: b"n%d:1|c" % i,
    "gauges": lambda i: b"shop.level:%d|g|#id:%d" % (i, i),
    "timers": lambda i: b"shop.seconds:1:2:3|ms|#id:%d" % i,
    "timers of their own names": lambda i: b"t%d:1|ms" % i,
    "growing timers": lambda i: b"shop.seconds:%d:2:3:4:5:6:7:8|ms|#id:%d" % (i, i % 3000),
    "digests": lambda i: b"shop.seconds:%d%s|ms|#id:%d" % (i, b":7" * 100, i % 300),
    "sets": lambda i: b"shop.users:%d|s|#id:%d" % (i, i % 20_000),
    "long keys": lambda i: b"shop.calls:1|c|#%s,id:%d" % (b"x" * 700, i),
    "several types": lambda i: b"shop.x:1|%s|#id:%d" % ((b"c", b"ms", b"s", b"h")[i % 4], i),
    "aliases": lambda i: _alias(b"c", i),
    "aliases of one timer": lambda i: b"shop.seconds:%s" % _alias(b"ms", i % 5000)[2:],
    "sinks": lambda i: b"a:1|c|#veneursinkonly:s%d,id:%d" % (i % 5000, i),
}


def _alias(type_: bytes, i: int) -> bytes:
    tags = list(ORDERS[i % len(ORDERS)])
    return b"a:1|%s|#%s" % (type_, b",".join([*tags, b"n:%d" % (i // len(ORDERS))]))


ORDERS = list(itertools.permutations([b"a:1", b"b:2", b"c:3", b"d:4", b"e:5", b"f:6", b"g:7"]))


@pytest.mark.parametrize("shape", SHAPES)
def test_peak(shape: str) -> None:
    """Whatever fills the store, its flush and the interval that comes meanwhile stay within it."""
    use = _peak(SHAPES[shape], EngineOptions(store_max_bytes=8 * MIB))

    assert 8 * MIB // 4 <= use.peak <= 8 * MIB == use.limit


@pytest.mark.parametrize("shape", ["timers of their own names", "aliases"])
def test_peak_of_more(shape: str) -> None:
    """The same with several readers, implicit tags and a larger store."""
    tags = ("env:prod", "role:web-frontend")
    options = EngineOptions(store_max_bytes=64 * MIB, extend_tags=tags)
    use = _peak(SHAPES[shape], options, readers=3)

    assert 64 * MIB // 4 <= use.peak <= 64 * MIB == use.limit


RULES = {
    "many short labels": Rule("*.*", "$1", tuple((f"{i:x}", "") for i in range(200))),
    "labels as long as the name": Rule("*.*", "$1.$2", tuple((f"{i:x}", "$2") for i in range(24))),
    "a name much longer than it was": Rule("*.*", "$1" * 20 + "$2"),
}
MAPPED: dict[str, Shape] = {
    "names of their own": lambda i: b"n.%d:1|c" % i,
    "timers of their own names": lambda i: b"n%d.t:1|ms" % i,
    "gauges of their own names": lambda i: b"n%d.t:1|g" % i,
    "gauges of one name": lambda i: b"n.t:1|g|#id:%d" % i,
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", MAPPED)
def test_peak_of_mapped_names(shape: str, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of names that get many labels, and gauges that stay, Python's objects included."""
    monkeypatch.setattr("veneurpy.rules.remembered.REMEMBERED", 1)
    options = EngineOptions(
        store_max_bytes=8 * MIB,
        rewriter=MappingRewriter(Mapping((RULES[rule],))),
        grammar=Grammar(is_statsd=True),
        gauge_ttl_s=3600.0,
    )
    tracemalloc.start()
    try:
        use = _peak(MAPPED[shape], options)
        _, objects = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 8 * MIB // 8 <= use.peak
    assert use.peak + objects <= 8 * MIB


@pytest.mark.parametrize("shape", ["names of their own", "timers of their own names", "timers"])
def test_peak_with_filters(shape: str) -> None:
    """The same where each name has a rewrite of many patterns and tags."""
    many = Filter(
        stripped=tuple(TagPattern(TagMatch.GLOB, b"tmp_%d_*" % i) for i in range(60)),
        added=tuple(f"added_{i}:of-some-length" for i in range(20)),
    )
    longer = Filter("prefix", "n", rename="a.much.longer.name.than.it.was.$1")
    options = EngineOptions(
        store_max_bytes=8 * MIB, rewriter=FilterRewriter(Filters((many, longer)))
    )
    use = _peak(SHAPES[shape], options)

    assert 8 * MIB // 8 <= use.peak <= 8 * MIB == use.limit


CHOOSING: dict[str, Shape] = {
    "many choices of one name": lambda i: b"a:1|c|#i:%d,%s" % (i, _bits(i)),
    "names of their own": lambda i: b"n%d:1|c|#%s" % (i, _bits(i)),
    "many types of one name": lambda i: (
        b"a:1|%s|#i:%d,%s" % ((b"c", b"g", b"s")[i % 3], i, _bits(i))
    ),
    "many tags": lambda i: b"a:1|c|#" + b",".join(b"%x" % (12 * i + n) for n in range(12)),
}


def _bits(i: int) -> bytes:
    return b",".join(b"b%d" % bit for bit in range(12) if i >> bit & 1)


@pytest.mark.parametrize(
    ("shape", "regex"),
    [
        ("many choices of one name", False),
        ("many choices of one name", True),
        ("names of their own", True),
        ("many types of one name", False),
        ("many tags", True),
    ],
)
def test_peak_where_tags_decide(shape: str, regex: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of names whose series have rewrites of their own, Python's objects included."""
    monkeypatch.setattr("veneurpy.rules.remembered.REMEMBERED", 1)
    match = TagMatch.REGEX if regex else TagMatch.EXACT
    filters = tuple(
        Filter(tags=(TagPattern(match, b"b%d" % bit),), added=(f"has_{bit}:of-some-length",))
        for bit in range(12)
    )
    dropping = Filter(unwanted=(TagPattern(match, b"never"),))
    rewriter = FilterRewriter(Filters((*filters, dropping)))
    tracemalloc.start()
    try:
        use = _peak(CHOOSING[shape], EngineOptions(store_max_bytes=4 * MIB, rewriter=rewriter))
        _, objects = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 4 * MIB // 16 <= use.peak
    assert use.peak + objects <= 4 * MIB


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            "growing timers", "tiny counters", id="memory of samples becomes room to flush"
        ),
        pytest.param("tiny counters", "growing timers", id="and the reverse"),
    ],
)
def test_change_of_traffic(first: str, second: str) -> None:
    """Memory that the interval before needed for something else does not keep series out."""
    options = EngineOptions(store_max_bytes=8 * MIB)
    alone = _series_of(options, [second] * 3)
    after = _series_of(options, [first, first, second])

    assert 0.8 * alone[-1] <= after[-1]


def test_more_readers_than_expected() -> None:
    """What is kept for captures leaves room to receive, however many readers there are."""
    without, _ = _of_many_readers(capture_bytes=0)
    series, use = _of_many_readers(capture_bytes=4 * MIB)

    assert 0.4 * without <= series
    assert use.peak <= use.limit


def _of_many_readers(capture_bytes: int) -> tuple[int, MemoryUse]:
    engine = _open(EngineOptions(store_max_bytes=32 * MIB, capture_bytes=capture_bytes))
    readers = [engine.open_reader(str(i)) for i in range(12)]
    _feed(readers, _datagrams(SHAPES["counters"]), 600)
    closed = engine.rotate(START_MS)
    series = closed.series
    _flush(closed)
    use = engine.memory
    engine.close()
    return series, use


def test_columns_that_are_kept_count() -> None:
    """A sink that keeps columns of many intervals leaves less for the store, and no more in all."""
    engine = _open(EngineOptions(store_max_bytes=8 * MIB))
    reader = engine.open_reader("x")
    traffic = _datagrams(SHAPES["timers"])
    kept = []
    for _ in range(8):
        _feed([reader], traffic, 1000)
        kept.append(_flush(engine.rotate(START_MS)))
    full = engine.memory
    kept.clear()
    free = engine.memory
    engine.close()

    assert full.peak <= full.limit
    assert full.flush > 1 * MIB > free.flush


def test_a_timer_of_many_parts() -> None:
    """Samples in very many spellings of one series are condensed: totals stay exact."""
    engine = _open(EngineOptions(store_max_bytes=32 * MIB))
    reader = engine.open_reader("x")
    values = b":".join(b"%d" % value for value in range(100))
    for tags in itertools.islice(itertools.permutations([b"%d" % i for i in range(6)]), 400):
        reader.feed(b"a:%s|ms|#%s" % (values, b",".join(tags)))
    closed = engine.rotate(START_MS)
    points = {row.name: row.value for row in rows(closed.columns(PLAN))}
    closed.release()
    engine.close()

    assert (40_000, 0, 99) == (points["a.count"], points["a.min"], points["a.max"])
    assert pytest.approx(49.5, abs=1.0) == points["a.50percentile"]
    assert pytest.approx(98.5, abs=1.0) == points["a.99percentile"]


def _open(options: EngineOptions) -> Engine:
    options = replace(options, plan=PLAN, budgets=(Budget(max_series=0),))
    return open_engine("native", options, start_ms=START_MS)


def _peak(shape: Shape, options: EngineOptions, readers: int = 1) -> MemoryUse:
    """Three intervals of traffic, each flushed while the next one is filled."""
    engine = _open(options)
    opened = [engine.open_reader(str(i)) for i in range(readers)]
    traffic = _datagrams(shape)
    datagrams = 120 * options.store_max_bytes // MIB
    _feed(opened, traffic, datagrams)
    for _ in range(2):
        closed = engine.rotate(START_MS)
        _feed(opened, traffic, datagrams)
        _flush(closed)
    use = engine.memory
    engine.close()
    return use


def _series_of(options: EngineOptions, shapes: list[str]) -> list[int]:
    engine = _open(options)
    reader = engine.open_reader("x")
    found = []
    for shape in shapes:
        _feed([reader], _datagrams(SHAPES[shape]), 1500)
        closed = engine.rotate(START_MS)
        found.append(closed.series)
        closed.release()
    engine.close()
    return found


def _datagrams(shape: Shape) -> Iterator[bytes]:
    for start in itertools.count(0, LINES_EACH):
        yield b"\n".join(shape(i) for i in range(start, start + LINES_EACH))


def _feed(readers: Sequence[Reader], traffic: Iterator[bytes], datagrams: int) -> None:
    for reader in itertools.islice(itertools.cycle(readers), datagrams):
        reader.feed(next(traffic))


def _flush(interval: Interval) -> Columns:
    columns = interval.columns(PLAN)
    interval.top(100)
    interval.release()
    return columns


def test_an_interval_ends_without_a_descriptor() -> None:
    """What clients have the process open does not keep it from flushing."""
    engine = open_engine("native", EngineOptions(), start_ms=START_MS)
    engine.open_reader("r").feed(b"a:1|c")
    with limited(share_taken=1):
        assert 1 == close_interval(engine, Plan()).total.accepted
    engine.close()


@pytest.mark.parametrize("readers", [8, 16, 64])
def test_the_least_store_has_room_for_its_readers(readers: int) -> None:
    """With as little as the configuration allows for so many readers, the bound holds."""
    size = max(16 * MIB, readers * READER_BYTES)
    options = EngineOptions(store_max_bytes=size, capture_bytes=8 * MIB)
    engine = open_engine("native", options, start_ms=START_MS)
    opened = [engine.open_reader(f"reader {i}") for i in range(readers)]
    for interval in range(3):
        for reader in opened:
            for i in range(100):
                reader.feed(b"a%d:1|c|#i:%d" % (i % 7, i))
        close_interval(engine, PLAN)
        assert engine.memory.peak <= size, f"interval {interval}"
    engine.close()
