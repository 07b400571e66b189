"""Which rows go to which sink: all of them to all, but for what `veneursinkonly` keeps apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from veneurpy.engine import Columns


def rows_for(
    columns: Columns, rows: Sequence[int] | None, sink: str, kind: str
) -> Sequence[int] | None:
    """Those of `rows` that are meant for the sink of that name and kind; None stands for all."""
    refused = _refused(columns, [(sink, kind)])
    if not refused:
        return rows
    sinks = columns.sinks
    numbers = range(len(columns)) if rows is None else rows
    return [row for row in numbers if sinks[row] not in refused]


def kept_from(columns: Columns, sinks: Iterable[tuple[str, str]]) -> int:
    """How many rows name sinks, and none of these (name, kind)."""
    refused = _refused(columns, sinks)
    if not refused:
        return 0
    return sum(index in refused for index in columns.sinks)


def _refused(columns: Columns, sinks: Iterable[tuple[str, str]]) -> set[int]:
    """The numbers of the sink sets that name none of `sinks`."""
    words = {word for name_and_kind in sinks for word in name_and_kind}
    named = enumerate(columns.sink_sets)
    return {index for index, names in named if names and words.isdisjoint(names)}
