"""What becomes of a series when its interval is merged: another name, other tags, or nothing.

The engine asks once for each name and type of an interval. Where names become equal, their series
are merged. Only what a node receives itself is rewritten, not what other nodes forward to it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from veneurpy.engine.tags import key_of
from veneurpy.engine.types import MetricType


class Rewrite(NamedTuple):
    """What becomes of the series of one name. Names and tags are such as a client could send."""

    name: bytes
    removed: tuple[bytes, ...] = ()
    """Keys of sent tags that go."""
    stripped: tuple[bytes, ...] = ()
    """Patterns of sent tags that go: see `fits`."""
    unwanted: tuple[bytes, ...] = ()
    """Patterns of sent tags whose series are dropped, as below."""
    added: tuple[bytes, ...] = ()
    yields: bool = False
    """Whether an added tag is left out where a sent one of its key stays."""
    is_dropped: bool = False
    """All their samples are `filtered`."""

    def drops(self, sent: tuple[bytes, ...]) -> bool:
        """Whether a series that was sent with these tags is dropped."""
        return self.is_dropped or any(fits(each, tag) for each in self.unwanted for tag in sent)

    def tags(self, sent: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The tags that become of those that were sent, in normal form."""
        kept = [tag for tag in sent if not self._removes(tag)]
        keys = set(map(key_of, kept)) if self.yields else set()
        return tuple(sorted({*kept, *(tag for tag in self.added if key_of(tag) not in keys)}))

    def _removes(self, tag: bytes) -> bool:
        return key_of(tag) in self.removed or any(fits(pattern, tag) for pattern in self.stripped)


class Rewriter(Protocol):
    """Whoever says what becomes of names. Asked on one thread at a time; the same each time."""

    @property
    def name_growth(self) -> tuple[int, int]:
        """How long a name may become: so many bytes and so many times as long as it was."""
        ...

    @property
    def tag_growth(self) -> tuple[int, int]:
        """What tags may be added: so many bytes and so many times the length of the name."""
        ...

    @property
    def most_texts(self) -> int:
        """How many keys, patterns and tags a rewrite has at most."""
        ...

    def of(self, name: bytes, type_: MetricType) -> Rewrite | None:
        """None: the series of that name stay as they are."""
        ...


def fits(pattern: bytes, tag: bytes) -> bool:
    """Whether a pattern is of the tag, or without a colon of its key. `*` is any text, or none."""
    first, *others = pattern.split(b"*")
    text = tag if b":" in pattern else key_of(tag)
    if not others:
        return text == first
    *inner, last = others
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in inner:
        found = text.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True
