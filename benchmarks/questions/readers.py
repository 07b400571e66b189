"""Do two readers take twice as much?"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target, ratios
from benchmarks.feeding import check_accounts, chunks_of, native_engine, rotate
from benchmarks.load import Load, Sent, write_lines

LINES = 1_000_000
PASSES = 4

CASES = (
    ("counters, 1,000 series", Load(mix="counters")),
    ("mix, 100,000 series", Load(series=100_000)),
)

METHOD = f"""\
{LINES:,} lines are fed {PASSES} times, after a pass that is not timed, by one thread to one
reader, and then to two readers of a fresh engine by a thread each, in pieces of 60 kB for which
the GIL is released. Lines per second of wall time: it needs two idle cores."""


def rate(readers: int, chunks: list[bytes], written: Sent) -> float:
    """Lines/s of so many readers at once, by the clock on the wall."""
    with native_engine(readers) as engine:
        feeds = [engine.open_reader("bench").feed for _ in range(readers)]
        for feed in feeds:
            for chunk in chunks:
                feed(chunk)
        start = threading.Barrier(readers + 1)

        def run(reader: int) -> None:
            start.wait()
            for _ in range(PASSES):
                for chunk in chunks:
                    feeds[reader](chunk)

        threads = [threading.Thread(target=run, args=(reader,)) for reader in range(readers)]
        for thread in threads:
            thread.start()
        start.wait()
        start_s = time.perf_counter()
        for thread in threads:
            thread.join()
        used_s = time.perf_counter() - start_s
        interval = rotate(engine)
        check_accounts(interval, [written] * (1 + PASSES))
        interval.release()
    return readers * written.lines * PASSES / used_s


def measure(rounds: int) -> Answer:
    """Answers it."""
    rates: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        lines = Path(folder, "lines")
        for _ in range(rounds):
            for what, load in CASES:
                written = write_lines(load, lines, LINES)
                chunks = chunks_of(lines)
                for readers in (1, 2):
                    rates[f"{what}, {readers} readers"].append(rate(readers, chunks, written))
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
