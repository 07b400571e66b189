"""Many glob patterns over names of dotted parts, matched in one walk.

`*` stands for one whole part, as in the mappings of Prometheus' statsd_exporter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_ANY = "*"


class GlobMatch(NamedTuple):
    """One pattern that a name matches."""

    number: int
    captures: tuple[str, ...]
    """What each `*` stood for."""
    literals: tuple[bool, ...]
    """For each part, whether the pattern names it: what makes it more special than another."""


class _Node:
    __slots__ = ("branches", "numbers")

    def __init__(self) -> None:
        self.branches: dict[str, _Node] = {}
        self.numbers: list[int] = []


class Globs:
    """Patterns by number; how many there are hardly matters to how long a name takes."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, pattern: str, number: int) -> None:
        """Adds a pattern; the numbers need not be distinct."""
        node = self._root
        for part in pattern.split("."):
            node = node.branches.setdefault(part, _Node())
        node.numbers.append(number)

    def matches(self, name: str) -> Iterator[GlobMatch]:
        """Every pattern that matches the whole name, in no order."""
        parts = name.split(".")
        walks: list[tuple[_Node, tuple[str, ...], tuple[bool, ...]]] = [(self._root, (), ())]
        for part in parts:
            onward = []
            for node, captures, literals in walks:
                if (named := node.branches.get(part)) is not None and part != _ANY:
                    onward.append((named, captures, (*literals, True)))
                if (anything := node.branches.get(_ANY)) is not None and part:
                    onward.append((anything, (*captures, part), (*literals, False)))
            walks = onward
        for node, captures, literals in walks:
            for number in node.numbers:
                yield GlobMatch(number, captures, literals)
