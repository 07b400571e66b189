"""How fast are lines parsed and stored, beside the least that a C loop could do?"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target, ratios
from benchmarks.c_loop import PASSES, c_loop_rate
from benchmarks.charts import Bar, Chart
from benchmarks.feeding import check_accounts, chunks_of, native_engine, rotate
from benchmarks.load import Load, Sent, write_lines

LINES = 1_000_000
INTERVALS = 4
"""Closed before: each of the two arenas has been open twice."""
SETTLED = 12
"""Closed before an engine is timed whose store is empty. All memory is in huge pages then: each
interval moves a bounded part."""
TURNS = 3
"""Of the yardstick and an engine, in each round: the machine's speed changes within seconds."""

METHOD = f"""\
{LINES:,} lines of some 68 bytes (60 of them name and tags), the series drawn at random. The
native engine gets them through `Reader.feed` in pieces of 60 kB, so that the call from Python
costs nothing that shows; the parser, the store and the accounts are those of the daemon.
`c_loop` reads the same bytes. Both take one pass that is not timed (it inserts the series), then
by turns {PASSES} that are, {TURNS} times a round; the engine has closed {INTERVALS} intervals of
the same lines before, so that its memory is recycled, as a daemon's is. "With inserts": the engine
is rotated after each pass, so that it meets every series for the first time; the first {SETTLED}
passes, beside which memory is put behind its arenas and moved into huge pages, are not timed.
Rates are lines per second of CPU time. Every ratio is to `c_loop` with counters over 1,000
series, run immediately before. After each round the engine's accounts are compared with what was
fed."""

Turn = Callable[[], float]
"""Feeds an engine `PASSES` times; returns lines per second of CPU time."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of input."""

    what: str
    load: Load
    target: Target | None = None
    inserts: bool = False

    def prepared(self, chunks: list[bytes], written: Sent) -> AbstractContextManager[Turn]:
        """An engine that takes them by turns, as the case has it."""
        return (new if self.inserts else known)(chunks, written)


COUNTERS, TIMERS = Load(mix="counters"), Load(mix="timers")
MANY_COUNTERS = Load(mix="counters", series=1_000_000)
MANY_TIMERS = Load(mix="timers", series=1_000_000)

CASES = (
    Case("counters, 1,000 series", COUNTERS, Target(">=", 0.9)),
    Case("counters, 100,000 series", Load(mix="counters", series=100_000), Target(">=", 0.55)),
    Case("counters, 1,000,000 series", MANY_COUNTERS, Target(">=", 0.4)),
    Case("counters, 1,000,000 series, with inserts", MANY_COUNTERS, Target(">=", 0.3), True),
    Case("timers, 1,000 series", TIMERS, Target(">=", 0.5)),
    Case("timers, 100,000 series", Load(mix="timers", series=100_000), Target(">=", 0.3)),
    Case("timers, 1,000,000 series", MANY_TIMERS, Target(">=", 0.2)),
    Case("timers, 1,000,000 series, with inserts", MANY_TIMERS, inserts=True),
    Case("mix, 1,000 series", Load()),
    Case("mix, 100,000 series", Load(series=100_000)),
)


@contextmanager
def known(chunks: list[bytes], written: Sent) -> Iterator[Turn]:
    """An engine whose open interval has all the series."""
    passes = 0
    with native_engine() as engine:
        feed = engine.open_reader("bench").feed

        def take(times: int) -> float:
            nonlocal passes
            passes += times
            return _fed_s(feed, chunks, times)

        for _ in range(INTERVALS):
            _fed_s(feed, chunks, 1)
            rotate(engine).release()
        take(1)
        yield lambda: written.lines * PASSES / take(PASSES)
        interval = rotate(engine)
        check_accounts(interval, [written] * passes)
        interval.release()


@contextmanager
def new(chunks: list[bytes], written: Sent) -> Iterator[Turn]:
    """An engine that begins each pass with an empty store, in memory that was used before."""
    with native_engine() as engine:
        feed = engine.open_reader("bench").feed

        def take(times: int) -> float:
            used_s = 0.0
            for _ in range(times):
                used_s += _fed_s(feed, chunks, 1)
                interval = rotate(engine)
                check_accounts(interval, [written])
                interval.release()
            return used_s

        take(SETTLED)
        yield lambda: written.lines * PASSES / take(PASSES)


def _fed_s(feed: Callable[[bytes], None], chunks: list[bytes], passes: int) -> float:
    """CPU seconds of so many passes."""
    start_s = time.process_time()
    for _ in range(passes):
        for chunk in chunks:
            feed(chunk)
    return time.process_time() - start_s


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
                with case.prepared(chunks, written) as turn:
                    for _ in range(TURNS):
                        base_rate = c_loop_rate(base, series=1000, work="counters")
                        yardstick[case.what].append(base_rate)
                        engine[case.what].append(turn())
        figures = [
            ratios(case.what, engine[case.what], yardstick[case.what], "× c_loop", case.target)
            for case in CASES
        ]
        charts = (chart(figures),)
        figures += [rate_figure(case.what, engine[case.what]) for case in CASES]
        figures += yardstick_figures(Path(folder), base, rounds)
    return Answer("In memory", METHOD, tuple(figures), charts)


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
