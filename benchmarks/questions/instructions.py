"""How many instructions does a sample take?"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure
from benchmarks.build import build
from benchmarks.load import Load, write_lines

LINES = 20_000
COLLECTED = re.compile(r"Collected\s*:\s*(\d+)")

CASES = (
    ("counters, 1,000 series", Load(mix="counters")),
    ("timers, 1,000 series", Load(mix="timers")),
    ("mix, 1,000 series", Load()),
)

METHOD = f"""\
Counted by callgrind: a run of four passes over {LINES:,} lines less a run of two, so that the
interpreter's start, the first inserts and the end do not count. No clock is in it: the figure is
steady to some per mille on any machine, and a change of the engine is compared to it. One run."""


def available() -> bool:
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def collected(command: list[str]) -> int:
    """Instructions of a run."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    ended = subprocess.run([*valgrind, *command], capture_output=True, text=True, check=True)
    found = COLLECTED.search(ended.stderr)
    if found is None:
        raise RuntimeError(f"callgrind says nothing:\n{ended.stderr}")
    return int(found[1])


def measure(rounds: int) -> Answer:
    """Answers it; the count does not vary, so there is one round only."""
    with TemporaryDirectory() as folder:
        lines = Path(folder, "lines")
        figures = []
        for what, load in CASES:
            write_lines(load, lines, LINES)
            feed = [sys.executable, "-m", "benchmarks.feed_once", str(lines)]
            figures.append(_figure(what, collected([*feed, "4"]) - collected([*feed, "2"])))
        write_lines(Load(mix="counters"), lines, LINES)
        loop = [str(build("c_loop")), str(lines), "1000"]
        # c_loop adds a pass of its own before those it is asked for.
        spent = collected([*loop, "3", "counters"]) - collected([*loop, "1", "counters"])
        figures.append(_figure("c_loop: counters, 1,000 series", spent))
    return Answer("Instructions", METHOD, tuple(figures))


def _figure(what: str, two_passes: int) -> Figure:
    return Figure(what, "instructions a line", (two_passes / (2 * LINES),))
