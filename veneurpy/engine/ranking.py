"""Which of many lead by one of their figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

Top = TypeVar("Top")


def leading(tops: Iterable[Top], figures: Sequence[str], most: int) -> tuple[Top, ...]:
    """Those among the first `most` by any figure, in no order. A figure of 0 leads nowhere."""
    everything = list(tops)
    picked: set[Top] = set()
    for figure in figures:
        ranked = sorted(everything, key=lambda top: -getattr(top, figure))[:most]
        picked.update(top for top in ranked if getattr(top, figure))
    return tuple(picked)
