"""What does it cost to make the text of a sink of columns?"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target
from benchmarks.c_loop import machine_speed
from benchmarks.feeding import chunks_of, native_engine, rotate
from benchmarks.load import Load, write_lines
from benchmarks.questions.interval_to_columns import LINES, PLAN
from veneurpy.ports import FlushBatch
from veneurpy.sinks._native_exposition import exposition_of
from veneurpy.sinks._rows import point_rows
from veneurpy.sinks._statsd import packed

CASES = (
    ("1,000,000 counters", Load(mix="counters", series=1_000_000, in_sequence=True)),
    ("10 points of each of 100,000 timers", Load(mix="timers", series=100_000, in_sequence=True)),
)
WIRE = Target("<=", 0.6)
TARGETS = {"statsd": WIRE, "prometheus, warm": WIRE}

METHOD = """\
The interval is filled and closed as for its columns, 1,000,000 points each time. `statsd`: packed
into datagrams of 1,400 bytes. `prometheus`: added to what is shown and written out as a scrape;
warm is the second time, when all series are known. `jsonl`: as `localfile` writes it. CPU seconds,
scaled as for the columns."""


def spent_s(batch: FlushBatch) -> Iterator[tuple[str, float]]:
    """CPU seconds of each text."""
    shown = exposition_of(max_series=2 * LINES, gauges_last_s=50.0, counters_last_s=50.0)
    for what in ("prometheus, cold", "prometheus, warm"):
        start_s = time.process_time()
        shown.apply(batch, 0.0)
        size = sum(map(len, shown.text(0.0)))
        yield what, _since(start_s, size)
    start_s = time.process_time()
    size = sum(len(piece.text) for piece in packed(batch, most_bytes=1400, with_times=False))
    yield "statsd", _since(start_s, size)
    start_s = time.process_time()
    size = sum(map(len, point_rows(batch, "jsonl")))
    yield "jsonl", _since(start_s, size)


def _since(start_s: float, size: int) -> float:
    spent = time.process_time() - start_s
    if size < 20 * LINES:
        raise RuntimeError(f"{size} bytes are no text of {LINES} points")
    return spent


def measure(rounds: int) -> Answer:
    """Answers it."""
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        base, lines = Path(folder, "base"), Path(folder, "lines")
        write_lines(Load(mix="counters"), base, LINES)
        for _ in range(rounds):
            for what, load in CASES:
                write_lines(load, lines, LINES)
                scale = machine_speed(base)
                with native_engine() as engine:
                    reader = engine.open_reader("bench")
                    for chunk in chunks_of(lines):
                        reader.feed(chunk)
                    interval = rotate(engine)
                    batch = FlushBatch(0, 10.0, "bench", interval.columns(PLAN))
                    interval.release()
                    for sink, seconds in spent_s(batch):
                        spent[what, sink].append(seconds * scale)
    figures = tuple(
        Figure(f"{what}, {sink}", "CPU-s", tuple(each), TARGETS.get(sink))
        for (what, sink), each in spent.items()
    )
    return Answer("Columns to text", METHOD, figures)
