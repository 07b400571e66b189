"""Text that is made natively is, byte for byte, what Python makes."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from veneurpy.engine.native.digits import number as native_number
from veneurpy.model import Point, PointType, Scope
from veneurpy.ports import FlushBatch
from veneurpy.sinks._exposition import PythonExposition
from veneurpy.sinks._native_exposition import NativeExposition, exposition_of
from veneurpy.sinks._rows import RowFormat, number, point_rows, python_rows
from veneurpy.sinks._statsd import packed, python_packed
from veneurpy.testing import START_MS, columns_of

# What is in names and tags: any text without control characters, with a liking for what is special
# somewhere.
CHARACTERS = st.one_of(
    st.sampled_from('abz019_:.,"\\|-/ {}=#@é日🦕'),
    st.characters(exclude_categories=("Cc", "Cs")),
)
TEXTS = st.text(CHARACTERS, max_size=12)
TAGS = st.lists(TEXTS.map(lambda text: text.replace(",", ";")), max_size=5).map(tuple)
ANY_DOUBLE = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", bits.to_bytes(8))[0])
VALUES = st.one_of(
    st.integers(-(2**60), 2**60).map(float),
    st.decimals(-(10**6), 10**6, places=3).map(float),
    st.floats(allow_nan=False, allow_infinity=False),
)
TIMES = st.sampled_from((START_MS, START_MS + 1000, START_MS - 60_001, 1, 0, -1, -1500))


@st.composite
def batches(draw: st.DrawFn) -> FlushBatch:
    """Any batch: some rows of any points, with or without times of their own told."""
    points = draw(
        st.lists(
            st.builds(
                Point,
                name=TEXTS,
                tags=TAGS,
                type=st.sampled_from(PointType),
                scope=st.sampled_from(Scope),
                timestamp_ms=TIMES,
                interval_s=st.just(10.0),
                host=st.just("h"),
                value=VALUES,
            ),
            max_size=12,
        )
    )
    columns = columns_of(points)
    if draw(st.booleans()):
        marks = draw(st.lists(st.integers(0, 1), min_size=len(points), max_size=len(points)))
        columns = replace(columns, own_time=memoryview(bytes(marks)))
    chosen = st.lists(st.integers(0, len(points) - 1), unique=True) if points else st.just([])
    rows = draw(st.none() | chosen | chosen.map(lambda some: memoryview(array("I", some))))
    counters = [i for i, point in enumerate(points) if point.type is PointType.COUNTER]
    before = draw(st.dictionaries(st.sampled_from(counters), VALUES)) if counters else {}
    host = draw(st.sampled_from(("", "web-1", 'a"b,c\\')))
    return FlushBatch(START_MS, 10.0, host, columns, rows, draw(st.integers(0, 3)), before)


def _families(stem: str) -> st.SearchStrategy[Point]:
    """A point of a metric that has the stem, or looks as if it had."""
    return st.builds(
        lambda before, after, kind: Point(
            before + stem + after, (), kind, Scope.MIXED, START_MS, 10.0, "h", 1.0
        ),
        st.sampled_from(("", "common.to.several.names.", "common.to.all")),
        st.sampled_from(("", "_total", "_total_total", ".total")),
        st.sampled_from((PointType.COUNTER, PointType.GAUGE)),
    )


@given(st.one_of(ANY_DOUBLE, VALUES))
def test_numbers(value: float):
    """A double is the shortest text that reads back as it, laid out as repr lays it out."""
    assert number(value) == native_number(value)
    assert math.isnan(value) or value == float(native_number(value))


@given(batches(), st.sampled_from(("jsonl", "csv", "tsv")))
def test_rows(batch: FlushBatch, row_format: RowFormat):
    """Rows of files are the same in each format."""
    expected = b"".join(python_rows(batch, row_format))
    assert expected == b"".join(point_rows(batch, row_format))


@given(batches(), st.integers(1, 120), st.booleans())
def test_datagrams(batch: FlushBatch, most_bytes: int, with_times: bool):
    """Lines, the bounds of the datagrams and what is too long are the same."""
    expected = list(python_packed(batch, most_bytes=most_bytes, with_times=with_times))
    packs = list(packed(batch, most_bytes=most_bytes, with_times=with_times))
    assert expected == packs
    datagrams = [datagram for pack in packs for datagram, _ in pack.datagrams()]
    assert all(len(datagram) <= most_bytes for datagram in datagrams)
    assert len(batch) == sum(sum(pack.lines) + pack.refused for pack in packs)


@given(
    st.lists(st.tuples(batches(), st.floats(0, 30)), max_size=5),
    st.integers(1, 8),
    st.sampled_from(("", "web-1", 'a"b,c\\')),
)
def test_expositions(flushes: Sequence[tuple[FlushBatch, float]], max_series: int, host: str):
    """Whatever is flushed, and whenever: both show, reject and count the same."""
    options = {"gauges_last_s": 20.0, "counters_last_s": 40.0, "max_series": max_series}
    native, python = exposition_of(**options, host=host), PythonExposition(**options, host=host)
    assert isinstance(native, NativeExposition)
    now_s = 0.0
    for batch, later_s in flushes:
        assert python.apply(batch, now_s) == native.apply(batch, now_s)
        now_s += later_s
        assert b"".join(python.text(now_s)) == b"".join(native.text(now_s))


@given(
    st.lists(
        st.lists(st.text("ab_", min_size=1, max_size=20).flatmap(_families), max_size=40),
        min_size=1,
        max_size=3,
    )
)
def test_order_of_families(flushes: Sequence[Sequence[Point]]):
    """Families are in the order of their names, however many come later; a stem has one type."""
    options = {"gauges_last_s": 20.0, "counters_last_s": 20.0, "max_series": 1000}
    native, python = exposition_of(**options), PythonExposition(**options)
    for points in flushes:
        batch = FlushBatch(START_MS, 10.0, "h", columns_of(points))
        assert python.apply(batch, 0.0) == native.apply(batch, 0.0)
        assert b"".join(python.text(0.0)) == b"".join(native.text(0.0))
