"""An `arena_dir` whose file system other programs have filled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.disk import SmallDisk, can_mount
from tests.engines import START_MS, needs_native
from veneurpy.engine import EngineOptions, open_engine

pytestmark = [
    needs_native,
    pytest.mark.skipif(not can_mount(), reason="only root can mount a small disk"),
]

LINES_EACH = 50


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A small disk of its own."""
    small = SmallDisk(tmp_path)
    yield small
    small.close()


def lines(first: int, count: int) -> bytes:
    """Each a series of its own."""
    return b"\n".join(b"calls:1|c|#id:%d" % i for i in range(first, first + count))


@pytest.mark.parametrize("series", [2_000, 26_000, 40_000, 52_000, 80_000])
def test_an_interval_begins_where_its_table_finds_no_room(disk: SmallDisk, series: int) -> None:
    """It goes on in memory that it has for certain; what finds none is `store_full`."""
    options = EngineOptions(arena_dir=str(disk.place), store_max_bytes=128 << 20)
    engine = open_engine("native", options, start_ms=START_MS)
    reader = engine.open_reader("udp")
    for first in range(0, series, LINES_EACH):
        reader.feed(lines(first, LINES_EACH))
    disk.fill()
    for number in range(1, 5):
        for first in range(0, 2 * series, LINES_EACH):
            reader.feed(lines(first, LINES_EACH))
        interval = engine.rotate(START_MS + 10_000 * number)
        [(_, accounts)] = interval.accounts
        lost = accounts.values_rejected["store_full"]
        assert accounts.values == sum(accounts.aggregated.values()) + lost
        assert accounts.lines == 2 * series + (series if number == 1 else 0)
        assert 0 < interval.series
        interval.release()
    engine.close()


def test_what_a_full_one_has_is_recovered(disk: SmallDisk) -> None:
    """That is what makes room: a node that does not start would find the disk full for ever."""
    options = EngineOptions(arena_dir=str(disk.place), store_max_bytes=1 << 20)
    engine = open_engine("native", options, start_ms=START_MS)
    engine.open_reader("udp").feed(lines(0, LINES_EACH))
    engine.close(leave_arenas=True)
    disk.fill()
    engine = open_engine("native", options, start_ms=START_MS + 10_000)
    [interval] = engine.recovered()
    assert LINES_EACH == interval.series
    interval.release()
    engine.open_reader("udp").feed(lines(0, LINES_EACH))
    engine.close()
