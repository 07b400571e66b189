"""What does it cost to make columns of a closed interval?"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure
from benchmarks.c_loop import REFERENCE_RATE, c_loop_rate
from benchmarks.feeding import check_accounts, chunks_of, native_engine, rotate
from benchmarks.load import Load, Sent, write_lines
from veneurpy.engine import Output, Plan, PointType, Statistic

PLAN = Plan(
    (
        Output(".min", Statistic.MIN, PointType.GAUGE),
        Output(".max", Statistic.MAX, PointType.GAUGE),
        Output(".sum", Statistic.SUM, PointType.GAUGE),
        Output(".avg", Statistic.AVG, PointType.GAUGE),
        Output(".count", Statistic.COUNT, PointType.COUNTER),
        Output(".median", Statistic.MEDIAN, PointType.GAUGE),
        Output(".hmean", Statistic.HMEAN, PointType.GAUGE),
        Output(".50percentile", Statistic.QUANTILE, PointType.GAUGE, 0.5),
        Output(".90percentile", Statistic.QUANTILE, PointType.GAUGE, 0.9),
        Output(".99percentile", Statistic.QUANTILE, PointType.GAUGE, 0.99),
    )
)

LINES = 1_000_000

CASES = (
    ("100,000 timers of 10 values", Load(mix="timers", series=100_000, in_sequence=True), 10),
    ("1,000,000 counters", Load(mix="counters", series=1_000_000, in_sequence=True), 1),
)

METHOD = """\
The interval is filled through `Reader.feed`, rotated, and `Interval.columns` is timed: three
percentiles and all aggregates for timers (ten points a series), one point a counter. CPU seconds
of the process, all threads, scaled to a machine on which `c_loop` takes 20 M lines/s (it runs
before each round). "First" is an engine's first interval, "warm" the second, which reuses the
memory of the first; one sample of each a round."""


def spent_s(chunks: list[bytes], written: Sent, rows: int) -> dict[str, float]:
    """CPU seconds of `columns`, of an engine's first and second interval."""
    spent = {}
    with native_engine() as engine:
        reader = engine.open_reader("bench")
        for when in ("first", "warm"):
            for chunk in chunks:
                reader.feed(chunk)
            interval = rotate(engine)
            check_accounts(interval, [written])
            start_s = time.process_time()
            columns = interval.columns(PLAN)
            spent[when] = time.process_time() - start_s
            if len(columns) != rows:
                raise RuntimeError(f"{rows} rows expected, {len(columns)} came")
            del columns
            interval.release()
    return spent


def measure(rounds: int) -> Answer:
    """Answers it."""
    spent: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        base, lines = Path(folder, "base"), Path(folder, "lines")
        write_lines(Load(mix="counters"), base, LINES)
        for _ in range(rounds):
            for what, load, rows_each in CASES:
                written = write_lines(load, lines, LINES)
                scale = c_loop_rate(base, series=1000, work="counters") / REFERENCE_RATE
                by_time = spent_s(chunks_of(lines), written, load.series * rows_each)
                for when, seconds in by_time.items():
                    spent[f"{what}, {when}"].append(seconds * scale)
    figures = tuple(Figure(what, "CPU-s", tuple(rounds)) for what, rounds in spent.items())
    return Answer("Interval to columns", METHOD, figures)
