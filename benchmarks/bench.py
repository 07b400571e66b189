"""`make bench`: asks every question, prints the figures and writes docs/performance.md.

    python -m benchmarks.bench [--rounds N] [--keep] [--again] [QUESTION ...]

With questions named, only those are asked and the page is left alone; with --again they replace
what it says of them, with the date.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import click

from benchmarks import machine, report
from benchmarks.answers import Answer
from benchmarks.questions import (
    columns_to_text,
    digest,
    event_loop,
    filtering,
    forward,
    in_memory,
    instructions,
    interval_to_columns,
    memory,
    options,
    peers,
    readers,
    sealing,
    stalls,
    streams,
    udp_cpu,
    udp_rates,
    wire,
)

QUESTIONS: dict[str, Callable[[int], Answer]] = {
    "in_memory": in_memory.measure,
    "digest": digest.measure,
    "readers": readers.measure,
    "udp_cpu": udp_cpu.measure,
    "udp_rates": udp_rates.measure,
    "streams": streams.measure,
    "peers": peers.measure,
    "stalls": stalls.measure,
    "interval_to_columns": interval_to_columns.measure,
    "columns_to_text": columns_to_text.measure,
    "event_loop": event_loop.measure,
    "filtering": filtering.measure,
    "sealing": sealing.measure,
    "memory": memory.measure,
    "wire": wire.measure,
    "options": options.measure,
    "forward": forward.measure,
    "instructions": instructions.measure,
}


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each is measured.")
@click.option("--keep", is_flag=True, help="Compare later runs with these instructions.")
@click.option("--again", is_flag=True, help="Put the answers on the page, dated.")
@click.argument("questions", nargs=-1, type=click.Choice(list(QUESTIONS)))
def main(rounds: int, keep: bool, again: bool, questions: tuple[str, ...]) -> None:
    """Asks the QUESTIONS, or all. Exits 1 when a figure misses its target."""
    described, when = machine.describe(), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    click.echo(described)
    answers = []
    for name in questions or asked_by_default():
        start_s = time.monotonic()
        answer = ask(name, rounds)
        report.write_json(name, answer, machine=described, when=when)
        click.echo(report.terminal_table(answer))
        click.echo(f"\n{name} took {time.monotonic() - start_s:.0f} s")
        if keep and name == "instructions":
            instructions.keep(answer)
        if again and questions:
            report.put_again(answer, when=when)
        answers.append(answer)
    click.echo(f"\n{report.verdict(answers)}")
    if not questions:
        report.write_page(answers, machine=described, when=when, rounds=rounds)
    if report.missed(answers):
        raise click.exceptions.Exit(1)


def ask(name: str, rounds: int) -> Answer:
    """Asks in a process of its own: the memory that one question leaves makes another's cheaper."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as apart:
        return apart.submit(QUESTIONS[name], rounds).result()


def asked_by_default() -> list[str]:
    """Every question that can be answered here."""
    return [name for name in QUESTIONS if name != "instructions" or instructions.available()]


if __name__ == "__main__":
    main()
