"""The console sink: what a person and what a grep sees."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from veneurpy.errors import SinkError
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushBatch
from veneurpy.sinks._table import Table
from veneurpy.sinks._text import cells, fitted, printable, readable, utc
from veneurpy.sinks.console import ConsoleSink, wants_colour
from veneurpy.testing import START_MS, FakeContext, Row, batch, columns_of

ROWS: tuple[Row, ...] = (
    ("api.latency.99percentile", 12.3456789, "gauge", "env:prod,az:1"),
    ("queue", -7.0),
    ("api.hits", 1234567.0, "counter", "env:prod"),
)


def drawn(*rows: Row, max_rows: int = 50, width: int = 120, colour: bool = False) -> str:
    return Table(max_rows=max_rows, width=width, colour=colour).draw(batch(*rows))


async def flush(flushed: FlushBatch, **options: object) -> None:
    sink = ConsoleSink(ConsoleSink.Config(**options), FakeContext())
    await sink.start()
    await sink.flush(flushed)
    await sink.stop()


@contextlib.contextmanager
def stdout_to(fd: int) -> Iterator[None]:
    """Makes `fd` the standard output, and closes it in the end."""
    kept = os.dup(1)
    os.dup2(fd, 1)
    os.close(fd)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


async def shown_on_terminal(**options: object) -> str:
    """What a terminal gets of ROWS."""
    ours, theirs = pty.openpty()
    with stdout_to(theirs):
        await flush(batch(*ROWS), **options)
        text = os.read(ours, 65536).decode()
    os.close(ours)
    return text


def test_a_table_is_sorted_and_aligned():
    """Rows are sorted by name; columns and decimal points stand below one another."""
    expected = """\
2023-11-14 22:13:20Z  10 s  3 points
api.hits                  env:prod       1,234,567       counter
api.latency.99percentile  az:1,env:prod         12.3457  gauge
queue                                           -7       gauge

"""
    assert expected == drawn(*ROWS)


def test_rows_of_a_name_are_sorted_by_tags():
    """Equal names are in the order of their tags."""
    lines = drawn(("a", 1.0, "gauge", "z"), ("a", 2.0), ("a", 3.0, "gauge", "b")).splitlines()
    assert ["a", "a", "a"] == [line[0] for line in lines[1:4]]
    assert ["2", "3", "1"] == [re.findall(r" (\d) ", line)[0] for line in lines[1:4]]


def test_a_long_interval_is_cut():
    """Beyond max_rows the rest is only counted, and the count is of all."""
    lines = drawn(*[(f"n{i:04}", 1.0) for i in range(1234)], max_rows=2).splitlines()
    assert "2023-11-14 22:13:20Z  10 s  1,234 points" == lines[0]
    assert ["n0000", "n0001", "… and 1,232 more"] == [
        line.partition("  ")[0] for line in lines[1:4]
    ]


def test_without_tags_there_is_no_column_for_them():
    """A column that would be empty is left out."""
    assert "a  1  gauge" == drawn(("a", 1.0)).splitlines()[1]


def test_one_point_is_not_points():
    """The header counts in good English."""
    assert drawn(("a", 1.0)).startswith("2023-11-14 22:13:20Z  10 s  1 point\n")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_keeps_to_the_terminal(width: int):
    """No line is wider than the terminal, however long names and tags are."""
    text = drawn(("n" * 300, 1.0, "gauge", "t" * 300), ("日本" * 80, 2.0), width=width)
    assert max(map(cells, text.splitlines())) <= width
    assert "…" in text


def test_a_point_with_a_time_of_its_own_shows_it():
    """A point of another time than its interval says so."""
    flushed = batch(("a", 1.0), ("b", 1.0))
    points = [replace_time(point) if point.name == "b" else point for point in flushed.points()]
    text = Table(max_rows=5, width=120, colour=False).draw(
        replace(flushed, columns=columns_of(points))
    )
    assert "a  1  gauge\nb  1  gauge at 2023-11-14T22:12:20Z\n" in text


def replace_time(point):
    return point._replace(timestamp_ms=START_MS - 60_000)


def test_colours_change_no_text():
    """Without its colours, a coloured table is the plain one."""
    coloured = drawn(*ROWS, colour=True)
    assert coloured != drawn(*ROWS)
    assert drawn(*ROWS) == re.sub(r"\x1b\[\d+m", "", coloured)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (12.5, "12.5"),
        (-3.0, "-3"),
        (1234567.0, "1,234,567"),
        (1234567.891, "1,234,567.89"),
        (0.1 + 0.2, "0.3"),
        (0.0012345678, "0.00123457"),
        (999.9999999, "1,000"),
        (1e-7, "1e-07"),
        (1e290, "1e+290"),
        (5e-324, "5e-324"),
        (1e15, "1e+15"),
        (1.23456789e20, "1.23457e+20"),
    ],
)
def test_numbers_are_readable(value: float, expected: str):
    """A table shows six significant digits, every digit before the point, and no idle zeros."""
    assert expected == readable(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("größe 日本", "größe 日本"),
        ("a\nb", r"a\nb"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b\u202e", r"\x9b\u202e"),
    ],
)
def test_nothing_steers_the_terminal(text: str, expected: str):
    """What a client sent cannot move the cursor, break a line or turn the text around."""
    assert expected == printable(text)


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("ab", 4, "ab  "),
        ("abcd", 4, "abcd"),
        ("abcde", 4, "abc…"),
        ("日本語", 4, "日… "),
        ("日本", 4, "日本"),
    ],
)
def test_texts_fit_their_column(text: str, width: int, expected: str):
    """A text is padded, or cut with an ellipsis, to its columns; wide letters take two."""
    assert expected == fitted(text, width)


def test_times_are_utc():
    """Milliseconds are shown only if there are any."""
    assert "2023-11-14T22:13:20Z" == utc(START_MS)
    assert "2023-11-14T22:13:20.007Z" == utc(START_MS + 7)


async def test_elsewhere_a_point_is_a_line(capfd: pytest.CaptureFixture[str]):
    """What is not a terminal gets one line a point, sorted, every digit kept."""
    await flush(batch(*ROWS))
    expected = [
        "2023-11-14T22:13:20Z api.hits{env:prod} 1234567 counter",
        "2023-11-14T22:13:20Z api.latency.99percentile{az:1,env:prod} 12.3456789 gauge",
        "2023-11-14T22:13:20Z queue -7 gauge",
    ]
    assert expected == capfd.readouterr().out.splitlines()


async def test_lines_are_never_cut(capfd: pytest.CaptureFixture[str]):
    """Every point has its line, also in a large interval."""
    await flush(batch(*[(f"n{i}", 1.0) for i in range(10_001)]), max_rows=1)
    assert 10_001 == len(capfd.readouterr().out.splitlines())


async def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch):
    """On a terminal there is a table, in colours unless NO_COLOR is set."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert (await shown_on_terminal()).startswith("\x1b[1m2023-11-14 22:13:20Z\x1b[0m")
    monkeypatch.setenv("NO_COLOR", "1")
    assert (await shown_on_terminal()).startswith("2023-11-14 22:13:20Z  10 s  3 points\r\n")


async def test_the_format_can_be_forced(capfd: pytest.CaptureFixture[str]):
    """`format` prevails over what the stream is."""
    text = await shown_on_terminal(format="lines")
    assert text.startswith("2023-11-14T22:13:20Z api.hits{env:prod} 1234567 counter")
    await flush(batch(*ROWS), format="table", stream="stderr")
    assert capfd.readouterr().err.startswith("2023-11-14 22:13:20Z  10 s  3 points\n")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colours_are_asked_for(environment: dict[str, str], expected: bool):
    """NO_COLOR, a dumb terminal and no terminal at all mean no colours."""
    assert expected is wants_colour(environment)


async def test_events_and_checks_are_lines(capfd: pytest.CaptureFixture[str]):
    """Events and checks are shown with what a person asks first: what, how bad, why."""
    sink = ConsoleSink(ConsoleSink.Config(format="table"), FakeContext())
    event = Event("Deployed", "v2\nby jo", 1_700_000_000, ("env:prod",), alert_type="warning")
    check = ServiceCheck("db.up", 2, 1_700_000_001, message="no answer")
    assert 2 == (await sink.flush_events([event], [check])).confirmed
    await sink.stop()
    expected = [
        r"2023-11-14T22:13:20Z Deployed{env:prod} warning event: v2\nby jo",
        "2023-11-14T22:13:21Z db.up CRITICAL check: no answer",
    ]
    assert expected == capfd.readouterr().out.splitlines()


async def test_a_flood_of_events_is_cut(capfd: pytest.CaptureFixture[str]):
    """Beside a table events and checks are cut as points are; as lines they are not."""
    events, checks = [Event("e", "", 1)] * 5, [ServiceCheck("c", 0, 1)] * 3
    for format_, lines in (("table", 5), ("lines", 8)):
        sink = ConsoleSink(ConsoleSink.Config(format=format_, max_rows=2), FakeContext())
        assert 8 == (await sink.flush_events(events, checks)).confirmed
        await sink.stop()
        shown = capfd.readouterr().out.splitlines()
        assert lines == len(shown)
        assert ("… and 4 more" == shown[-1]) is (format_ == "table")


async def test_a_reader_that_went_away_is_an_error():
    """A closed pipe is a SinkError that no retry mends."""
    reader, writer = os.pipe()
    os.close(reader)
    with stdout_to(writer), pytest.raises(SinkError, match="Broken pipe") as caught:
        await flush(batch(*ROWS))
    assert not caught.value.retriable


async def test_a_stream_that_is_closed_is_refused_at_the_start():
    """With the way to mend it; what stands for a closed one can only be read."""
    sink = ConsoleSink(ConsoleSink.Config(), FakeContext())
    with (
        stdout_to(os.open(os.devnull, os.O_RDONLY)),
        pytest.raises(SinkError, match="stdout is closed: name other sinks"),
    ):
        await sink.start()


async def test_a_reader_that_does_not_read_holds_up_nobody():
    """A full pipe holds the flush, not the loop; called off, it lets the next flush follow."""
    reader, writer = os.pipe()
    sink = ConsoleSink(ConsoleSink.Config(), FakeContext())
    with stdout_to(writer):
        long = asyncio.create_task(sink.flush(batch(*[(f"n{i}", 1.0) for i in range(20_000)])))
        assert await asyncio.to_thread(os.read, reader, 10)  # it has begun, and cannot end
        long.cancel()
        await asyncio.gather(long, return_exceptions=True)
        following = asyncio.create_task(sink.flush(batch(("after", 1.0))))
        read = ""
        while "after" not in read:
            read += (await asyncio.to_thread(os.read, reader, 65536)).decode()
        assert 1 == (await following).confirmed
    assert len(read.splitlines()) < 10_000
    os.close(reader)
    await sink.stop()
