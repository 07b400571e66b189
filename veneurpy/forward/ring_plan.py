"""What a change of members would do: who gains and loses which share of all series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from veneurpy.engine.owners import OwnerTable
from veneurpy.engine.types import MetricType
from veneurpy.forward.epochs import RingHash

SAMPLE = 4000
"""Made-up series that are dealt out; a share is known to about a hundredth."""


@dataclass(frozen=True, slots=True)
class RingPlan:
    """The shares of all series before and after, by member, and how much moves."""

    before: dict[str, float]
    after: dict[str, float]
    moving: float
    """The share of series that get another owner."""
    moves: dict[tuple[str, str], float]
    """From whom to whom, and which share of all series."""

    @property
    def max_over_mean(self) -> float:
        """How much more than its part the busiest member gets: 1 is even."""
        return max(self.after.values()) * len(self.after)


def plan(
    before: Sequence[str], before_hash: RingHash, after: Sequence[str], after_hash: RingHash
) -> RingPlan:
    """Deals made-up series to the members of both lists. Takes a second for a hundred members."""
    old = _owners(tuple(before), before_hash)
    new = _owners(tuple(after), after_hash)
    pairs = Counter(zip(old, new, strict=True))
    moves = {pair: count / SAMPLE for pair, count in sorted(pairs.items()) if pair[0] != pair[1]}
    return RingPlan(_shares(old, before), _shares(new, after), sum(moves.values()), moves)


def _owners(members: tuple[str, ...], hash: RingHash) -> list[str]:
    table = OwnerTable(members=members, hash=hash)
    tags = (b"env:prod", b"region:eu")
    return [
        members[table.owner(b"service.%d.latency" % i, MetricType.TIMER, tags)]
        for i in range(SAMPLE)
    ]


def _shares(owners: Sequence[str], members: Sequence[str]) -> dict[str, float]:
    counts = Counter(owners)
    return {member: counts[member] / SAMPLE for member in members}
