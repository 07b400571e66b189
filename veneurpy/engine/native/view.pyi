"""The columns of a flush and some of their rows, held as C arrays."""

from typing import final

from veneurpy.engine.columns import Columns

@final
class ColumnsView:
    """Holds the buffers for as long as it lives.

    `rows` are row numbers (format "I"), None for all; `value` stands in for the column of that
    name. Raises ValueError when a buffer has another format or length than `Columns` promises.
    """

    def __init__(
        self,
        columns: Columns,
        rows: memoryview | None = None,
        value: memoryview | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...
