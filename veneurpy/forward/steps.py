"""Work in steps: what takes long is handed out, to be done while whoever waits gets its turn."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")

Steps = Generator[Callable[[], Any], Any, _T]
"""Yields what is to be done, on whatever thread, and is sent what came of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step; of none before the first."""

    value: Any = None
    error: Exception | None = None


def attempt(work: Callable[[], Any]) -> Outcome:
    """Does a step; never raises what is no end of the process."""
    try:
        return Outcome(work())
    except Exception as exc:
        return Outcome(error=exc)


def finish(steps: Steps[Any]) -> None:
    """Does all of them, here and now. Raises what they raise."""
    outcome = Outcome()
    while (work := resume(steps, outcome)) is not None:
        outcome = attempt(work)


def resume(steps: Steps[Any], outcome: Outcome) -> Callable[[], Any] | None:
    """Goes on with what came of the step before; the next one, None at the end."""
    try:
        if outcome.error is not None:
            return steps.throw(outcome.error)
        return steps.send(outcome.value)
    except StopIteration:
        return None
