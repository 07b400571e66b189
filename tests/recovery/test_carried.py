"""Gauges that are flushed again outlive the process, whenever it dies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engines import NOW_NS, START_MS, needs_native, rows
from tests.recovery.corpse import STORE_BYTES
from veneurpy.engine import Engine, EngineOptions, Grammar, Interval, Plan, Reader, open_engine

pytestmark = needs_native

SECOND_MS = START_MS + 10_000
THIRD_MS = START_MS + 20_000
END_MS = START_MS + 30_000
NS = 1_000_000


def _open(directory: Path) -> Engine:
    options = EngineOptions(
        arena_dir=str(directory),
        store_max_bytes=16 * STORE_BYTES,
        grammar=Grammar(is_statsd=True),
        gauge_ttl_s=3600.0,
    )
    return open_engine("native", options, start_ms=START_MS)


def _values(interval: Interval) -> dict[str, float]:
    return {row.name: row.value for row in rows(interval.columns(Plan()))}


def _first_interval(directory: Path) -> tuple[Engine, Reader]:
    engine = _open(directory)
    reader = engine.open_reader("udp")
    reader.feed(b"g:5|g\nh:1|g\ng:+1|g", now_ns=NOW_NS)
    return engine, reader


def _flush(engine: Engine, end_ms: int) -> dict[str, float]:
    interval = engine.rotate(end_ms)
    values = _values(interval)
    interval.release()
    return values


def _resumed(directory: Path, now_ms: int) -> dict[str, float]:
    """What the newest interval holds when a successor goes on with it, the others flushed."""
    engine = _open(directory)
    *older, newest = engine.recovered()
    for interval in older:
        _values(interval)
        interval.release()
    engine.resume(newest)
    engine.open_reader("udp").feed(b"h:+1|g", now_ns=now_ms * NS)
    values = _flush(engine, now_ms + 1)
    engine.close()
    assert ["lock"] == [path.name for path in directory.iterdir()]
    return values


def test_death_in_the_next_interval(tmp_path: Path) -> None:
    """A successor that goes on with an interval has what was carried into it."""
    engine, reader = _first_interval(tmp_path)
    assert {"g": 6.0, "h": 1.0} == _flush(engine, SECOND_MS)
    reader.feed(b"g:+1|g", now_ns=SECOND_MS * NS + 1)
    engine.close(leave_arenas=True)
    assert {"g": 7.0, "h": 2.0} == _resumed(tmp_path, SECOND_MS + 5)


def test_death_before_the_release(tmp_path: Path) -> None:
    """What the dead process had not carried on, its successor carries on."""
    engine, reader = _first_interval(tmp_path)
    engine.rotate(SECOND_MS)
    reader.feed(b"g:+1|g", now_ns=SECOND_MS * NS + 1)
    engine.close(leave_arenas=True)
    assert {"g": 7.0, "h": 2.0} == _resumed(tmp_path, SECOND_MS + 5)


def test_death_while_it_is_carried(tmp_path: Path) -> None:
    """What was carried in part is carried again, from what is still there."""
    before, alive = tmp_path / "before", tmp_path / "alive"
    engine, reader = _first_interval(alive)
    interval = engine.rotate(SECOND_MS)
    reader.feed(b"g:+1|g", now_ns=SECOND_MS * NS + 1)
    shutil.copytree(alive, before)
    known = set(alive.iterdir())
    interval.release()
    (carried,) = set(alive.iterdir()) - known
    content = bytearray(carried.read_bytes())
    engine.close()
    assert content[8:12] == b"SHUT"
    for state, entries in [(b"FREE", 0), (b"OPEN", 0), (b"FREE", 1 << 12), (b"OPEN", 1 << 12)]:
        torn = content.copy()
        torn[8:12] = state
        torn[8192 + entries : 8192 + (1 << 14)] = bytes((1 << 14) - entries)
        directory = tmp_path / f"{state.decode()}{entries}"
        shutil.copytree(before, directory)
        (directory / carried.name).write_bytes(torn)
        assert {"g": 7.0, "h": 2.0} == _resumed(directory, SECOND_MS + 5)


def test_death_after_it_is_carried(tmp_path: Path) -> None:
    """With both the interval and what was carried from it there, nothing is carried twice."""
    alive, dead = tmp_path / "alive", tmp_path / "dead"
    engine, reader = _first_interval(alive)
    interval = engine.rotate(SECOND_MS)
    reader.feed(b"g:+1|g", now_ns=SECOND_MS * NS + 1)
    shutil.copytree(alive, dead)
    known = set(alive.iterdir())
    interval.release()
    (carried,) = set(alive.iterdir()) - known
    shutil.copy(carried, dead / carried.name)
    engine.close()
    assert {"g": 7.0, "h": 2.0} == _resumed(dead, SECOND_MS + 5)


def test_delivered_from_memory(tmp_path: Path) -> None:
    """An interval that nobody has kept is found as it was, with what was carried into it."""
    engine, reader = _first_interval(tmp_path)
    _flush(engine, SECOND_MS)
    reader.feed(b"g:+1|g", now_ns=SECOND_MS * NS + 1)
    interval = engine.rotate(THIRD_MS)
    assert {"g": 7.0, "h": 1.0} == _values(interval)
    interval.release(kept=False)
    engine.close(leave_arenas=True)

    engine = _open(tmp_path)
    doubtful, current = engine.recovered()
    assert doubtful.is_doubtful
    assert {"g": 7.0, "h": 1.0} == _values(doubtful)
    assert {"g": 7.0, "h": 1.0} == _values(current)
    doubtful.release()
    current.release()
    assert {"g": 7.0, "h": 1.0} == _flush(engine, END_MS)
    engine.close()
    assert ["lock"] == [path.name for path in tmp_path.iterdir()]


def test_nothing_to_resume(tmp_path: Path) -> None:
    """What the last recovered interval held is carried into the first one of the new process."""
    engine, _ = _first_interval(tmp_path)
    engine.close(leave_arenas=True)
    engine = _open(tmp_path)
    (dead,) = engine.recovered()
    assert {"g": 6.0, "h": 1.0} == _values(dead)
    dead.release()
    engine.open_reader("udp").feed(b"g:+1|g", now_ns=NOW_NS + 1)
    assert {"g": 7.0, "h": 1.0} == _flush(engine, SECOND_MS)
    engine.close()
    assert ["lock"] == [path.name for path in tmp_path.iterdir()]


def test_a_close_leaves_nothing(tmp_path: Path) -> None:
    """A normal close removes what was carried, also into an interval that is not released."""
    engine, _ = _first_interval(tmp_path)
    _flush(engine, SECOND_MS)
    interval = engine.rotate(THIRD_MS)
    engine.close()
    assert ["lock"] == [path.name for path in tmp_path.iterdir()]
    interval.release()
    assert ["lock"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("deaths", [1, 3])
def test_deaths_one_after_another(deaths: int, tmp_path: Path) -> None:
    """However often a process dies in one interval, what was carried into it stays what it was."""
    engine, reader = _first_interval(tmp_path)
    _flush(engine, SECOND_MS)
    reader.feed(b"g:+1|g", now_ns=SECOND_MS * NS + 1)
    engine.close(leave_arenas=True)
    for number in range(deaths):
        engine = _open(tmp_path)
        (dead,) = engine.recovered()
        engine.resume(dead)
        engine.open_reader("udp").feed(b"g:+1|g", now_ns=SECOND_MS * NS + 10 + number)
        engine.close(leave_arenas=True)
    engine = _open(tmp_path)
    (dead,) = engine.recovered()
    assert {"g": 7.0 + deaths, "h": 1.0} == _values(dead)
    dead.release()
    engine.close()
