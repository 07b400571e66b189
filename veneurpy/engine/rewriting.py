"""What becomes of a series when its interval is merged: another name, other tags, or nothing.

The engine asks once for each name and type of an interval, and where the answer is a choice, once
for each combination of its conditions that there is. Where names become equal, their series are
merged. Only what a node receives itself is rewritten, not what other nodes forward to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from veneurpy.engine.tag_patterns import Condition, TagPattern, holds
from veneurpy.engine.tags import key_of
from veneurpy.engine.types import MetricType

MOST_CONDITIONS = 63
"""Of a choice."""
MOST_REGEXES = 64
"""Different ones, on tags, of a rewriter."""


class Rewrite(NamedTuple):
    """What becomes of series. Names and tags are such as a client could send."""

    name: bytes
    removed: tuple[bytes, ...] = ()
    """Keys of sent tags that go."""
    stripped: tuple[TagPattern, ...] = ()
    """Sent tags that go."""
    added: tuple[bytes, ...] = ()
    yields: bool = False
    """Whether an added tag is left out where a sent one of its key stays."""
    is_dropped: bool = False
    """All their samples are `filtered`."""

    def tags(self, sent: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The tags that become of those that were sent, in normal form."""
        kept = [tag for tag in sent if not self._removes(tag)]
        keys = set(map(key_of, kept)) if self.yields else set()
        return tuple(sorted({*kept, *(tag for tag in self.added if key_of(tag) not in keys)}))

    def _removes(self, tag: bytes) -> bool:
        return key_of(tag) in self.removed or any(each.fits(tag) for each in self.stripped)


class Choice(NamedTuple):
    """Conditions that decide what becomes of the series of one name."""

    dropping: tuple[Condition, ...] = ()
    """A series that one of them holds for is dropped."""
    conditions: tuple[Condition, ...] = ()
    """Which of them hold for another one, says what it is asked about: see `Rewriter.chosen`."""
    stripped: tuple[TagPattern, ...] = ()
    """All that those rewrites may have."""

    def held(self, sent: tuple[bytes, ...]) -> int | None:
        """Which conditions hold, bit by bit; None: the series is dropped."""
        if any(holds(each, sent) for each in self.dropping):
            return None
        return sum(holds(each, sent) << bit for bit, each in enumerate(self.conditions))


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
        """How many keys, patterns and tags a rewrite or a choice has at most."""
        ...

    @property
    def most_chosen(self) -> int:
        """How many rewrites the series of one name and type have between them; 0: no choices."""
        return 0

    @property
    def tag_regexes(self) -> tuple[bytes, ...]:
        """The different regular expressions on tags."""
        return ()

    def verdicts(self, tags: Sequence[bytes]) -> Sequence[int]:
        """Of each tag, which of `tag_regexes` are found in it, bit by bit."""
        return [0] * len(tags)

    def of(self, name: bytes, type_: MetricType) -> Rewrite | Choice | None:
        """None: the series of that name stay as they are."""
        ...

    def chosen(self, name: bytes, type_: MetricType, held: int) -> Rewrite | None:
        """What becomes of the series of that name for which these conditions of the choice hold."""
        return None


def rewrite_of(
    rewriter: Rewriter, name: bytes, type_: MetricType, sent: tuple[bytes, ...]
) -> Rewrite | None:
    """What becomes of the series with that name and these tags, as sent."""
    answer = rewriter.of(name, type_)
    if not isinstance(answer, Choice):
        return answer
    held = answer.held(sent)
    if held is None:
        return Rewrite(name, is_dropped=True)
    return rewriter.chosen(name, type_, held)
