"""Filters as the engine asks for them, before whatever else rewrites names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from veneurpy.engine import MetricType
from veneurpy.engine.rewriting import Choice, Rewrite, Rewriter
from veneurpy.engine.tags import key_of
from veneurpy.rules.filters import Acting, Filter, Filters, conditions_of, new_name
from veneurpy.rules.remembered import Remembered
from veneurpy.rules.rewriter import LONGEST_NAME, MappingRewriter


class FilterRewriter(Rewriter):
    """Says what becomes of names; a `veneurpy.engine.rewriting.Rewriter`."""

    def __init__(self, filters: Filters, onward: MappingRewriter | None = None) -> None:
        self._filters = filters
        self._onward = onward
        self._answers = Remembered(self._answer)
        self._chosen = Remembered(self._choose)
        self._verdicts = Remembered(self._judge)
        self._regexes = [re.compile(text.decode()) for text in filters.tag_regexes]

    @property
    def name_growth(self) -> tuple[int, int]:
        filtered = self._filters.name_growth
        if self._onward is None:
            return filtered
        then, times = self._onward.name_growth
        # The second may leave a name alone.
        return max(filtered[0], then + times * filtered[0]), max(1, times) * filtered[1]

    @property
    def tag_growth(self) -> tuple[int, int]:
        added = self._filters.added_bytes
        if self._onward is None:
            return added, 0
        renamed, named = self._filters.name_growth
        then, times = self._onward.tag_growth
        return added + then + times * renamed, times * named

    @property
    def most_texts(self) -> int:
        then = 0 if self._onward is None else self._onward.most_texts
        return then + sum(map(_texts_of, self._filters.filters))

    @property
    def most_chosen(self) -> int:
        dropped = int(self._filters.drops_by_tag)
        conditions = len(self._filters.conditions)
        return 2**conditions + dropped if conditions or dropped else 0

    @property
    def tag_regexes(self) -> tuple[bytes, ...]:
        return self._filters.tag_regexes

    def verdicts(self, tags: Sequence[bytes]) -> Sequence[int]:
        """See Rewriter."""
        return self._verdicts.of_each(tags)

    def of(self, name: bytes, type_: MetricType) -> Rewrite | Choice | None:
        """See Rewriter."""
        return self._answers.of((name, type_))

    def chosen(self, name: bytes, type_: MetricType, held: int) -> Rewrite | None:
        """See Rewriter."""
        return self._chosen.of((name, type_, held))

    def _judge(self, tag: bytes) -> int:
        text, verdict = tag.decode(), 0
        for bit, regex in enumerate(self._regexes):
            if regex.search(text) is not None:
                verdict |= 1 << bit
        return verdict

    def _answer(self, asked: tuple[bytes, MetricType]) -> Rewrite | Choice | None:
        name, type_ = asked
        acting = self._filters.about(name.decode())
        filters = [each.filter for each in acting]
        dropping = tuple(dict.fromkeys(c for each in filters for c in each.dropping))
        if () in dropping:
            return Rewrite(name, is_dropped=True)
        conditions = conditions_of(filters)
        if dropping or conditions:
            stripped = (pattern for each in filters for pattern in each.stripped)
            return Choice(dropping, conditions, tuple(dict.fromkeys(stripped)))
        return self._changed(name, type_, acting)

    def _choose(self, asked: tuple[bytes, MetricType, int]) -> Rewrite | None:
        name, type_, held = asked
        acting = self._filters.about(name.decode())
        conditions = conditions_of(each.filter for each in acting)
        holding = {(), *(each for bit, each in enumerate(conditions) if held >> bit & 1)}
        return self._changed(name, type_, [each for each in acting if each.filter.tags in holding])

    def _changed(self, name: bytes, type_: MetricType, acting: Sequence[Acting]) -> Rewrite | None:
        """By filters and by whatever comes next. None: nothing is."""
        first = _filtered(name, [each for each in acting if each.filter.changes])
        middle = name if first is None else first.name
        then = None if self._onward is None else self._onward.of(middle, type_)
        if first is None or then is None:
            return then or first
        return _both(first, then)


def _texts_of(each: Filter) -> int:
    """How many patterns, keys and tags a filter adds to a rewrite or a choice."""
    conditions = sum(map(len, each.dropping)) + len(each.tags)
    return conditions + len(each.stripped) + 2 * len(each.added)


def _filtered(name: bytes, acting: Sequence[Acting]) -> Rewrite | None:
    if not acting:
        return None
    new = new_name(name.decode(), acting).encode()
    rewrite = Rewrite(name if not new or len(new) > LONGEST_NAME else new)
    for each in acting:
        rewrite = _with_tags(rewrite, each.filter)
    return rewrite


def _with_tags(before: Rewrite, each: Filter) -> Rewrite:
    """And then the tags of one filter."""
    new = tuple(tag.encode() for tag in each.added)
    keys = {key_of(tag) for tag in new}
    kept = [
        tag
        for tag in before.added
        if key_of(tag) not in keys and not any(pattern.fits(tag) for pattern in each.stripped)
    ]
    return before._replace(
        removed=tuple(dict.fromkeys((*before.removed, *map(key_of, new)))),
        stripped=tuple(dict.fromkeys((*before.stripped, *each.stripped))),
        added=(*kept, *new),
    )


def _both(first: Rewrite, then: Rewrite) -> Rewrite:
    """One rewrite that does what two do one after the other."""
    if then.is_dropped:
        return then
    kept = then._replace(added=()).tags(first.added)
    keys = set(map(key_of, kept)) if then.yields else set()
    return then._replace(
        removed=tuple(dict.fromkeys((*first.removed, *then.removed))),
        stripped=(*first.stripped, *then.stripped),
        added=(*kept, *(tag for tag in then.added if key_of(tag) not in keys)),
    )
