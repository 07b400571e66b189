"""Visits every state that a small protocol can reach, and says what is wrong with one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
MOST_STATES = 3_000_000


@dataclass(frozen=True, slots=True)
class Protocol(Generic[S]):
    """A start, the steps that may be taken from a state, and what must hold at the end."""

    start: S
    steps: Callable[[S], Iterable[tuple[str, S]]]
    is_final: Callable[[S], bool]
    is_good: Callable[[S], bool]
    """Asked of final states."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    states: int
    finals: int
    stuck: int
    """States from which no end can be reached."""
    trace: tuple[str, ...]
    """The steps to an end that is not good."""

    @property
    def holds(self) -> bool:
        return self.finals > 0 and not self.stuck and not self.trace


def explore(protocol: Protocol[S]) -> Verdict:
    """Every reachable state, breadth first; stops at the first end that is not good."""
    came_from: dict[S, tuple[S, str] | None] = {protocol.start: None}
    before: dict[S, list[S]] = {}
    finals = []
    waiting = deque([protocol.start])
    while waiting:
        state = waiting.popleft()
        if protocol.is_final(state):
            finals.append(state)
            if not protocol.is_good(state):
                return Verdict(len(came_from), len(finals), 0, _trace(came_from, state))
        for label, after in protocol.steps(state):
            before.setdefault(after, []).append(state)
            if after not in came_from:
                came_from[after] = (state, label)
                waiting.append(after)
        if len(came_from) > MOST_STATES:
            raise RuntimeError(f"more than {MOST_STATES} states")
    return Verdict(len(came_from), len(finals), len(came_from) - _ending(finals, before), ())


def replaced(items: tuple[S, ...], index: int, item: S) -> tuple[S, ...]:
    """The tuple with another item at one place."""
    return (*items[:index], item, *items[index + 1 :])


def _ending(finals: Iterable[S], before: dict[S, list[S]]) -> int:
    """From how many states an end can be reached."""
    seen, waiting = set(finals), deque(finals)
    while waiting:
        for state in before.get(waiting.popleft(), ()):
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    return len(seen)


def _trace(came_from: dict[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    labels = []
    while (step := came_from[state]) is not None:
        state, label = step
        labels.append(label)
    return tuple(reversed(labels))
