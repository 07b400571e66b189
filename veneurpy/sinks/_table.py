"""One interval as an aligned table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from veneurpy.model import Point
from veneurpy.ports import FlushBatch
from veneurpy.sinks._rows import number
from veneurpy.sinks._text import (
    cells,
    first_in_order,
    fitted,
    kind,
    printable,
    readable,
    utc,
)

_GAP = "  "
_LEAST_TAG_CELLS = 12
_DIM, _BOLD, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"


class Table:
    """Draws batches for a terminal of `width` columns; `colour` for those who can show it."""

    def __init__(self, *, max_rows: int, width: int, colour: bool) -> None:
        self._max_rows = max_rows
        self._width = width
        self._colour = colour

    def draw(self, batch: FlushBatch) -> str:
        """The table of one flush and an empty line. Walks all rows: fit for a thread."""
        shown = list(first_in_order(batch, self._max_rows).points())
        lines = [self._head(batch), *self._rows(shown, batch.start_ms)]
        if (hidden := len(batch) - len(shown)) > 0:
            lines.append(self._painted(f"… and {hidden:,} more", _DIM))
        return "\n".join(lines) + "\n\n"

    def _head(self, batch: FlushBatch) -> str:
        when = self._painted(utc(batch.start_ms, separator=" "), _BOLD)
        points = "point" if len(batch) == 1 else "points"
        rest = f"{number(batch.interval_s)} s{_GAP}{len(batch):,} {points}"
        return f"{when}{_GAP}{self._painted(rest, _DIM)}"

    def _rows(self, points: Sequence[Point], start_ms: int) -> Iterator[str]:
        names = [printable(point.name) for point in points]
        tags = [printable(",".join(point.tags)) for point in points]
        values = _aligned([readable(point.value) for point in points])
        kinds = [_kind(point, start_ms) for point in points]
        name_width, tag_width = self._widths(names, tags, len(values[0]) + _widest(kinds))
        for name, tag, value, word in zip(names, tags, values, kinds, strict=True):
            middle = f"{self._painted(fitted(tag, tag_width), _DIM)}{_GAP}" if tag_width else ""
            end = f"{value}{_GAP}{self._painted(word, _DIM)}"
            yield f"{fitted(name, name_width)}{_GAP}{middle}{end}"

    def _widths(self, names: Sequence[str], tags: Sequence[str], taken: int) -> tuple[int, int]:
        room = max(self._width - taken - 3 * len(_GAP), 3 * _LEAST_TAG_CELLS)
        tag_width = _widest(tags)
        name_width = min(_widest(names), max(room - tag_width, 2 * room // 3))
        return name_width, min(tag_width, room - name_width) if tag_width else 0

    def _painted(self, text: str, paint: str) -> str:
        return f"{paint}{text}{_RESET}" if self._colour else text


def _kind(point: Point, start_ms: int) -> str:
    # A point that was sent with a time of its own says so.
    own_time = "" if point.timestamp_ms == start_ms else f" at {utc(point.timestamp_ms)}"
    return f"{kind(point)}{own_time}"


def _widest(texts: Sequence[str]) -> int:
    return max(map(cells, texts), default=0)


def _aligned(numbers: Sequence[str]) -> list[str]:
    """The numbers with their decimal points below one another."""
    parts = [number.partition(".") for number in numbers]
    whole = max(len(before) for before, _, _ in parts)
    fraction = max(len(point) + len(after) for _, point, after in parts)
    return [f"{before:>{whole}}{point + after:<{fraction}}" for before, point, after in parts]
