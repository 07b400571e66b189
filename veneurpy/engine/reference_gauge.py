"""Gauges: writes, changes of what was written, values that are carried on into the next interval.

Within a reader the order of arrival counts, across readers the time. A change counts where it comes
after the last write; without one, all changes count, upon the carried value or upon 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Change(NamedTuple):
    """A signed value of plain StatsD."""

    time_ns: int
    reader: int
    value: float


@dataclass(slots=True)
class Gauge:
    """The last write, by (time, sender, reader); of what senders say at one time the largest."""

    samples: int = 0
    time_ns: int = -1
    """Of the last write; -1: there was none."""
    sender: bytes = b""
    """Who sent it; empty: a reader of this node."""
    reader: int = -1
    value: float = 0.0
    """What was written, without changes."""
    is_carried: bool = False
    """The write is of an interval before: before whatever this one has, by any clock."""
    changes: list[Change] = field(default_factory=list)

    def write(self, value: float, time_ns: int, reader: int) -> None:
        self.samples += 1
        self.value, self.time_ns, self.reader = value, time_ns, reader

    def change(self, change: Change) -> None:
        self.samples += 1
        self.changes.append(change)

    def merge(self, other: Gauge) -> None:
        self.samples += other.samples
        self.changes = self.changes + other.changes
        if self._rank() < other._rank():
            self.time_ns, self.sender = other.time_ns, other.sender
            self.reader, self.value = other.reader, other.value
            self.is_carried = other.is_carried

    @property
    def current(self) -> float:
        """What it says at the end."""
        return self.value + sum(change.value for change in self._later())

    @property
    def last_ns(self) -> int:
        """The time of the last of what counts."""
        return max([self.time_ns, *(change.time_ns for change in self._later())])

    def _later(self) -> list[Change]:
        if self.is_carried:
            return self.changes
        at = self.time_ns, self.reader
        return [change for change in self.changes if (change.time_ns, change.reader) > at]

    def _rank(self) -> tuple[bool, int, bytes, int, float]:
        is_here = self.time_ns >= 0 and not self.is_carried
        return is_here, self.time_ns, self.sender, self.reader, self.value
