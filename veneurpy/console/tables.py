"""Counts and tables in plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def counted(number: int, what: str) -> str:
    """`1 batch`, `2,000 batches`; `what` is the plural."""
    if number != 1 or what == "series":
        return f"{number:,} {what}"
    return f"1 {what.removesuffix('es') if what == 'batches' else what.removesuffix('s')}"


def table(rows: Iterable[Sequence[str]]) -> str:
    """The first column to the left, the numbers to the right."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        padded = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *padded]))
    return "\n".join(lines)
