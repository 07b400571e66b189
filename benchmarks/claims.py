"""How a run ends that has claims to check: they are told, its page is written, it exits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.conservation import Verdict

DOCS = Path(__file__).parent.parent / "docs"
"""Where pages are."""


def conclude(
    verdicts: Sequence[Verdict], text: str, page: Path | None, *, machine: str, **figures: Any
) -> None:
    """Tells each claim and writes the page, if there is to be one. Exits 1 when a claim fails.

    The text is filled with `when`, `machine`, the `rows` of the claims, and the figures.
    """
    for verdict in verdicts:
        click.echo(verdict.line)
    if page is not None:
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        rows = "\n".join(verdict.row for verdict in verdicts)
        page.write_text(text.format(when=when, machine=machine, rows=rows, **figures))
    if not all(verdict.holds for verdict in verdicts):
        raise click.exceptions.Exit(1)


def in_mib(sizes: Sequence[float]) -> str:
    """Sizes in bytes, one after the other."""
    return ", ".join(f"{size / (1 << 20):.1f}" for size in sizes)
