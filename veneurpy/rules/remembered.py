"""What rules say of names, remembered over intervals."""

from __future__ import annotations

from collections.abc import Callable

from veneurpy.engine import MetricType
from veneurpy.engine.rewriting import Rewrite

REMEMBERED = 100_000
"""Names and types; beyond it all are forgotten at once."""
REMEMBERED_BYTES = 16 << 20
"""Of their texts, likewise: who sends long names does not decide what is remembered of them."""


class Remembered:
    """A function of names that is asked again only when it was forgotten."""

    def __init__(self, rewrite: Callable[[bytes, MetricType], Rewrite | None]) -> None:
        self._rewrite = rewrite
        self._known: dict[tuple[bytes, MetricType], tuple[Rewrite | None]] = {}
        self._known_bytes = 0

    def of(self, name: bytes, type_: MetricType) -> Rewrite | None:
        """What the function says."""
        known = self._known.get((name, type_))
        if known is None:
            if len(self._known) >= REMEMBERED or self._known_bytes >= REMEMBERED_BYTES:
                self._known.clear()
                self._known_bytes = 0
            known = (self._rewrite(name, type_),)
            self._known[name, type_] = known
            self._known_bytes += len(name) + _text_bytes(known[0])
        return known[0]


def _text_bytes(rewrite: Rewrite | None) -> int:
    if rewrite is None:
        return 0
    texts = (*rewrite.added, *rewrite.removed, *rewrite.stripped, *rewrite.unwanted)
    return len(rewrite.name) + sum(map(len, texts))
