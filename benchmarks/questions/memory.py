"""What does a series take, and what does the daemon take for 100,000 timers?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target
from benchmarks.daemon import running_daemon
from benchmarks.feeding import check_accounts, chunks_of, rotate
from benchmarks.load import Load, finish, start_sending, write_lines
from benchmarks.process import rss_bytes
from veneurpy.engine import EngineOptions
from veneurpy.engine.native.engine import NativeEngine

LINES = 1_000_000
"""Fed at a time."""


@dataclass(frozen=True, slots=True)
class Case:
    """Series of one kind, each with so many samples."""

    what: str
    load: Load
    samples: int
    most_bytes: float


CASES = (
    Case("counter", Load(mix="counters", series=1_000_000, in_sequence=True), 1, 150),
    Case("timer, 20 samples", Load(mix="timers", series=200_000, in_sequence=True), 20, 600),
    Case("timer, 1,000 samples", Load(mix="timers", series=20_000, in_sequence=True), 1000, 5000),
    Case("set of 100 members", Load(mix="sets", series=50_000, in_sequence=True), 100, 1200),
)

TIMERS, SAMPLES, INTERVAL_S, INTERVALS = 100_000, 10, 5, 6
LINES_EACH = 20
TIMER_LOAD = Load(mix="timers", series=TIMERS, in_sequence=True, lines_each=LINES_EACH)
SETTLED_AFTER = 3
"""Intervals."""
MB = 1_000_000

METHOD = f"""\
Bytes a series: what is put behind the arenas of an engine for {CASES[0].load.series:,}
counters, {CASES[1].load.series:,} and {CASES[2].load.series:,} timers, {CASES[3].load.series:,}
sets, all of 60 bytes of name and tags, divided by their number: entries, tables, blocks, and
what is reserved ahead.

In the daemon: {TIMERS:,} timers of {SAMPLES} samples in each interval of {INTERVAL_S} s, with
three percentiles, all aggregates, and `blackhole` as its sink, for {INTERVALS} intervals. Its
resident memory is read every 50 ms, flushes included; "idle" is before the load. Measured once."""

SETTINGS = {
    "interval": f"{INTERVAL_S}s",
    "percentiles": [0.5, 0.9, 0.99],
    "aggregates": ["min", "max", "median", "avg", "count", "sum", "hmean"],
    "metric_sinks": [{"kind": "blackhole", "name": "blackhole"}],
}


def bytes_each(case: Case, folder: Path) -> float:
    """Committed bytes a series."""
    options = EngineOptions(max_datagram_bytes=65_507, store_max_bytes=2 << 30)
    engine = NativeEngine(options, start_ms=time.time_ns() // 1_000_000)
    reader = engine.open_reader("bench")
    before, written = engine.committed_bytes, []
    for part in range(case.load.series * case.samples // LINES):
        load = Load(case.load.mix, case.load.series, seed=1 + part, in_sequence=True)
        written.append(write_lines(load, folder / "lines", LINES))
        for chunk in chunks_of(folder / "lines"):
            reader.feed(chunk)
    used = engine.committed_bytes - before
    interval = rotate(engine)
    check_accounts(interval, written)
    interval.release()
    engine.close()
    return used / case.load.series


def daemon_figures() -> list[Figure]:
    """Resident memory of a daemon under timers."""
    with running_daemon(SETTINGS) as daemon:
        time.sleep(2 * INTERVAL_S)
        idle = rss_bytes(daemon.pid)
        seconds = INTERVAL_S * INTERVALS
        rate = TIMERS * SAMPLES / LINES_EACH / INTERVAL_S
        sender = start_sending(TIMER_LOAD, daemon.port, rate=rate, seconds=seconds)
        start_s, seen = time.monotonic(), []
        while sender.poll() is None:
            time.sleep(0.05)
            seen.append((time.monotonic() - start_s, rss_bytes(daemon.pid)))
        finish(sender)
    settled_s = SETTLED_AFTER * INTERVAL_S
    before = max(rss for at_s, rss in seen if at_s <= settled_s)
    after = max(rss for at_s, rss in seen if at_s > settled_s)
    above = (max(before, after) - idle) / MB
    return [
        Figure("peak, above idle", "MB resident", (above,), Target("<=", 160)),
        Figure("idle", "MB resident", (idle / MB,)),
        Figure("peak of the first three intervals", "MB resident", (before / MB,)),
        Figure(
            "peak of the others", "MB resident", (after / MB,), Target("<=", 1.05 * before / MB)
        ),
    ]


def measure(_: int) -> Answer:
    """Answers it; nothing of it varies, so there is one round only."""
    figures = []
    with TemporaryDirectory() as folder:
        for case in CASES:
            used = bytes_each(case, Path(folder))
            target = Target("<=", case.most_bytes)
            figures.append(Figure(case.what, "bytes a series", (used,), target))
    return Answer("Memory", METHOD, (*figures, *daemon_figures()))
