"""What rules say of names and tags, remembered over intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from veneurpy.engine.rewriting import Choice, Rewrite

REMEMBERED = 100_000
"""Texts and what was asked of them; beyond it all are forgotten at once."""
REMEMBERED_BYTES = 16 << 20
"""Of their texts, likewise: who sends long names does not decide what is remembered of them."""

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """A function of texts, and whatever else, that is asked again only when it was forgotten."""

    def __init__(self, ask: Callable[..., Answer]) -> None:
        self._ask = ask
        self._known: dict[tuple[Any, ...], tuple[Answer]] = {}
        self._known_bytes = 0

    def of(self, text: bytes, *others: object) -> Answer:
        """What the function says."""
        known = self._known.get((text, *others))
        if known is None:
            if len(self._known) >= REMEMBERED or self._known_bytes >= REMEMBERED_BYTES:
                self._known.clear()
                self._known_bytes = 0
            known = (self._ask(text, *others),)
            self._known[text, *others] = known
            self._known_bytes += len(text) + _text_bytes(known[0])
        return known[0]


def _text_bytes(answer: object) -> int:
    """Of what was made for it alone; the texts of patterns are the rules'."""
    if isinstance(answer, Rewrite):
        texts = (*answer.added, *answer.removed, *(each.text for each in answer.stripped))
        return len(answer.name) + sum(map(len, texts))
    if isinstance(answer, Choice):
        return 8 * (len(answer.dropping) + len(answer.conditions) + len(answer.stripped))
    return 0
