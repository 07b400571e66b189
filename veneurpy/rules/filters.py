"""Filters: which names are dropped or renamed, and which tags are stripped from them or added.

All are compared with the name as it was sent. Any that drops prevails; of those that rename, the
first; what they do to tags is done in their order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from veneurpy.rules.globs import Globs
from veneurpy.rules.mapping import captures_in, fill, numbered, places_of

NameMatch = Literal["any", "exact", "prefix", "glob", "regex"]


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter."""

    kind: NameMatch = "any"
    match: str = ""
    drops: bool = False
    rename: str = ""
    """A template; empty: the name stays. `$1` of a prefix is what follows it."""
    unwanted: tuple[str, ...] = ()
    """Patterns, as below: series with such a tag are dropped."""
    stripped: tuple[str, ...] = ()
    """Patterns, see `veneurpy.engine.rewriting.fits`."""
    added: tuple[str, ...] = ()
    """Tags. One replaces those of equal key."""
    number: int = 0
    """Which of the list it is, from 0."""

    @property
    def growth(self) -> tuple[int, int]:
        """What a new name has at most: so many bytes and so many times the old name."""
        plain, places = fill(self.rename, {}), captures_in(self.rename)
        # Captures of a regular expression may lie within each other, others do not.
        most = len(places) if self.kind == "regex" else max(map(places.count, places), default=0)
        return len(plain.encode()), most


class Filtered(NamedTuple):
    """What all filters make of a name."""

    acting: tuple[Filter, ...]
    """Where it is dropped, those that drop it."""
    name: str
    """Empty where it is dropped, or would have come to nothing."""

    @property
    def is_dropped(self) -> bool:
        return self.acting[0].drops


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

    def of(self, name: str) -> Filtered | None:
        """What a name becomes; None if no filter is about it."""
        acting = []
        renamed = None
        for each, pattern in self._compiled:
            places = _captures(each, pattern, name)
            if places is None:
                continue
            acting.append(each)
            if each.rename and renamed is None:
                renamed = fill(each.rename, places)
        if not acting:
            return None
        if dropping := tuple(each for each in acting if each.drops):
            return Filtered(dropping, "")
        return Filtered(tuple(acting), name if renamed is None else renamed)

    @cached_property
    def _compiled(self) -> list[tuple[Filter, re.Pattern[str] | Globs | None]]:
        return [(each, _compiled(each)) for each in self.filters]


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
