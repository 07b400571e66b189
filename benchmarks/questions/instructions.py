"""How many instructions does a sample take?"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import kept
from benchmarks.answers import Answer, Figure, Target
from benchmarks.build import build
from benchmarks.load import Load, write_lines

LINES = 20_000
COLLECTED = re.compile(r"Collected\s*:\s*(\d+)")
UNIT = "instructions a line"
YARDSTICK = "c_loop: counters, 1,000 series"

CASES = (
    ("counters, 1,000 series", Load(mix="counters")),
    ("timers, 1,000 series", Load(mix="timers")),
    ("mix, 1,000 series", Load()),
)

METHOD = f"""\
Counted by callgrind inside the function that takes a datagram, with a given hash and at a given
time: a run of four passes over {LINES:,} lines less a run of two, so that the first inserts do
not count. No clock is in it: the figure repeats to some instructions of a million, and a change
of the engine is compared to the table in `benchmarks/instructions.json`, which holds for the
compiler it names. One run. {{compared}}"""


def available() -> bool:
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def collected(command: list[str], *, inside: str | None = None) -> int:
    """Instructions of a run, or of what it does inside the functions that match a pattern."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    valgrind += [] if inside is None else [f"--toggle-collect={inside}"]
    ended = subprocess.run([*valgrind, *command], capture_output=True, text=True, check=True)
    found = COLLECTED.search(ended.stderr)
    if found is None:
        raise RuntimeError(f"callgrind says nothing:\n{ended.stderr}")
    return int(found[1])


def counted(lines: Path) -> dict[str, float]:
    """Instructions a line, by case. `lines` is a file to write to."""
    per_line = {}
    for what, load in CASES:
        write_lines(load, lines, LINES)
        feed = [sys.executable, "-m", "benchmarks.feed_once", str(lines)]
        four, two = (collected([*feed, n], inside="*receiver_take*") for n in ("4", "2"))
        per_line[what] = (four - two) / (2 * LINES)
    write_lines(Load(mix="counters"), lines, LINES)
    loop = [str(build("c_loop")), str(lines), "1000"]
    # c_loop adds a pass of its own before those it is asked for.
    three, one = (collected([*loop, n, "counters"]) for n in ("3", "1"))
    per_line[YARDSTICK] = (three - one) / (2 * LINES)
    return per_line


def measure(_: int) -> Answer:
    """Answers it; the count does not vary, so there is one round only."""
    with TemporaryDirectory() as folder:
        now = counted(Path(folder, "lines"))
    figures = [Figure(what, UNIT, (count,)) for what, count in now.items()]
    before = kept.read()
    if before.compiler != kept.compiler():
        compared = f"Not compared: the table is of {before.compiler}, this is {kept.compiler()}."
        return Answer("Instructions", METHOD.format(compared=compared), tuple(figures))
    figures += [
        Figure(what, "× the table's", (count / before.counts[what],), Target("<=", kept.TOLERANCE))
        for what, count in now.items()
        if what in before.counts
    ]
    moved = kept.moved(before.counts, now)
    compared = f"Moved by more than 2 %: {', '.join(moved) or 'nothing'}."
    return Answer("Instructions", METHOD.format(compared=compared), tuple(figures))


def keep(answer: Answer) -> None:
    """Makes what was counted the table that later runs are compared to."""
    kept.write({f.what: f.value for f in answer.figures if f.unit == UNIT})
