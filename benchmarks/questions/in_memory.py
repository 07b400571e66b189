"""How fast are lines parsed and stored, beside the least that a C loop could do?"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target, ratios
from benchmarks.c_loop import PASSES, REFERENCE_RATE, c_loop_rate
from benchmarks.charts import Bar, Chart
from benchmarks.feeding import check_accounts, chunks_of, native_engine, rotate
from benchmarks.load import Load, Sent, write_lines

LINES = 1_000_000
INTERVALS = 4
"""Closed before: each of the two arenas has been open twice."""
SETTLED = 12
"""Closed before an engine is timed whose store is empty. All memory is in huge pages then: each
interval moves a bounded part."""

METHOD = f"""\
{LINES:,} lines of some 68 bytes (60 of them name and tags), the series drawn at random. The
native engine gets them through `Reader.feed` in pieces of 60 kB, so that the call from Python
costs nothing that shows; the parser, the store and the accounts are those of the daemon.
`c_loop` reads the same bytes. Both take one pass that is not timed (it inserts the series) and
{PASSES} that are; the engine has closed {INTERVALS} intervals of the same lines before, so that
its memory is recycled, as a daemon's is. "With inserts": the engine is rotated before each pass, so
that it meets every series for the first time; the first {SETTLED} passes, beside which memory is
put behind its arenas and moved into huge pages, are not timed.
Rates are lines per second of CPU time. Every ratio is to `c_loop` with counters over 1,000
series, run immediately before. What the digest takes of a sample is the time of a timer's
sample less that of a counter's, at 1,000 series, scaled to a machine on which `c_loop` takes 50
ns a line. After each run the engine's accounts are compared with what was fed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of input."""

    what: str
    load: Load
    target: Target | None = None
    inserts: bool = False


COUNTERS, TIMERS = Load(mix="counters"), Load(mix="timers")
MANY_COUNTERS = Load(mix="counters", series=1_000_000)
MANY_TIMERS = Load(mix="timers", series=1_000_000)
FEW_COUNTERS, FEW_TIMERS = "counters, 1,000 series", "timers, 1,000 series"

CASES = (
    Case(FEW_COUNTERS, COUNTERS, Target(">=", 0.9)),
    Case("counters, 100,000 series", Load(mix="counters", series=100_000), Target(">=", 0.55)),
    Case("counters, 1,000,000 series", MANY_COUNTERS, Target(">=", 0.4)),
    Case("counters, 1,000,000 series, with inserts", MANY_COUNTERS, Target(">=", 0.3), True),
    Case(FEW_TIMERS, TIMERS, Target(">=", 0.5)),
    Case("timers, 100,000 series", Load(mix="timers", series=100_000), Target(">=", 0.3)),
    Case("timers, 1,000,000 series", MANY_TIMERS, Target(">=", 0.2)),
    Case("timers, 1,000,000 series, with inserts", MANY_TIMERS, inserts=True),
    Case("mix, 1,000 series", Load()),
    Case("mix, 100,000 series", Load(series=100_000)),
)


def engine_rate(case: Case, chunks: list[bytes], written: Sent) -> float:
    """Lines per CPU second, as the case has it."""
    rate = rate_with_inserts if case.inserts else rate_when_known
    return rate(chunks, written)


def rate_when_known(chunks: list[bytes], written: Sent) -> float:
    """Of the second and later passes of an interval."""
    with native_engine() as engine:
        feed = engine.open_reader("bench").feed
        for _ in range(INTERVALS):
            for chunk in chunks:
                feed(chunk)
            rotate(engine).release()
        for chunk in chunks:
            feed(chunk)
        start_s = time.process_time()
        for _ in range(PASSES):
            for chunk in chunks:
                feed(chunk)
        used_s = time.process_time() - start_s
        interval = rotate(engine)
        check_accounts(interval, [written] * (1 + PASSES))
        interval.release()
    return written.lines * PASSES / used_s


def rate_with_inserts(chunks: list[bytes], written: Sent) -> float:
    """Of passes that begin with an empty store, in memory that was used before."""
    used_s = 0.0
    with native_engine() as engine:
        feed = engine.open_reader("bench").feed
        for number in range(SETTLED + PASSES):
            start_s = time.process_time()
            for chunk in chunks:
                feed(chunk)
            if number >= SETTLED:
                used_s += time.process_time() - start_s
            interval = rotate(engine)
            check_accounts(interval, [written])
            interval.release()
    return written.lines * PASSES / used_s


def measure(rounds: int) -> Answer:
    """Answers it."""
    yardstick: dict[str, list[float]] = defaultdict(list)
    engine: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        base, lines = Path(folder, "base"), Path(folder, "lines")
        write_lines(COUNTERS, base, LINES)
        for _ in range(rounds):
            for case in CASES:
                written = write_lines(case.load, lines, LINES)
                chunks = chunks_of(lines)
                yardstick[case.what].append(c_loop_rate(base, series=1000, work="counters"))
                engine[case.what].append(engine_rate(case, chunks, written))
        figures = [
            ratios(case.what, engine[case.what], yardstick[case.what], "× c_loop", case.target)
            for case in CASES
        ]
        charts = (chart(figures),)
        figures.append(digest(engine, yardstick[FEW_TIMERS]))
        figures += [rate_figure(case.what, engine[case.what]) for case in CASES]
        figures += yardstick_figures(Path(folder), base, rounds)
    return Answer("In memory", METHOD, tuple(figures), charts)


def digest(engine: dict[str, list[float]], yardstick: list[float]) -> Figure:
    """What a timer's sample takes more than a counter's."""
    rounds = zip(engine[FEW_TIMERS], engine[FEW_COUNTERS], yardstick, strict=True)
    scaled = tuple(
        1e9 * (1 / timers - 1 / counters) * c_loop / REFERENCE_RATE
        for timers, counters, c_loop in rounds
    )
    return Figure("digest", "ns a sample", scaled, Target("<=", 40))


def chart(figures: list[Figure]) -> Chart:
    """The ratios, with their targets."""
    bars = tuple(
        Bar(figure.what, figure.value, True, figure.target.bound if figure.target else None)
        for figure in figures
    )
    return Chart(
        "in-memory",
        "In memory, beside a minimal loop in C over 1,000 series",
        "lines per second of CPU time ÷ those of c_loop; more is better, the mark is the target",
        bars,
    )


def rate_figure(what: str, rates: list[float]) -> Figure:
    """A rate as such."""
    return Figure(what, "M lines/s", tuple(rate / 1e6 for rate in rates))


def yardstick_figures(folder: Path, base: Path, rounds: int) -> list[Figure]:
    """What c_loop itself reaches, for orientation."""
    many = folder / "many"
    write_lines(Load(mix="counters", series=100_000), many, LINES)
    work: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        work["c_loop: counters, 1,000 series"].append(
            c_loop_rate(base, series=1000, work="counters")
        )
        work["c_loop: timers, 1,000 series"].append(c_loop_rate(base, series=1000, work="timers"))
        work["c_loop: counters, 100,000 series"].append(
            c_loop_rate(many, series=100_000, work="counters")
        )
    return [rate_figure(what, rates) for what, rates in work.items()]
