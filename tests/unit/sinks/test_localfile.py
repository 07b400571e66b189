"""The localfile sink: what is in the file, and what stays out of it when something fails."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from veneurpy.errors import SinkError
from veneurpy.model import Event, ServiceCheck
from veneurpy.sinks._file import AppendFile
from veneurpy.sinks._rows import FIELDS, number, seconds
from veneurpy.sinks.localfile import LocalFileSink
from veneurpy.testing import FakeContext, Row, batch

POINT = {
    "kind": "point",
    "name": "hits",
    "tags": ["a:1", "b"],
    "type": "counter",
    "scope": "mixed",
    "revision": 0,
    "timestamp": 1_700_000_000,
    "interval_s": 10,
    "host": "testhost",
    "value": 3,
}
HITS: Row = ("hits", 3.0, "counter", "b,a:1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "points"


def sink_of(path: Path, **options: object) -> LocalFileSink:
    return LocalFileSink(LocalFileSink.Config(flush_file=str(path), **options), FakeContext())


async def written(path: Path, *rows: Row, **options: object) -> str:
    """What a flush of these rows adds to the file."""
    before = path.stat().st_size if path.exists() else 0
    sink = sink_of(path, **options)
    await sink.start()
    await sink.flush(batch(*rows))
    await sink.stop()
    return path.read_bytes()[before:].decode()


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 4,096 bytes: what is beyond is a failed, partial write.

    Not a fixture: pytest writes its report while those are in force, and it may go to a file.
    """
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


async def test_a_point_is_a_json_line(path: Path):
    """A point is one line of JSON, with exactly these keys in this order."""
    text = await written(path, HITS)
    assert [POINT] == [json.loads(line) for line in text.splitlines()]
    assert list(POINT) == list(json.loads(text)) == list(FIELDS)


@pytest.mark.parametrize(("format_", "delimiter"), [("csv", ","), ("tsv", "\t")])
async def test_a_point_is_a_row(path: Path, format_: str, delimiter: str):
    """CSV and TSV have the same columns in the same order, then one for what events have beside."""
    text = await written(path, HITS, ('q"u,o\te', 0.5), format=format_)
    head, first, second = csv.reader(text.splitlines(), delimiter=delimiter)
    assert [*FIELDS, "extra"] == head
    expected = "point|hits|a:1,b|counter|mixed|0|1700000000|10|testhost|3|"
    assert expected.split("|") == first
    assert ('q"u,o\te', "0.5") == (second[1], second[9])


async def test_the_header_stands_once(path: Path):
    """Column names begin a new file and are not repeated in one that goes on."""
    await written(path, HITS, format="csv")
    assert (await written(path, HITS, format="csv")).startswith("point,hits,")


async def test_events_have_their_own_keys(path: Path):
    """An event is a row named by its title, with its text and properties behind the common keys."""
    sink = sink_of(path)
    event = Event(
        "Deploy", "line\nline", 1_700_000_001, ("z", "a"), "", "key", "low", "ci", "error"
    )
    await sink.start()
    await sink.flush_events([event], [])
    await sink.stop()
    expected = {
        "kind": "event",
        "name": "Deploy",
        "tags": ["a", "z"],
        "type": None,
        "scope": None,
        "revision": 0,
        "timestamp": 1_700_000_001,
        "interval_s": None,
        "host": "testhost",
        "value": None,
        "text": "line\nline",
        "aggregation_key": "key",
        "priority": "low",
        "source_type": "ci",
        "alert_type": "error",
    }
    assert expected == json.loads(path.read_text())


async def test_a_check_is_a_status(path: Path):
    """A check is a row of type status whose value is the status; its host stays."""
    sink = sink_of(path, format="csv")
    await sink.start()
    await sink.flush_events([], [ServiceCheck("db", 2, 1_700_000_001, ("a",), "db-1", "down")])
    await sink.stop()
    _, row = csv.reader(path.read_text().splitlines())
    assert ["check", "db", "a", "status", "", "0", "1700000001", "", "db-1", "2"] == row[:10]
    assert {"message": "down"} == json.loads(row[10])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3.0, "3"),
        (-3.0, "-3"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (-0.0, "0"),
        (2.0**53 - 1, "9007199254740991"),
        (2.0**53, "9007199254740992.0"),
        (1e290, "1e+290"),
        (5e-324, "5e-324"),
    ],
)
def test_numbers_are_the_shortest_that_read_back(value: float, expected: str):
    """A number is written in its shortest form that reads back as the same float."""
    assert expected == number(value)
    assert value == json.loads(expected)


@pytest.mark.parametrize(
    ("timestamp_ms", "expected"),
    [(1_700_000_000_000, "1700000000"), (1_700_000_000_250, "1700000000.25"), (7, "0.007")],
)
def test_seconds_have_a_fraction_only_if_there_is_one(timestamp_ms: int, expected: str):
    """Milliseconds become seconds; no fraction is invented."""
    assert expected == seconds(timestamp_ms)


async def test_gzip_is_a_member_a_flush(path: Path):
    """A compressed file is a run of members that reads as one text."""
    sink = sink_of(path, gzip=True)
    await sink.start()
    for _ in range(3):
        await sink.flush(batch(HITS))
    await sink.stop()
    raw = path.read_bytes()
    assert 3 == raw.count(b"\x1f\x8b\x08")
    assert [POINT] * 3 == [json.loads(line) for line in gzip.decompress(raw).splitlines()]


async def test_full_files_are_rotated(path: Path):
    """A full file is set aside before the next flush; the oldest beyond rotate_keep goes."""
    sink = sink_of(path, rotate_bytes=10, rotate_keep=2, format="csv")
    await sink.start()
    for value in range(5):
        await sink.flush(batch(("v", value)))
    await sink.stop()
    kept = {file.name: file.read_text().splitlines() for file in path.parent.iterdir()}
    assert {"points", "points.1", "points.2"} == kept.keys()
    values = [kept[name][1].split(",")[9] for name in ("points", "points.1", "points.2")]
    assert ["4", "3", "2"] == values
    assert all(lines[0].startswith("kind,") for lines in kept.values())


async def test_without_room_for_old_files_none_is_kept(path: Path):
    """rotate_keep 0 keeps the current file only."""
    sink = sink_of(path, rotate_bytes=10, rotate_keep=0)
    await sink.start()
    for value in range(3):
        await sink.flush(batch(("v", value)))
    await sink.stop()
    assert [path] == list(path.parent.iterdir())
    assert 2 == json.loads(path.read_text())["value"]


@pytest.mark.parametrize("move", [Path.unlink, lambda path: path.rename(f"{path}.old")])
async def test_a_moved_file_is_opened_anew(path: Path, move):
    """Rotation from outside needs no signal: the next flush is in a file of the configured name."""
    sink = sink_of(path)
    await sink.start()
    await sink.flush(batch(("old", 1.0)))
    move(path)
    await sink.flush(batch(("new", 1.0)))
    await sink.stop()
    assert "new" == json.loads(path.read_text())["name"]


async def test_a_failed_write_leaves_nothing(path: Path):
    """A flush that cannot be written to its end is taken back, and its error may be retried."""
    sink = sink_of(path)
    await sink.start()
    await sink.flush(batch(HITS))
    before = path.read_bytes()
    with small_files(), pytest.raises(SinkError, match="File too large") as caught:
        await sink.flush(batch(*[HITS] * 1000))
    assert caught.value.retriable
    assert before == path.read_bytes()
    await sink.flush(batch(HITS))
    assert before * 2 == path.read_bytes()
    await sink.stop()


async def test_a_flush_that_is_called_off_leaves_nothing(path: Path):
    """A flush that was cancelled while it was written is taken back before the next one."""
    file = AppendFile(str(path))
    file.open()
    file.append([b"whole\n"], lambda: False)
    answers = iter([False, False, True])
    with pytest.raises(SinkError, match="called off"):
        file.append([b"x" * (1 << 20), b"y" * (1 << 20)], lambda: next(answers))
    assert b"whole\n" == path.read_bytes()
    file.close()


async def test_a_flush_that_is_called_off_too_late_is_confirmed(path: Path):
    """All of it is there already: to say that it failed would have it written again."""
    sink = sink_of(path)
    await sink.start()
    flush = asyncio.create_task(sink.flush(batch(HITS)))
    for _ in range(2):  # the flush begins, then what it has the thread do
        await asyncio.sleep(0)
    give_up_s = time.monotonic() + 20
    while not path.read_bytes().endswith(b"\n"):  # by the thread: the loop has no part in it
        assert time.monotonic() < give_up_s
    flush.cancel()
    assert 1 == (await flush).confirmed
    await sink.stop()
    assert [POINT] == [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_torn_line_is_closed(path: Path):
    """Half a line that a crash left is ended, so that it spoils no other."""
    path.write_text('{"kind":"po')
    assert POINT == json.loads((await written(path, HITS)).splitlines()[1])


async def test_a_position_of_long_ago_is_told(path: Path):
    """Nothing is cut off then: what has come since was delivered."""
    context = FakeContext()
    path.write_text("{}\n{}\n")
    held = path.stat()
    sink = LocalFileSink(LocalFileSink.Config(flush_file=str(path)), context)
    sink.restore(f"{held.st_dev}:{held.st_ino}:0", 1)
    await sink.start()
    await sink.stop()
    assert "{}\n{}\n" == path.read_text()
    assert ["not_taken_back"] == [line["event"] for line in context.logged]


async def test_two_writers_are_refused(path: Path):
    """A file has one writer: the second is told so at the start."""
    first, second = sink_of(path), sink_of(path)
    await first.start()
    with pytest.raises(SinkError, match="another process or sink"):
        await second.start()
    await second.stop()
    await first.stop()
    third = sink_of(path)
    await third.start()
    await third.stop()


async def test_a_missing_directory_is_a_clear_error(path: Path):
    """A file that cannot be opened ends the start with its name and the reason."""
    sink = sink_of(path / "nowhere")
    with pytest.raises(SinkError, match=r"cannot open .*points/nowhere: No such file"):
        await sink.start()
    await sink.stop()


async def test_a_device_can_be_written_to():
    """A path that is not a regular file is only written to: neither cut, locked nor rotated."""
    sink = sink_of(Path("/dev/null"), rotate_bytes=1, format="csv", fsync=True)
    await sink.start()
    assert 1 == (await sink.flush(batch(HITS))).confirmed
    await sink.stop()


async def test_a_pipe_that_nobody_reads_is_an_error(path: Path):
    """A named pipe without a reader fails at once instead of holding the sink for ever."""
    os.mkfifo(path)
    sink = sink_of(path)
    async with asyncio.timeout(10):
        with pytest.raises(SinkError, match="cannot open"):
            await sink.start()
        await sink.stop()


async def test_many_rows_are_one_append(path: Path):
    """A flush of more than one piece is written whole and in order."""
    rows: list[Row] = [(f"name.{i}", i / 4, "gauge", f"t:{i % 3}") for i in range(12_345)]
    text = await written(path, *rows)
    read = [(row["name"], row["value"]) for row in map(json.loads, text.splitlines())]
    assert [(name, value) for name, value, *_ in rows] == read
