"""The thread that writes the log."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from veneurpy.telemetry.stream import LogStream

PIPE = 1 << 16


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: where to read, where to write."""
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(end)


def test_lines_are_written_in_order(pipe: tuple[int, int]) -> None:
    """Closing waits for the last one."""
    stream = LogStream(pipe[1])
    for number in range(100):
        stream.write(f"{number}\n")
    stream.close(10)
    expected = "".join(f"{number}\n" for number in range(100)).encode()
    assert expected == os.read(pipe[0], PIPE)


def test_a_reader_who_does_not_read_stops_nobody(pipe: tuple[int, int]) -> None:
    """Lines wait, within bounds; those beyond are counted in the log itself."""
    stream = LogStream(pipe[1], most=3)
    full = "x" * 2 * PIPE + "\n"
    for line in (full, *["y\n"] * 10):
        stream.write(line)
    stream.close(0)
    with os.fdopen(os.dup(pipe[0]), "rb") as reader:
        lines = [reader.readline() for _ in range(2)]
        while b"lost" not in lines[-1]:
            lines.append(reader.readline())
    assert full.encode() == lines[0]
    waited = lines.count(b"y\n")
    assert 2 <= waited <= 3
    assert (
        b'{"level": "warning", "event": "log_lines_lost", "lines": %d}\n' % (10 - waited)
        == lines[-1]
    )


def test_a_descriptor_that_is_gone_stops_nobody(pipe: tuple[int, int]) -> None:
    """As of a terminal that was closed."""
    os.close(pipe[0])
    stream = LogStream(pipe[1])
    stream.write("a\n")
    stream.close(10)
    assert "LogStream" in repr(stream)
    assert not stream.isatty()


def test_lines_that_a_full_disk_did_not_take_are_counted(pipe: tuple[int, int]) -> None:
    """In the log itself, once there is room again; half a line before it is ended."""
    where = os.open("/dev/full", os.O_WRONLY)
    stream = LogStream(where)
    for _ in range(3):
        stream.write("a\n")
    give_up_s = time.monotonic() + 20
    while stream.unwritten < 3:
        assert time.monotonic() < give_up_s
        time.sleep(0)
    os.dup2(pipe[1], where)
    stream.write("b\n")
    stream.close(10)
    os.close(where)
    expected = b'{"level": "warning", "event": "log_lines_lost", "lines": 3}\nb\n'
    assert expected == os.read(pipe[0], PIPE)


def test_a_torn_line_is_ended(tmp_path: Path) -> None:
    """What was written of it spoils no other: lines are read one by one."""
    where = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    stream = LogStream(where)
    try:
        stream.write("a" * 20 + "\n")
        give_up_s = time.monotonic() + 20
        while stream.unwritten < 1:
            assert time.monotonic() < give_up_s
            time.sleep(0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    stream.write("b\n")
    stream.close(10)
    os.close(where)
    torn, lost, whole = (tmp_path / "log").read_text().splitlines()
    assert ("a" * 8, "b") == (torn, whole)
    assert '"lines": 1' in lost
