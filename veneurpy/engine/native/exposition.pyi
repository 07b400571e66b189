"""The series that a scrape shows: running totals of counters, last values of gauges."""

from typing import Self, final

from veneurpy.engine.native.view import ColumnsView

@final
class Exposition:
    """What `veneurpy.sinks._exposition` does too, byte for byte. For one thread at a time.

    `key` is 32 random bytes; names that begin with `reserved` are rejected; `host` is a label
    unless it is empty or a tag of that key is there.
    """

    def __new__(
        cls,
        *,
        key: bytes,
        max_series: int,
        counters_last_s: float,
        gauges_last_s: float,
        host: bytes,
        reserved: bytes,
    ) -> Self: ...
    def __len__(self) -> int: ...
    @property
    def collisions(self) -> int:
        """See veneurpy.engine.text.ShownText."""

    def apply(
        self, view: ColumnsView, *, start_ms: int, now_s: float
    ) -> tuple[tuple[int, int, int], list[int]]:
        """See veneurpy.engine.text.ShownText."""

    def expire(self, now_s: float) -> None:
        """See veneurpy.engine.text.ShownText."""

    def text(self, now_s: float) -> memoryview:
        """See veneurpy.engine.text.ShownText."""
