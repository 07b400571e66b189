"""Counters of one interval found in another, without the GIL."""

from veneurpy.engine.native.view import ColumnsView

def earlier(
    now: ColumnsView,
    then: ColumnsView,
    *,
    key: bytes,
    sinks_then: memoryview,
    now_kinds: memoryview,
    now_sinks: memoryview,
    then_kinds: memoryview,
    then_sinks: memoryview,
) -> tuple[memoryview, memoryview]:
    """See `veneurpy.engine.earlier.earlier_values`: the rows and the values.

    `kinds` are the columns `series_type`; `sinks_then` has the number of each sink set of now in
    then, 65535 where it is none there.
    """

def less(value: memoryview, rows: memoryview, values: memoryview) -> memoryview:
    """See `veneurpy.engine.earlier.RowValues.less`."""
