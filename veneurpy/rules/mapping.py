"""Names of plain StatsD to names and tags, by the rules of Prometheus' statsd_exporter.

Globs come before regular expressions; within each the first rule of the file that matches wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from veneurpy.engine import MetricType
from veneurpy.rules.globs import GlobMatch, Globs
from veneurpy.rules.re2 import as_python

MatchedType = Literal["", "counter", "gauge", "observer", "set"]

_PLACE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_TYPES: dict[MetricType, MatchedType] = {
    MetricType.COUNTER: "counter",
    MetricType.GAUGE: "gauge",
    MetricType.HISTOGRAM: "observer",
    MetricType.TIMER: "observer",
    MetricType.SET: "set",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    match: str
    """A glob, or a regular expression in the syntax of RE2."""
    name: str = ""
    """A template: `$1` or `${1}` is what the first `*` or group stood for."""
    tags: tuple[tuple[str, str], ...] = ()
    """Keys, and templates of their values."""
    is_regex: bool = False
    type: MatchedType = ""
    """Empty: of any type."""
    drops: bool = False
    keeps_tags: bool = False
    """Whether a tag that was sent prevails over one of the rule with the same key."""
    line: int = 0
    """Where it stands in its file."""


class Mapped(NamedTuple):
    """What a name becomes."""

    rule: Rule
    name: str
    """Empty where the rule drops it, or its template comes to nothing: then it stays."""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass
class Mapping:
    """All rules of a file."""

    rules: tuple[Rule, ...]
    most_special_first: bool = False
    """Of several globs, the one that names more of the first parts wins, and not the first one."""

    @property
    def name_growth(self) -> tuple[int, int]:
        """How long a name may become: so many bytes and so many times as long as it was."""
        return _most([_growth(rule.name) for rule in self.rules])

    @property
    def tag_growth(self) -> tuple[int, int]:
        """How much a rule's tags may be, likewise."""
        return _most([_growth(",".join(f"{k}:{v}," for k, v in rule.tags)) for rule in self.rules])

    def of(self, name: str, type_: MetricType) -> Mapped | None:
        """What a name becomes; None if no rule matches."""
        if (match := self._glob(name, _TYPES[type_])) is not None:
            rule = self.rules[match.number]
            return _filled(rule, numbered(match.captures))
        for rule, pattern in self._patterns:
            if rule.type in ("", _TYPES[type_]) and (found := pattern.search(name)):
                return _filled(rule, places_of(found))
        return None

    def _glob(self, name: str, type_: MatchedType) -> GlobMatch | None:
        fitting = [
            match
            for match in self._globs.matches(name)
            if self.rules[match.number].type in ("", type_)
        ]
        if self.most_special_first:
            return min(fitting, key=lambda m: (_anything_first(m), m.number), default=None)
        return min(fitting, key=lambda match: match.number, default=None)

    @cached_property
    def _globs(self) -> Globs:
        globs = Globs()
        for number, rule in enumerate(self.rules):
            if not rule.is_regex:
                globs.add(rule.match, number)
        return globs

    @cached_property
    def _patterns(self) -> list[tuple[Rule, re.Pattern[str]]]:
        return [(r, re.compile(as_python(r.match))) for r in self.rules if r.is_regex]


def _anything_first(match: GlobMatch) -> list[bool]:
    return [not literal for literal in match.literals]


def _filled(rule: Rule, places: dict[str, str]) -> Mapped:
    if rule.drops:
        return Mapped(rule, "")
    # A comma would end the tag.
    tags = tuple((key, fill(value, places).replace(",", "_")) for key, value in rule.tags)
    return Mapped(rule, fill(rule.name, places), tags)


def numbered(captures: Iterable[str | None]) -> dict[str, str]:
    """Captures by the numbers that templates give them, from 1; what took no part is empty."""
    return {str(i): text or "" for i, text in enumerate(captures, 1)}


def places_of(found: re.Match[str]) -> dict[str, str]:
    """What a template may name of a regular expression's match."""
    named = {name: text or "" for name, text in found.groupdict().items()}
    return numbered(found.groups()) | {"0": found[0]} | named


def fill(template: str, places: dict[str, str]) -> str:
    """A template with what its captures stood for."""
    return _PLACE.sub(lambda found: places.get(found[1] or found[2], ""), template)


def captures_in(template: str) -> list[str]:
    """The numbers and names of the captures that a template names."""
    return [found[1] or found[2] for found in _PLACE.finditer(template)]


def _growth(template: str) -> tuple[int, int]:
    return len(_PLACE.sub("", template).encode()), len(captures_in(template))


def _most(growths: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return max((g[0] for g in growths), default=0), max((g[1] for g in growths), default=0)
