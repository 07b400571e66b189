"""What revisions of counters add to what was flushed before, for sinks that add up."""

from __future__ import annotations

from veneurpy.engine.earlier import RowValues
from veneurpy.ports import FlushBatch


def added_values(batch: FlushBatch) -> memoryview | None:
    """What each row adds to what was flushed before; None where that is its value in every row."""
    if not batch.before:
        return None
    return RowValues.of(batch.before).less(batch.columns.value)
