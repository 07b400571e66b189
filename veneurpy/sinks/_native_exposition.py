"""The exposition whose series lie in native memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from veneurpy.engine.text import ShownText, open_exposition, view_of
from veneurpy.ports import FlushBatch
from veneurpy.sinks._amended import added_values
from veneurpy.sinks._exposition import PythonExposition
from veneurpy.sinks._shown import OWN_PREFIX, REASONS, Applied, Exposition, own_text

_PIECE_BYTES = 256 * 1024


def exposition_of(
    *, max_series: int, gauges_last_s: float, counters_last_s: float, host: str = ""
) -> Exposition:
    """The native exposition where it is built, else the one in Python: both show the same."""
    shown = open_exposition(
        max_series=max_series,
        counters_last_s=counters_last_s,
        gauges_last_s=gauges_last_s,
        host=host,
        reserved=OWN_PREFIX,
    )
    if shown is not None:
        return NativeExposition(shown)
    return PythonExposition(
        max_series=max_series,
        gauges_last_s=gauges_last_s,
        counters_last_s=counters_last_s,
        host=host,
    )


class NativeExposition:
    """What takes long lets other threads run."""

    def __init__(self, shown: ShownText) -> None:
        self._shown = shown
        self._rejected: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"NativeExposition(series={len(self._shown)}, collisions={self._shown.collisions})"

    def apply(self, batch: FlushBatch, now_s: float) -> Applied:
        self._shown.expire(now_s)
        view = view_of(batch.columns, batch.rows, added_values(batch))
        counts, conflicts = self._shown.apply(view, start_ms=batch.start_ms, now_s=now_s)
        rejected = {why: count for why, count in zip(REASONS, counts, strict=True) if count}
        self._rejected.update(rejected)
        names = batch.columns.names
        return Applied(rejected, {names[index] for index in conflicts})

    def text(self, now_s: float) -> Sequence[bytes | memoryview]:
        lines = self._shown.text(now_s)
        starts = range(0, len(lines), _PIECE_BYTES)
        pieces: list[bytes | memoryview] = [lines[i : i + _PIECE_BYTES] for i in starts]
        own = own_text(len(self._shown), self._shown.collisions, self._rejected)
        return [*pieces, own.encode()]
