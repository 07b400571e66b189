"""Do two readers take twice as much?"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target, ratios
from benchmarks.feeding import check_accounts, chunks_of, native_engine, rotate
from benchmarks.load import Load, Sent, write_lines

LINES = 1_000_000
PASSES = 3
TURNS = 5

CASES = (
    ("counters, 1,000 series", Load(mix="counters")),
    ("mix, 100,000 series", Load(series=100_000)),
)

METHOD = f"""\
{LINES:,} lines are fed {PASSES} times, after a pass that is not timed, by one thread to one
reader, and then to two readers of another engine by a thread each, in pieces of 60 kB for which
the GIL is released. Lines per second of wall time, of which the best of {TURNS} turns counts in
each round: it needs two idle cores, and a shared machine has the second one now and then."""


@contextmanager
def reading(readers: int, chunks: list[bytes], written: Sent) -> Iterator[Callable[[], float]]:
    """Yields what feeds so many readers at once; it returns lines/s by the clock on the wall."""
    passes = 0
    with native_engine(readers) as engine:
        feeds = [engine.open_reader("bench").feed for _ in range(readers)]

        def take(times: int) -> float:
            nonlocal passes
            passes += times
            return readers * written.lines * times / _fed_s(feeds, chunks, times)

        take(1)
        yield lambda: take(PASSES)
        interval = rotate(engine)
        check_accounts(interval, [written] * passes)
        interval.release()


def _fed_s(feeds: list[Callable[[bytes], None]], chunks: list[bytes], passes: int) -> float:
    """Seconds that a thread for each reader takes from the start of all to the end of the last."""
    start = threading.Barrier(len(feeds) + 1)

    def run(feed: Callable[[bytes], None]) -> None:
        start.wait()
        for _ in range(passes):
            for chunk in chunks:
                feed(chunk)

    threads = [threading.Thread(target=run, args=(feed,)) for feed in feeds]
    for thread in threads:
        thread.start()
    start.wait()
    start_s = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start_s


def measure(rounds: int) -> Answer:
    """Answers it."""
    rates: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        lines = Path(folder, "lines")
        for _ in range(rounds):
            for what, load in CASES:
                written = write_lines(load, lines, LINES)
                chunks = chunks_of(lines)
                with reading(1, chunks, written) as one, reading(2, chunks, written) as two:
                    turns = [(one(), two()) for _ in range(TURNS)]
                    rates[f"{what}, 1 readers"].append(max(alone for alone, _ in turns))
                    rates[f"{what}, 2 readers"].append(max(both for _, both in turns))
    figures = [
        ratios(
            what,
            rates[f"{what}, 2 readers"],
            rates[f"{what}, 1 readers"],
            "two readers ÷ one",
            Target(">=", 1.6),
        )
        for what, _ in CASES
    ]
    figures += [
        Figure(what.replace("1 readers", "1 reader"), "M lines/s", tuple(r / 1e6 for r in found))
        for what, found in rates.items()
    ]
    return Answer("Two readers", METHOD, tuple(figures))
