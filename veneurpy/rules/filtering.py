"""Filters as the engine asks for them, before whatever else rewrites names."""

from __future__ import annotations

from veneurpy.engine import MetricType
from veneurpy.engine.rewriting import Rewrite, Rewriter, fits
from veneurpy.engine.tags import key_of
from veneurpy.rules.filters import Filter, Filters
from veneurpy.rules.remembered import Remembered
from veneurpy.rules.rewriter import LONGEST_NAME


class FilterRewriter:
    """Says what becomes of names; a `veneurpy.engine.rewriting.Rewriter`."""

    def __init__(self, filters: Filters, onward: Rewriter | None = None) -> None:
        self._filters = filters
        self._onward = onward
        self._remembered = Remembered(self._rewrite)

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
        return then + sum(
            len(f.unwanted) + len(f.stripped) + 2 * len(f.added) for f in self._filters.filters
        )

    def of(self, name: bytes, type_: MetricType) -> Rewrite | None:
        """See Rewriter."""
        return self._remembered.of(name, type_)

    def _rewrite(self, name: bytes, type_: MetricType) -> Rewrite | None:
        first = self._filtered(name)
        if first is not None and first.is_dropped:
            return first
        middle = name if first is None else first.name
        then = None if self._onward is None else self._onward.of(middle, type_)
        if first is None or then is None:
            return then or first
        return _both(first, then)

    def _filtered(self, name: bytes) -> Rewrite | None:
        filtered = self._filters.of(name.decode())
        if filtered is None:
            return None
        if filtered.is_dropped:
            return Rewrite(name, is_dropped=True)
        new = filtered.name.encode()
        rewrite = Rewrite(name if not new or len(new) > LONGEST_NAME else new)
        for each in filtered.acting:
            rewrite = _with_tags(rewrite, each)
        return rewrite


def _with_tags(before: Rewrite, each: Filter) -> Rewrite:
    """And then the tags of one filter."""
    stripped = tuple(pattern.encode() for pattern in each.stripped)
    new = tuple(tag.encode() for tag in each.added)
    keys = {key_of(tag) for tag in new}
    kept = [
        tag
        for tag in before.added
        if key_of(tag) not in keys and not any(fits(pattern, tag) for pattern in stripped)
    ]
    return before._replace(
        unwanted=(*before.unwanted, *(pattern.encode() for pattern in each.unwanted)),
        removed=tuple(dict.fromkeys((*before.removed, *map(key_of, new)))),
        stripped=tuple(dict.fromkeys((*before.stripped, *stripped))),
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
        unwanted=(*first.unwanted, *then.unwanted),
        added=(*kept, *(tag for tag in then.added if key_of(tag) not in keys)),
    )
