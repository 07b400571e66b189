"""Shows answers: as a table on the terminal, as JSON, as docs/performance.md with its charts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.answers import Answer, Figure
from benchmarks.charts import number, svg

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
CHARTS = "performance"
"""The folder of the charts, beside the page."""

SECTION = "\n## "
_VERDICT = re.compile(r"\d+ of \d+ targets are met\.")

HEAD = ("median", "from … to", "target")

INTRODUCTION = """\
# Performance

Written by `make bench` in one run, {when}; questions that were asked again later say when.

Machine: {machine}.

A figure is the median of its {rounds} rounds (of all turns, where a round has several), in which
what is compared ran by turns. "from … to" are the extremes; a target with "always" holds for each
of them. A shared machine is faster at one moment than at another: compare ratios, not absolute
figures. [benchmarks/README.md](../benchmarks/README.md) explains the method and its limits.

## Targets

{verdict}

| what | unit | median | target | |
|---|---|--:|--:|---|
{targets}
"""


def row(figure: Figure) -> tuple[str, str, str, str]:
    """The cells of a figure: what, median, extremes, target."""
    verdict = {None: "", True: f"{figure.target}: met", False: f"{figure.target}: MISSED"}
    spread = f"{number(min(figure.rounds))} to {number(max(figure.rounds))}"
    return figure.what, number(figure.value), spread, verdict[figure.met]


def by_unit(answer: Answer) -> dict[str, list[tuple[str, str, str, str]]]:
    """The rows of an answer, in their order, under their units."""
    rows: dict[str, list[tuple[str, str, str, str]]] = {}
    for figure in answer.figures:
        rows.setdefault(figure.unit, []).append(row(figure))
    return rows


def with_targets(answers: Sequence[Answer]) -> Iterator[tuple[Answer, Figure]]:
    """Every figure that has a target."""
    for answer in answers:
        for figure in answer.figures:
            if figure.target is not None:
                yield answer, figure


def missed(answers: Sequence[Answer]) -> list[Figure]:
    """The figures that miss their targets."""
    return [figure for _, figure in with_targets(answers) if figure.met is False]


def verdict(answers: Sequence[Answer]) -> str:
    """How many targets are met, in a sentence."""
    total = len(list(with_targets(answers)))
    return _sentence(total - len(missed(answers)), total)


def _sentence(met: int, total: int) -> str:
    return f"{met} of {total} targets are met."


def terminal_table(answer: Answer) -> str:
    """An answer as lines of text."""
    lines = [f"\n{answer.question}"]
    for unit, rows in by_unit(answer).items():
        table = [(unit, *HEAD), *rows]
        widths = [max(len(cells[i]) for cells in table) for i in range(4)]
        lines += [
            "",
            *("  " + "  ".join(map(str.ljust, cells, widths)).rstrip() for cells in table),
        ]
    return "\n".join(lines)


def write_json(name: str, answer: Answer, *, machine: str, when: str) -> None:
    """Keeps an answer, with every round, in results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    figures = [{**asdict(figure), "median": figure.value} for figure in answer.figures]
    record = {"question": answer.question, "machine": machine, "when": when, "figures": figures}
    text = json.dumps(record, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def write_page(
    answers: Sequence[Answer], *, machine: str, when: str, rounds: int, page: Path = PAGE
) -> None:
    """Writes docs/performance.md, and its charts into the folder beside it."""
    parts = [
        INTRODUCTION.format(
            when=when,
            machine=machine,
            rounds=rounds,
            verdict=verdict(answers),
            targets="\n".join(target_row(*each) for each in with_targets(answers)),
        )
    ]
    parts += [section(answer) for answer in answers]
    page.write_text("\n".join(parts))
    folder = page.parent / CHARTS
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.svg"):
        stale.unlink()
    for chart in (chart for answer in answers for chart in answer.charts):
        (folder / f"{chart.name}.svg").write_text(svg(chart))


def put_again(answer: Answer, *, when: str, page: Path = PAGE) -> None:
    """Puts an answer in the place of the one on the page, where it says that it was asked again."""
    head, targets, *sections = page.read_text().split(SECTION)
    dated = replace(answer, method=f"{answer.method}\n\nAsked again, {when}.")
    old = f"{answer.question}\n"
    new = [
        section(dated).removeprefix("## ") if text.startswith(old) else text for text in sections
    ]
    page.write_text(SECTION.join([head, _with_rows_of(answer, targets), *new]))
    for chart in answer.charts:
        (page.parent / CHARTS / f"{chart.name}.svg").write_text(svg(chart))


def _with_rows_of(answer: Answer, targets: str) -> str:
    lines = targets.split("\n")
    rows = [target_row(*each) for each in with_targets([answer])]
    old = [at for at, line in enumerate(lines) if line.startswith(f"| {answer.question}: ")]
    lines[old[0] : old[-1] + 1] = rows
    outcomes = [
        line.endswith("| met |") for line in lines if line.endswith(("met |", "missed** |"))
    ]
    return _VERDICT.sub(_sentence(sum(outcomes), len(outcomes)), "\n".join(lines))


def target_row(answer: Answer, figure: Figure) -> str:
    """A figure in the table of all targets."""
    outcome = "met" if figure.met else "**missed**"
    cells = (f"{answer.question}: {figure.what}", figure.unit, number(figure.value))
    return f"| {' | '.join(cells)} | {figure.target} | {outcome} |"


def section(answer: Answer) -> str:
    """A question's part of the page."""
    parts = [f"## {answer.question}\n\n{answer.method}\n"]
    parts += [f"![{chart.title}]({CHARTS}/{chart.name}.svg)\n" for chart in answer.charts]
    for unit, rows in by_unit(answer).items():
        table = [f"| {' | '.join((unit, *HEAD))} |", "|---|--:|--:|---|"]
        table += [f"| {' | '.join(cells)} |" for cells in rows]
        parts.append("\n".join(table) + "\n")
    return "\n".join(parts)
