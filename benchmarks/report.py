"""Shows answers: as a table on the terminal, as JSON, as docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.answers import Answer, Figure

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

INTRODUCTION = """\
# Performance

Written by `make bench`; every figure on this page is of one run, {when}.

Machine: {machine}.

A figure is the median of {rounds} rounds, in which what is compared ran by turns; "from … to" are
the extremes of the rounds. The speed of a shared machine moves while one looks: compare ratios, not
absolute figures. [benchmarks/README.md](../benchmarks/README.md) tells the method and its limits.
"""


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


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


def terminal_table(answer: Answer) -> str:
    """An answer as lines of text."""
    lines = [f"\n{answer.question}"]
    for unit, rows in by_unit(answer).items():
        table = [(unit, "median", "from … to", "target"), *rows]
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


def write_page(answers: Sequence[Answer], *, machine: str, when: str, rounds: int) -> None:
    """Writes docs/performance.md."""
    parts = [INTRODUCTION.format(when=when, machine=machine, rounds=rounds)]
    for answer in answers:
        parts.append(f"## {answer.question}\n\n{answer.method}\n")
        for unit, rows in by_unit(answer).items():
            table = [f"| {unit} | median | from … to | target |", "|---|--:|--:|---|"]
            table += [f"| {' | '.join(cells)} |" for cells in rows]
            parts.append("\n".join(table) + "\n")
    PAGE.write_text("\n".join(parts))
