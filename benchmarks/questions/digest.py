"""What does the digest take of a timer's sample?"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target
from benchmarks.c_loop import PASSES, machine_speed
from benchmarks.feeding import chunks_of
from benchmarks.load import Load, write_lines
from benchmarks.questions.in_memory import COUNTERS, INTERVALS, LINES, TIMERS, Turn, known

TURNS = 5

METHOD = f"""\
The time of a timer's sample less that of a counter's, over 1,000 series. Of each an engine is fed
{LINES:,} lines as above: {INTERVALS} intervals and a pass that are not timed, then {PASSES} passes
by turns with the other and with `c_loop`, {TURNS} times a round; scaled to a machine on which
`c_loop` takes 50 ns a line."""


def _engine(load: Load, lines: Path) -> AbstractContextManager[Turn]:
    written = write_lines(load, lines, LINES)
    return known(chunks_of(lines), written)


def measure(rounds: int) -> Answer:
    """Answers it."""
    taken_ns: list[float] = []
    with TemporaryDirectory() as folder:
        base = Path(folder, "base")
        write_lines(COUNTERS, base, LINES)
        for _ in range(rounds):
            with ExitStack() as stack:
                counters = stack.enter_context(_engine(COUNTERS, Path(folder, "lines")))
                timers = stack.enter_context(_engine(TIMERS, Path(folder, "lines")))
                for _ in range(TURNS):
                    speed = machine_speed(base)
                    more_s = -1 / counters() + 1 / timers()
                    taken_ns.append(1e9 * more_s * speed)
    figure = Figure("digest", "ns a sample", tuple(taken_ns), Target("<=", 40))
    return Answer("Digest", METHOD, (figure,))
