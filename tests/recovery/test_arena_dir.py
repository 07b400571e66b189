"""Who may use an arena directory, what stays in it and what goes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import NOW_NS, START_MS, needs_native, rows
from tests.recovery.corpse import leave, options
from tests.recovery.prefixes import PLAN
from veneurpy.engine import Interval, arena_dir, open_engine

pytestmark = needs_native

HOLDER = """
import os, signal, sys
from veneurpy.engine import EngineOptions, open_engine
options = EngineOptions(arena_dir=sys.argv[1], store_max_bytes=1 << 20)
engine = open_engine("native", options, start_ms=1)
engine.open_reader("udp").feed(b"c:1|c")
print("open", flush=True)
signal.pause()
"""

SHORT_OF_MEMORY = """
import resource, sys
from veneurpy.engine import EngineOptions, open_engine
engine = open_engine("native", EngineOptions(arena_dir=sys.argv[1]), start_ms=1)
resource.setrlimit(resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY))
try:
    engine.recovered()
except MemoryError as exc:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(exc)
"""

WITHOUT_PROC = """
from pathlib import Path
from veneurpy.engine import EngineOptions, arena_dir, open_engine
arena_dir.BOOT_ID = Path("/nonexistent")
open_engine("native", EngineOptions(), start_ms=1).close()
"""

REFUSED = """
import sys
from veneurpy.engine import EngineOptions, open_engine
try:
    open_engine("native", EngineOptions(arena_dir=sys.argv[1]), start_ms=1)
except OSError:
    print("refused")
"""


def _values(interval: Interval) -> dict[str, float]:
    return {row.name: row.value for row in rows(interval.columns(PLAN))}


def _arenas(directory: Path) -> int:
    return len(list(directory.glob("*.arena")))


def test_one_engine_has_the_directory(tmp_path: Path) -> None:
    """A second engine is refused in one sentence, and let in when the first has closed."""
    first = open_engine("native", options(tmp_path), start_ms=START_MS)
    with pytest.raises(
        OSError, match=r"^arena_dir .* is in use by another veneurpy: .*$"
    ) as refused:
        open_engine("native", options(tmp_path), start_ms=START_MS)
    assert "\n" not in str(refused.value)
    first.close()
    open_engine("native", options(tmp_path), start_ms=START_MS).close()


def test_who_is_refused_writes_nowhere(tmp_path: Path) -> None:
    """An engine that did not open leaves descriptor 0 alone: it is somebody else's."""
    ours, theirs = os.pipe()
    first = open_engine("native", options(tmp_path), start_ms=START_MS)
    command = [sys.executable, "-c", REFUSED, str(tmp_path)]
    ended = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=True)
    first.close()
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        assert ("refused\n", b"") == (ended.stdout, pipe.read())


def test_the_dead_hold_no_lock(tmp_path: Path) -> None:
    """While a process lives the directory is its own; what it had when killed is recovered."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert "open\n" == holder.stdout.readline()
        with pytest.raises(OSError, match="in use by another"):
            open_engine("native", options(tmp_path), start_ms=START_MS)
        holder.send_signal(signal.SIGKILL)
    engine = open_engine("native", options(tmp_path), start_ms=START_MS)
    assert [{"c": 1.0}] == [_values(interval) for interval in engine.recovered()]
    engine.close()


def test_a_close_leaves_nothing(tmp_path: Path) -> None:
    """A normal close removes the arenas, whatever was in them; twice is as once."""
    engine = open_engine("native", options(tmp_path), start_ms=START_MS)
    engine.open_reader("udp").feed(b"c:1|c")
    assert _arenas(tmp_path) > 0
    engine.close()
    engine.close()
    assert _arenas(tmp_path) == 0


def test_arenas_are_left_to_a_successor(tmp_path: Path) -> None:
    """With `leave_arenas` the open interval is the successor's."""
    leave(tmp_path, [b"c:1|c"])
    engine = open_engine("native", options(tmp_path), start_ms=START_MS + 1)
    (interval,) = engine.recovered()
    assert {"c": 1.0} == _values(interval)
    assert START_MS == interval.start_ms
    engine.close()


def test_what_cannot_be_read_for_now_stays(tmp_path: Path) -> None:
    """It says nothing about the file that it may not be opened, or that memory is short."""
    leave(tmp_path, [b"c:1|c"])
    paths = [str(path) for path in tmp_path.glob("*.arena")]
    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(tmp_path)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert ended.stdout.strip() in paths
    (tmp_path / "z.arena").symlink_to("z.arena")
    engine = open_engine("native", options(tmp_path), start_ms=START_MS)
    with pytest.raises(OSError, match=r"z\.arena"):
        engine.recovered()
    engine.close()
    (tmp_path / "z.arena").unlink()
    engine = open_engine("native", options(tmp_path), start_ms=START_MS)
    assert [{"c": 1.0}] == [_values(interval) for interval in engine.recovered()]
    engine.close()


def test_copies_are_not_taken_for_the_original(tmp_path: Path) -> None:
    """All have one name of their own, so that no owner drops what the original got since."""
    leave(tmp_path / "original", [b"c:1|c"])
    for name in ("one", "two"):
        shutil.copytree(tmp_path / "original", tmp_path / name)
    (tmp_path / "original").rename(tmp_path / "moved")
    found = {}
    for name in ("moved", "one", "two"):
        engine = open_engine("native", options(tmp_path / name), start_ms=START_MS)
        (found[name],) = engine.recovered()
        assert {"c": 1.0} == _values(found[name])
        engine.close()
    moved, one, two = found["moved"], found["one"], found["two"]
    assert (moved.copied_from, one.copied_from, two.copied_from) == (None, moved.uuid, moved.uuid)
    assert moved.uuid != one.uuid == two.uuid


def test_a_machine_without_a_boot_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arenas that are files need one; others do without."""
    (tmp_path / "empty").touch()
    monkeypatch.setattr(arena_dir, "BOOT_ID", tmp_path / "empty")
    with pytest.raises(OSError, match="no boot id"):
        arena_dir.boot_id.__wrapped__()
    subprocess.run([sys.executable, "-c", WITHOUT_PROC], check=True)


def test_a_release_removes_the_files(tmp_path: Path) -> None:
    """What was recovered stays until it is released: a death before that loses nothing."""
    leave(tmp_path, [b"c:1|c"])
    for _ in range(2):
        engine = open_engine("native", options(tmp_path), start_ms=START_MS)
        (interval,) = engine.recovered()
        assert {"c": 1.0} == _values(interval)
        engine.close()
    engine = open_engine("native", options(tmp_path), start_ms=START_MS)
    (interval,) = engine.recovered()
    interval.release()
    interval.release()
    assert _arenas(tmp_path) == 0
    engine.close()


def test_a_resumed_interval_is_one(tmp_path: Path) -> None:
    """What was recovered and what came after are closed under one uuid; the newer gauge counts."""
    leave(tmp_path, [b"c:1|c\ng:1|g\nt:1|ms\ns:a|s"])
    engine = open_engine("native", options(tmp_path), start_ms=START_MS + 1)
    (dead,) = engine.recovered()
    engine.resume(dead)
    reader = engine.open_reader("udp")
    reader.feed(b"c:2|c\ng:2|g\nt:3|ms\ns:b|s\ns:a|s", now_ns=NOW_NS + 1)
    interval = engine.rotate(START_MS + 10_000)
    assert dead.uuid == interval.uuid
    assert START_MS == interval.start_ms
    values = _values(interval)
    assert (3.0, 2.0, 2.0) == (values["c"], values["g"], values["s"])
    assert (2.0, 4.0) == (values["t#count"], values["t#sum"])
    interval.release()
    engine.close()
    assert _arenas(tmp_path) == 0


def test_an_older_gauge_does_not_count_again(tmp_path: Path) -> None:
    """A gauge that was recovered is older than one of the same interval with a later time only."""
    leave(tmp_path, [b"g:1|g"])
    engine = open_engine("native", options(tmp_path), start_ms=START_MS)
    (dead,) = engine.recovered()
    engine.resume(dead)
    engine.open_reader("udp").feed(b"g:2|g", now_ns=NOW_NS - 1)
    assert {"g": 1.0} == _values(engine.rotate(START_MS + 10_000))
    engine.close()


def test_two_deaths_in_an_interval(tmp_path: Path) -> None:
    """A process that resumed an interval and died leaves one interval, with what both had."""
    leave(tmp_path, [b"c:1|c"])
    engine = open_engine("native", options(tmp_path), start_ms=START_MS + 1)
    (first,) = engine.recovered()
    engine.resume(first)
    engine.open_reader("udp").feed(b"c:2|c\nd:1|c")
    engine.close(leave_arenas=True)
    engine = open_engine("native", options(tmp_path), start_ms=START_MS + 2)
    (second,) = engine.recovered()
    assert first.uuid == second.uuid
    engine.resume(second)
    engine.open_reader("udp").feed(b"c:4|c")
    interval = engine.rotate(START_MS + 10_000)
    assert first.uuid == interval.uuid
    assert {"c": 7.0, "d": 1.0} == _values(interval)
    interval.release()
    engine.close()
    assert _arenas(tmp_path) == 0


def test_intervals_are_told_apart(tmp_path: Path) -> None:
    """Files of two intervals are two, the older one first."""
    leave(tmp_path, [b"c:2|c"], start_ms=START_MS + 1000)
    leave(tmp_path, [b"c:1|c"])
    engine = open_engine("native", options(tmp_path), start_ms=START_MS + 2000)
    assert [{"c": 1.0}, {"c": 2.0}] == [_values(interval) for interval in engine.recovered()]
    engine.close()


DELIVERER = """
import signal, sys
from veneurpy.engine import EngineOptions, open_engine
options = EngineOptions(arena_dir=sys.argv[1], store_max_bytes=1 << 20)
engine = open_engine("native", options, start_ms=1)
readers = [engine.open_reader("udp"), engine.open_reader("udp")]
for reader in readers:
    reader.feed(b"c:1|c")
interval = engine.rotate(2)
interval.release(kept=False)
for step in sys.argv[2:]:
    interval.settled() if step == "settled" else engine.rotate(3)
print("delivering", flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([], [(2.0, True)], id="under way"),
        pytest.param(["settled"], [], id="at its end"),
        pytest.param(["rotate"], [], id="its memory was needed"),
    ],
)
def test_what_nobody_kept_is_doubtful(
    steps: list[str], expected: list[tuple[float, bool]], tmp_path: Path
) -> None:
    """Killed while it delivers from memory, a process leaves that interval, and says what it is."""
    deliverer = subprocess.Popen(
        [sys.executable, "-c", DELIVERER, str(tmp_path), *steps], stdout=subprocess.PIPE, text=True
    )
    with deliverer:
        assert deliverer.stdout
        assert "delivering\n" == deliverer.stdout.readline()
        deliverer.send_signal(signal.SIGKILL)
    for _ in range(2):
        engine = open_engine("native", options(tmp_path), start_ms=START_MS)
        found = [interval for interval in engine.recovered() if _values(interval)]
        assert expected == [(_values(interval)["c"], interval.is_doubtful) for interval in found]
        engine.close()
    engine = open_engine("native", options(tmp_path), start_ms=START_MS)
    for interval in engine.recovered():
        interval.release()
    engine.close()
    assert ["lock"] == [path.name for path in tmp_path.iterdir()]


def test_what_is_half_gone_is_passed_over(tmp_path: Path) -> None:
    """A death between the first and the last arena of a settled interval leaves nothing of it."""
    leave(tmp_path, [b"c:1|c"])
    engine = open_engine("native", options(tmp_path), start_ms=START_MS)
    (uuid,) = [interval.uuid for interval in engine.recovered()]
    engine.close()
    (tmp_path / f"{uuid}.settled").touch()
    engine = open_engine("native", options(tmp_path), start_ms=START_MS)
    assert [] == list(engine.recovered())
    engine.close()
    assert ["lock"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("store_max_bytes", [1 << 36, 1 << 40])
def test_a_store_larger_than_offsets_can_tell(store_max_bytes: int, tmp_path: Path) -> None:
    """However much memory is granted, an arena is no larger than can be addressed and recovered."""
    engine = open_engine(
        "native", options(tmp_path, store_max_bytes=store_max_bytes), start_ms=START_MS
    )
    engine.open_reader("udp").feed(b"c:1|c\nt:1:2:3|ms\ns:a|s", now_ns=NOW_NS)
    engine.close(leave_arenas=True)
    assert {True} == {path.stat().st_size < 1 << 36 for path in tmp_path.glob("*.arena")}

    successor = open_engine(
        "native", options(tmp_path, store_max_bytes=store_max_bytes), start_ms=START_MS + 1
    )
    (interval,) = successor.recovered()
    assert [] == successor.unreadable
    assert 3 == interval.series
    interval.release()
    successor.close()
