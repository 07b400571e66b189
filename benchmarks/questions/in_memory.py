"""What does a sample cost in memory, beside the minimal C loop?"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target, ratios
from benchmarks.c_loop import PASSES, c_loop_rate
from benchmarks.feeding import check_accounts, chunks_of, native_engine, rotate
from benchmarks.load import Load, Sent, write_lines
from veneurpy.engine import Reader

LINES = 1_000_000
INTERVALS = 4
"""Fed before: each of the two arenas has been open twice."""

METHOD = f"""\
{LINES:,} lines of some 68 bytes (60 of them name and tags), the series drawn at random. The
native engine gets them through `Reader.feed` in pieces of 60 kB, so that the call from Python
costs nothing that shows; the parser, the store and the accounts are those of the daemon.
`c_loop` reads the same bytes. Both take one pass that is not timed (it inserts the series) and
{PASSES} that are; the engine has closed {INTERVALS} intervals of the same lines before, so that
its memory is recycled, as it is in a daemon. "with inserts" times the first pass of an interval
instead. Rates are lines per second of CPU time. Every ratio is to `c_loop` with counters over
1,000 series, run immediately before. After each run the engine's accounts are
compared with what was fed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of input."""

    what: str
    load: Load
    target: Target | None = None
    inserts: bool = False
    """The interval is empty when the time begins."""


COUNTERS_100K = Load(mix="counters", series=100_000)
COUNTERS_1M = Load(mix="counters", series=1_000_000)

CASES = (
    Case("counters, 1,000 series", Load(mix="counters"), Target(">=", 0.9)),
    Case("counters, 100,000 series", COUNTERS_100K, Target(">=", 0.55)),
    Case("counters, 1,000,000 series", COUNTERS_1M, Target(">=", 0.4)),
    Case("counters, 1,000,000 series, with inserts", COUNTERS_1M, Target(">=", 0.3), inserts=True),
    Case("timers, 1,000 series", Load(mix="timers"), Target(">=", 0.5)),
    Case("timers, 100,000 series", Load(mix="timers", series=100_000), Target(">=", 0.3)),
    Case("timers, 1,000,000 series", Load(mix="timers", series=1_000_000), Target(">=", 0.2)),
    Case("mix, 1,000 series", Load()),
    Case("mix, 100,000 series", Load(series=100_000)),
)


def engine_rate(chunks: list[bytes], written: Sent, *, inserts: bool) -> float:
    """Lines per CPU second of an interval's first pass, or of its later ones."""
    passes = 1 if inserts else PASSES
    untimed = 0 if inserts else 1
    with native_engine() as engine:
        reader = engine.open_reader("bench")
        for _ in range(INTERVALS):
            feed_all(reader, chunks, 1)
            rotate(engine).release()
        feed_all(reader, chunks, untimed)
        start_s = time.process_time()
        feed_all(reader, chunks, passes)
        used_s = time.process_time() - start_s
        interval = rotate(engine)
        check_accounts(interval, [written] * (untimed + passes))
        interval.release()
    return written.lines * passes / used_s


def feed_all(reader: Reader, chunks: list[bytes], passes: int) -> None:
    """Feeds every chunk so many times."""
    for _ in range(passes):
        for chunk in chunks:
            reader.feed(chunk)


def measure(rounds: int) -> Answer:
    """Answers it."""
    yardstick: dict[str, list[float]] = defaultdict(list)
    engine: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        base = Path(folder, "base")
        write_lines(Load(mix="counters"), base, LINES)
        for _ in range(rounds):
            for case in CASES:
                lines = Path(folder, "lines")
                written = write_lines(case.load, lines, LINES)
                chunks = chunks_of(lines)
                yardstick[case.what].append(c_loop_rate(base, series=1000, work="counters"))
                rate = engine_rate(chunks, written, inserts=case.inserts)
                engine[case.what].append(rate)
        figures = [
            ratios(case.what, engine[case.what], yardstick[case.what], "× c_loop", case.target)
            for case in CASES
        ]
        figures += [rate_figure(case.what, engine[case.what]) for case in CASES]
        figures += yardstick_figures(Path(folder), base, rounds)
    return Answer("In memory", METHOD, tuple(figures))


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
