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
        """Points that went to a series which was made of another name or other tags."""

    def apply(
        self, view: ColumnsView, *, start_ms: int, now_s: float
    ) -> tuple[tuple[int, int, int], list[int]]:
        """Adds counters up, sets gauges.

        Returns how many rows were rejected (type conflict, too many series, reserved name), and
        which names, by their numbers in the view, were in conflict: the first 2,000.
        """

    def expire(self, now_s: float) -> None:
        """Forgets what was not applied for too long."""

    def text(self, now_s: float) -> memoryview:
        """All lines, sorted by metric, without what has expired."""
