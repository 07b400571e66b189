"""A mapping as the engine asks for it: in bytes, remembered over intervals."""

from __future__ import annotations

from veneurpy.engine import MetricType
from veneurpy.engine.rewriting import Rewrite, Rewriter
from veneurpy.rules.mapping import Mapped, Mapping
from veneurpy.rules.remembered import Remembered

LONGEST_NAME = 16_384
"""Bytes of a name; one that would become longer stays as it is."""


class MappingRewriter(Rewriter):
    """Says what becomes of names; a `veneurpy.engine.rewriting.Rewriter`."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._remembered = Remembered(self._rewrite)

    @property
    def name_growth(self) -> tuple[int, int]:
        return self._mapping.name_growth

    @property
    def tag_growth(self) -> tuple[int, int]:
        return self._mapping.tag_growth

    @property
    def most_texts(self) -> int:
        """A key to remove and a tag to add, for each of the rule."""
        return max((2 * len(rule.tags) for rule in self._mapping.rules), default=0)

    def of(self, name: bytes, type_: MetricType) -> Rewrite | None:
        """See Rewriter."""
        return self._remembered.of((name, type_))

    def _rewrite(self, asked: tuple[bytes, MetricType]) -> Rewrite | None:
        name, type_ = asked
        return _rewrite(self._mapping.of(name.decode(), type_))


def _rewrite(mapped: Mapped | None) -> Rewrite | None:
    if mapped is None:
        return None
    name = mapped.name.encode()
    if mapped.rule.drops:
        return Rewrite(name, is_dropped=True)
    if not name or len(name) > LONGEST_NAME:
        return None
    added = tuple(f"{key}:{value}".encode() for key, value in mapped.tags)
    if mapped.rule.keeps_tags:
        return Rewrite(name, added=added, yields=True)
    return Rewrite(name, tuple(key.encode() for key, _ in mapped.tags), added=added)
