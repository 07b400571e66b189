"""`make bench`: asks every question, prints the figures and writes docs/performance.md.

    python -m benchmarks.bench [--rounds N] [QUESTION ...]

With questions named, only those are asked and the page is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from benchmarks import machine, report
from benchmarks.answers import Answer
from benchmarks.questions import (
    forward,
    in_memory,
    instructions,
    interval_to_columns,
    peers,
    udp_cpu,
)

QUESTIONS: dict[str, Callable[[int], Answer]] = {
    "in_memory": in_memory.measure,
    "udp_cpu": udp_cpu.measure,
    "peers": peers.measure,
    "interval_to_columns": interval_to_columns.measure,
    "forward": forward.measure,
    "instructions": instructions.measure,
}


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each is measured.")
@click.argument("questions", nargs=-1, type=click.Choice(list(QUESTIONS)))
def main(rounds: int, questions: tuple[str, ...]) -> None:
    """Asks the QUESTIONS, or all. Exits 1 when a figure misses its target."""
    described, when = machine.describe(), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    click.echo(described)
    answers = []
    for name in questions or asked_by_default():
        answer = QUESTIONS[name](rounds)
        report.write_json(name, answer, machine=described, when=when)
        click.echo(report.terminal_table(answer))
        answers.append(answer)
    if not questions:
        report.write_page(answers, machine=described, when=when, rounds=rounds)
    if any(figure.met is False for answer in answers for figure in answer.figures):
        raise click.exceptions.Exit(1)


def asked_by_default() -> list[str]:
    """Every question that can be answered here."""
    return [name for name in QUESTIONS if name != "instructions" or instructions.available()]


if __name__ == "__main__":
    main()
