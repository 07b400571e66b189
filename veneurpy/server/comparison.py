"""What two configurations make of the same traffic, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose

from veneurpy.server.rehearsal import Outcome, SeriesName

_EQUAL = 1e-12
"""As far as the order of additions goes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One series, or one figure, that is not the same. None: it is not there."""

    what: str
    old: float | None
    new: float | None
    points: int = 1
    """At how many times it differs; the values are those of the first."""


def differences(old: Outcome, new: Outcome, *, by_time: bool) -> Iterator[Difference]:
    """Series in order of their names, then figures.

    Not `by_time`: intervals differ in length, and only what they add up to can be compared.
    """
    for name in sorted(old.series.keys() | new.series.keys()):
        before, after = old.series.get(name, {}), new.series.get(name, {})
        if not by_time:
            before, after = _all_time(name, before), _all_time(name, after)
        differing = [at for at in sorted({*before, *after}) if not _same(before, after, at)]
        if differing:
            first = differing[0]
            yield Difference(_shown(name), before.get(first), after.get(first), len(differing))
    for figure in dict.fromkeys((*old.figures, *new.figures)):
        counts = old.figures.get(figure, 0), new.figures.get(figure, 0)
        if counts[0] != counts[1]:
            yield Difference(figure, *counts)


def _same(old: dict[int, float], new: dict[int, float], at: int) -> bool:
    if at not in old or at not in new:
        return False
    return isclose(old[at], new[at], rel_tol=_EQUAL)


def _all_time(name: SeriesName, values: dict[int, float]) -> dict[int, float]:
    """A counter's sum; of others only whether there are any."""
    if not values:
        return {}
    return {0: sum(values.values()) if name.type == "counter" else 0.0}


def _shown(name: SeriesName) -> str:
    tags = f"{{{','.join(name.tags)}}}" if name.tags else ""
    return f"{name.name}{tags} {name.type}"
