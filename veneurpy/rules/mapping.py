"""Names of plain StatsD to names and tags, by the rules of Prometheus' statsd_exporter.

Globs come before regular expressions; within each the first rule of the file that matches wins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from veneurpy.engine import MetricType
from veneurpy.rules.globs import GlobMatch, Globs

MatchedType = Literal["", "counter", "gauge", "observer", "set"]
REMEMBERED = 100_000
"""Names whose mapping is remembered."""

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
    """Empty: it is dropped."""
    tags: tuple[tuple[str, str], ...] = ()

    def apply(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The sent tags with those of the rule; of equal keys one prevails."""
        sent = {tag.partition(":")[0] for tag in tags}
        added = {key for key, _ in self.tags}
        if self.rule.keeps_tags:
            new = [f"{key}:{value}" for key, value in self.tags if key not in sent]
            return tuple(sorted({*tags, *new}))
        kept = [tag for tag in tags if tag.partition(":")[0] not in added]
        return tuple(sorted({*kept, *(f"{key}:{value}" for key, value in self.tags)}))


@dataclass
class Mapping:
    """All rules of a file."""

    rules: tuple[Rule, ...]
    most_special_first: bool = False
    """Of several globs, the one that names more of the first parts wins, and not the first one."""
    _known: dict[tuple[str, MatchedType], Mapped | None] = field(default_factory=dict)

    def of(self, name: str, type_: MetricType) -> Mapped | None:
        """What a name becomes; None if no rule matches."""
        key = (name, _TYPES[type_])
        if key not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = self._find(*key)
        return self._known[key]

    def _find(self, name: str, type_: MatchedType) -> Mapped | None:
        if (match := self._glob(name, type_)) is not None:
            rule = self.rules[match.number]
            return _filled(rule, {str(i): text for i, text in enumerate(match.captures, 1)})
        for rule, pattern in self._patterns:
            if rule.type in ("", type_) and (found := pattern.search(name)):
                places = {str(i): text or "" for i, text in enumerate(found.groups(), 1)}
                return _filled(rule, places | {"0": found[0]} | _without_none(found.groupdict()))
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
        return [(rule, re.compile(rule.match)) for rule in self.rules if rule.is_regex]


def _anything_first(match: GlobMatch) -> list[bool]:
    return [not literal for literal in match.literals]


def _without_none(groups: dict[str, str | None]) -> dict[str, str]:
    return {name: text or "" for name, text in groups.items()}


def _filled(rule: Rule, places: dict[str, str]) -> Mapped:
    if rule.drops:
        return Mapped(rule, "")
    tags = tuple((key, _fill(value, places)) for key, value in rule.tags)
    return Mapped(rule, _fill(rule.name, places), tags)


def _fill(template: str, places: dict[str, str]) -> str:
    return _PLACE.sub(lambda found: places.get(found[1] or found[2], ""), template)
