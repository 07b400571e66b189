"""What a question of the benchmarks answers with."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from benchmarks.charts import Chart

_HOLDS = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure has to be."""

    relation: Literal["<=", ">="]
    bound: float
    always: bool = False
    """In each round, instead of in the median."""

    def __str__(self) -> str:
        return f"{'always ' if self.always else ''}{self.relation} {self.bound:g}"

    def met_by(self, rounds: Sequence[float]) -> bool:
        """Whether the rounds of a figure meet it."""
        holds = _HOLDS[self.relation]
        judged = rounds if self.always else (median(rounds),)
        return all(holds(value, self.bound) for value in judged)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: the median of its rounds."""

    what: str
    unit: str
    rounds: tuple[float, ...]
    target: Target | None = None

    @property
    def value(self) -> float:
        """The median."""
        return median(self.rounds)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.target.met_by(self.rounds)


@dataclass(frozen=True, slots=True)
class Answer:
    """The figures of one question, and how they were come by."""

    question: str
    method: str
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...] = ()


def none_dropped(drops: Mapping[str, Sequence[float]], daemons: Sequence[str]) -> Figure:
    """The kernel's drops at our daemons in all their windows, which have to be none."""
    dropped = tuple(each for name in daemons for each in drops[name])
    return Figure("all windows of veneurpy", "kernel drops", dropped, Target("<=", 0, always=True))


def ratios(
    what: str,
    above: Sequence[float],
    below: Sequence[float],
    unit: str,
    target: Target | None = None,
) -> Figure:
    """A figure of ratios round by round: the two values of a round were taken side by side."""
    pairs = zip(above, below, strict=True)
    return Figure(what, unit, tuple(a / b for a, b in pairs), target)
