"""What everything in a schedule shares: the dice, the true time, and the log of what happened."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable

from tests.model.nodes import Host, OwnerNode
from veneurpy.testing import START_MS

Node = Host | OwnerNode


class Violation(AssertionError):
    """The protocol broke its promise."""


class Course:
    """One seed's."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_ms = START_MS
        self.log: list[str] = []

    def say(self, text: str) -> None:
        """Goes into the log, with the time."""
        self.log.append(f"{self.now_ms - START_MS:>7} {text}")

    def quietly(self, work: Callable[[], object]) -> None:
        """A full disk is no violation."""
        try:
            work()
        except sqlite3.Error as exc:
            self.say(f"disk: {exc}")


class Clocks:
    """Those of all nodes: they go on together, and each may be wrong."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._jumped: dict[int, float] = {}

    def go_on(self, nodes: Iterable[Node], ms: int) -> None:
        """Time passes for everybody."""
        self._course.now_ms += ms
        for node in nodes:
            node.clock.advance(ms / 1000)

    def jump(self, nodes: list[Node]) -> None:
        """The clock of one node, or of all of them, is set; or is right again."""
        rng, everybody = self._course.rng, range(len(nodes))
        numbers = everybody if rng.random() < 0.4 else [rng.choice(everybody)]
        seconds = rng.choice([-40.0, -8.0, -1.5, -0.8, 0.8, 1.5, 8.0, 40.0, 3600.0])
        is_mending = rng.random() < 0.5
        for number in numbers:
            step_s = -self._jumped.get(number, 0.0) if is_mending else seconds
            self._jumped[number] = self._jumped.get(number, 0.0) + step_s
            nodes[number].clock.jump(step_s)
            self._course.say(f"clock of node {number} jumps {step_s}")

    def mend(self, nodes: list[Node]) -> None:
        """All are right again."""
        for number, seconds in self._jumped.items():
            nodes[number].clock.jump(-seconds)
