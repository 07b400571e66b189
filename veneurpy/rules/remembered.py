"""What rules say of names and tags, remembered over intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from veneurpy.engine.rewriting import Choice, Rewrite

REMEMBERED = 100_000
"""Keys; beyond it all are forgotten at once."""
REMEMBERED_BYTES = 16 << 20
"""Of texts, likewise: who sends long names does not decide what is remembered of them."""

Key = TypeVar("Key", bound=bytes | tuple[bytes, object] | tuple[bytes, object, object])
Answer = TypeVar("Answer")


class Remembered(Generic[Key, Answer]):
    """A function of a text, or of a tuple that begins with one, asked again only when forgotten."""

    def __init__(self, ask: Callable[[Key], Answer]) -> None:
        self._ask = ask
        self._known: dict[Key, Answer] = {}
        self._known_bytes = 0

    def of(self, key: Key) -> Answer:
        """What the function says."""
        try:
            return self._known[key]
        except KeyError:
            return self._learn(key)

    def of_each(self, keys: Sequence[Key]) -> list[Answer]:
        """What it says of several."""
        known = self._known
        return [known[key] if key in known else self._learn(key) for key in keys]

    def _learn(self, key: Key) -> Answer:
        if len(self._known) >= REMEMBERED or self._known_bytes >= REMEMBERED_BYTES:
            self._known.clear()
            self._known_bytes = 0
        answer = self._known[key] = self._ask(key)
        self._known_bytes += len(key if isinstance(key, bytes) else key[0]) + _text_bytes(answer)
        return answer


def _text_bytes(answer: object) -> int:
    """Of what was made for it alone; the texts of patterns are the rules'."""
    if isinstance(answer, Rewrite):
        texts = (*answer.added, *answer.removed, *(each.text for each in answer.stripped))
        return len(answer.name) + sum(map(len, texts))
    if isinstance(answer, Choice):
        return 8 * (len(answer.dropping) + len(answer.conditions) + len(answer.stripped))
    return 0
