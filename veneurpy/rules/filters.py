"""Filters: which series are dropped or renamed, and which tags are stripped from them or added.

All are compared with the name and the tags as they were sent. Any that drops prevails; of those
that rename, the first; what they do to tags is done in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from veneurpy.engine.tag_patterns import Condition, TagMatch, TagPattern, holds
from veneurpy.rules.globs import Globs
from veneurpy.rules.mapping import captures_in, fill, numbered, places_of

NameMatch = Literal["any", "exact", "prefix", "glob", "regex"]


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter."""

    kind: NameMatch = "any"
    match: str = ""
    tags: Condition = ()
    """What must hold as well."""
    drops: bool = False
    rename: str = ""
    """A template; empty: the name stays. `$1` of a prefix is what follows it."""
    unwanted: tuple[TagPattern, ...] = ()
    """Series with such a tag are dropped."""
    stripped: tuple[TagPattern, ...] = ()
    added: tuple[str, ...] = ()
    """Tags. One replaces those of equal key."""
    number: int = 0
    """Which of the list it is, from 0."""

    @property
    def changes(self) -> bool:
        """Whether it does something to series that are kept."""
        return bool(self.rename or self.stripped or self.added)

    @property
    def dropping(self) -> tuple[Condition, ...]:
        """Whose series it drops; the empty condition always holds."""
        each = tuple((*self.tags, pattern) for pattern in self.unwanted)
        return (self.tags, *each) if self.drops else each

    @property
    def patterns(self) -> tuple[TagPattern, ...]:
        """All patterns of tags."""
        return (*self.tags, *self.unwanted, *self.stripped)

    @property
    def growth(self) -> tuple[int, int]:
        """What a new name has at most: so many bytes and so many times the old name."""
        plain, places = fill(self.rename, {}), captures_in(self.rename)
        # Captures of a regular expression may lie within each other, others do not.
        most = len(places) if self.kind == "regex" else max(map(places.count, places), default=0)
        return len(plain.encode()), most


class Acting(NamedTuple):
    """A filter that is about a name."""

    filter: Filter
    captures: dict[str, str]
    """What its template may name."""


@dataclass
class Filters:
    """All filters of a node."""

    filters: Sequence[Filter] = ()

    @property
    def name_growth(self) -> tuple[int, int]:
        """How long a name may become: so many bytes and so many times as long as it was."""
        growths = [each.growth for each in self.filters]
        return max((g[0] for g in growths), default=0), max([1, *(g[1] for g in growths)])

    @property
    def added_bytes(self) -> int:
        """How long the added tags may be together."""
        return sum(len(tag.encode()) + 1 for each in self.filters for tag in each.added)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The different ones that do not only drop."""
        return conditions_of(self.filters)

    @property
    def drops_by_tag(self) -> bool:
        """Whether there are any that do."""
        return any(condition for each in self.filters for condition in each.dropping)

    @cached_property
    def tag_regexes(self) -> tuple[bytes, ...]:
        """The different regular expressions on tags."""
        patterns = (pattern for each in self.filters for pattern in each.patterns)
        return tuple(dict.fromkeys(p.text for p in patterns if p.match is TagMatch.REGEX))

    def about(self, name: str) -> tuple[Acting, ...]:
        """Those whose name it is, whatever the tags are."""
        return tuple(self._about(name))

    def acting(self, name: str, sent: Sequence[bytes]) -> tuple[Filter, ...]:
        """Those that decide over a series with these tags; where some drop it, they alone."""
        about = [each.filter for each in self.about(name)]
        dropping = tuple(each for each in about if any(holds(c, sent) for c in each.dropping))
        return dropping or tuple(each for each in about if each.changes and holds(each.tags, sent))

    def _about(self, name: str) -> Iterator[Acting]:
        for each, pattern in self._compiled:
            captures = _captures(each, pattern, name)
            if captures is not None:
                yield Acting(each, captures)

    @cached_property
    def _compiled(self) -> list[tuple[Filter, re.Pattern[str] | Globs | None]]:
        return [(each, _compiled(each)) for each in self.filters]


def conditions_of(filters: Iterable[Filter]) -> tuple[Condition, ...]:
    """The different conditions of those that change series that are kept."""
    return tuple(dict.fromkeys(each.tags for each in filters if each.tags and each.changes))


def new_name(name: str, acting: Iterable[Acting]) -> str:
    """By the first that renames."""
    for each in acting:
        if each.filter.rename:
            return fill(each.filter.rename, each.captures)
    return name


def _compiled(each: Filter) -> re.Pattern[str] | Globs | None:
    if each.kind == "regex":
        return re.compile(each.match)
    if each.kind == "glob":
        globs = Globs()
        globs.add(each.match, 0)
        return globs
    return None


def _captures(
    each: Filter, pattern: re.Pattern[str] | Globs | None, name: str
) -> dict[str, str] | None:
    """What its template may name; None where it is not about the name."""
    if isinstance(pattern, re.Pattern):
        found = pattern.search(name)
        return None if found is None else places_of(found)
    if pattern is not None:
        for match in pattern.matches(name):
            return numbered(match.captures)
        return None
    if each.kind == "prefix":
        return {"1": name.removeprefix(each.match)} if name.startswith(each.match) else None
    return {} if each.kind == "any" or name == each.match else None
