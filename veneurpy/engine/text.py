"""Points and expositions as text, made natively, where the native modules are built."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from veneurpy.engine.columns import Columns

if TYPE_CHECKING:
    from veneurpy.engine.native.view import ColumnsView

_ROWS_AT_ONCE = 10_000


class PointText(Protocol):
    """Some rows of columns. Calls let other threads run, and cost nothing when there are no rows.

    Each takes the rows from `start` to `stop` of the selection.
    """

    def __len__(self) -> int: ...

    def rows(self, start: int, stop: int, *, around: tuple[bytes, ...], separator: bytes) -> bytes:
        """One line a row: name, tags, type, scope, seconds, value, with `around` between them.

        `around` has seven pieces. With a `separator` the fields are cells as the csv module writes
        them; without one name and tags are JSON, a text and an array of texts.
        """
        ...

    def statsd(
        self, start: int, stop: int, *, most_bytes: int, start_ms: int | None
    ) -> tuple[bytes, memoryview, memoryview, int]:
        """DogStatsD lines, each with its line break, and how they are packed in datagrams.

        Returns the text; where each datagram ends in it, the line break included, which does not
        count towards `most_bytes`; how many lines each has; how many rows were too long for any
        and left out. Bytes that would end a field early are "_". With `start_ms`, that of the
        interval, points with a time of their own have it as `T`.
        """
        ...


class ShownText(Protocol):
    """The series of an exposition. For one thread at a time; see `open_exposition`."""

    def __len__(self) -> int: ...

    @property
    def collisions(self) -> int:
        """Points that went to a series which was made of another name or other tags."""
        ...

    def apply(
        self, view: ColumnsView, *, start_ms: int, now_s: float
    ) -> tuple[tuple[int, int, int], list[int]]:
        """Adds counters up, sets gauges.

        Returns how many rows were rejected (type conflict, too many series, reserved name), and
        which names, by their numbers in the columns, were in conflict: the first 2,000.
        """
        ...

    def expire(self, now_s: float) -> None:
        """Forgets what was not applied for too long."""
        ...

    def text(self, now_s: float) -> memoryview:
        """All lines, sorted by metric, without what has expired."""
        ...


def point_text(
    columns: Columns, rows: Sequence[int] | None = None, value: memoryview | None = None
) -> PointText | None:
    """The text of some rows, None for all; `value` stands in for the column of that name.

    None where the native modules are not built: what is done in Python then comes to the same.
    """
    try:
        from veneurpy.engine.native.pointtext import PointText as NativeText
    except ImportError:
        return None
    return NativeText(view_of(columns, rows, value))


def open_exposition(
    *, max_series: int, counters_last_s: float, gauges_last_s: float, host: str, reserved: str
) -> ShownText | None:
    """An empty exposition. None where the native modules are not built.

    Names that begin with `reserved` are rejected; `host` is a label unless it is empty or a tag of
    that key is there.
    """
    try:
        from veneurpy.engine.native.exposition import Exposition
    except ImportError:
        return None
    return Exposition(
        key=os.urandom(32),
        max_series=max_series,
        counters_last_s=counters_last_s,
        gauges_last_s=gauges_last_s,
        host=host.encode(),
        reserved=reserved.encode(),
    )


def view_of(
    columns: Columns, rows: Sequence[int] | None = None, value: memoryview | None = None
) -> ColumnsView:
    """The columns, held for native code. Only where the native modules are built."""
    from veneurpy.engine.native.view import ColumnsView

    value = columns.value if value is None else value
    if not isinstance(value, memoryview):
        value = memoryview(array("d", value))
    return ColumnsView(columns, _numbers(rows), value)


def _numbers(rows: Sequence[int] | None) -> memoryview | None:
    """Row numbers as a buffer of format "I"."""
    if rows is None or (isinstance(rows, memoryview) and rows.format == "I"):
        return rows
    numbers = array("I")
    for start in range(0, len(rows), _ROWS_AT_ONCE):  # all at once would hold up other threads
        numbers.extend(rows[start : start + _ROWS_AT_ONCE])
    return memoryview(numbers)
