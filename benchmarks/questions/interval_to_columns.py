"""What does it cost to make columns of a closed interval?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target
from benchmarks.c_loop import machine_speed
from benchmarks.feeding import check_accounts, chunks_of, native_engine, rotate
from benchmarks.lateness import Cost, cost_of
from benchmarks.load import Load, Sent, write_lines
from veneurpy.engine import Interval, Output, Plan, PointType, Statistic

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


@dataclass(frozen=True, slots=True)
class Case:
    """An interval of `LINES` lines."""

    what: str
    load: Load
    points_each: int
    target: Target

    @property
    def points(self) -> int:
        """Of the interval."""
        return self.load.series * self.points_each


CASES = (
    Case(
        "100,000 timers of 10 values",
        Load(mix="timers", series=100_000, in_sequence=True),
        10,
        Target("<=", 0.15),
    ),
    Case(
        "1,000,000 counters",
        Load(mix="counters", series=1_000_000, in_sequence=True),
        1,
        Target("<=", 0.4),
    ),
)

METHOD = """\
The interval is filled through `Reader.feed`, rotated, and `Interval.columns` is timed: three
percentiles and all aggregates for timers (ten points a series), one point a counter. CPU
seconds of the process, scaled to a machine on which `c_loop` takes 20 M lines/s (it runs before
each round). "First" is an engine's first interval, "warm" the second; one sample of each a
round. Meanwhile an event loop (uvloop) has a timer of 2 ms: how late it was at the worst is
shown, less the same of a loop beside which nothing is done for as long."""


def columns_cost(interval: Interval, case: Case) -> Cost:
    """Of computing the columns once."""

    def work() -> None:
        columns = interval.columns(PLAN)
        if len(columns) != case.points:
            raise RuntimeError(f"{case.points} points expected, {len(columns)} came")

    return cost_of(work)


def costs(case: Case, chunks: list[bytes], written: Sent) -> dict[str, Cost]:
    """Of an engine's first and second interval."""
    found = {}
    with native_engine() as engine:
        reader = engine.open_reader("bench")
        for when in ("first", "warm"):
            for chunk in chunks:
                reader.feed(chunk)
            interval = rotate(engine)
            check_accounts(interval, [written])
            found[when] = columns_cost(interval, case)
            interval.release()
    return found


def measure(rounds: int) -> Answer:
    """Answers it."""
    spent_s: dict[str, list[float]] = defaultdict(list)
    late: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        base, lines = Path(folder, "base"), Path(folder, "lines")
        write_lines(Load(mix="counters"), base, LINES)
        for _ in range(rounds):
            for case in CASES:
                written = write_lines(case.load, lines, LINES)
                scale = machine_speed(base)
                for when, found in costs(case, chunks_of(lines), written).items():
                    spent_s[f"{case.what}, {when}"].append(found.cpu_s * scale)
                    late[case.what].append(found.late_ms)
    targets = {f"{case.what}, {when}": case.target for case in CASES for when in ("first", "warm")}
    punctual = Target("<=", 20, always=True)
    figures = [Figure(what, "CPU-s", tuple(s), targets[what]) for what, s in spent_s.items()]
    figures += [Figure(what, "ms late", tuple(ms), punctual) for what, ms in late.items()]
    return Answer("Interval to columns", METHOD, tuple(figures))
