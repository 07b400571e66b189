"""What becomes of a series when its interval is merged: another name, other tags, or nothing.

The engine asks once for each name and type of an interval. Where names become equal, their series
are merged. Only what a node receives itself is rewritten, not what other nodes forward to it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from veneurpy.engine.types import MetricType


class Rewrite(NamedTuple):
    """What becomes of the series of one name. Names and tags are such as a client could send."""

    name: bytes
    removed: tuple[bytes, ...] = ()
    """Keys of sent tags that go."""
    added: tuple[bytes, ...] = ()
    yields: bool = False
    """Whether an added tag is left out where a sent one of its key stays."""
    is_dropped: bool = False
    """All their samples are `filtered`."""

    def tags(self, sent: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The tags that become of those that were sent, in normal form."""
        kept = [tag for tag in sent if _key(tag) not in self.removed]
        keys = set(map(_key, kept)) if self.yields else set()
        return tuple(sorted({*kept, *(tag for tag in self.added if _key(tag) not in keys)}))


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

    def of(self, name: bytes, type_: MetricType) -> Rewrite | None:
        """None: the series of that name stay as they are."""
        ...


def _key(tag: bytes) -> bytes:
    return tag.partition(b":")[0]
