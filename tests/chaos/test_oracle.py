"""The oracle finds what it is there to find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.chaos.oracle import Named, verdicts
from tests.chaos.workload import ALL, ECHO, MEMBERS, expected

NUMBERS = 40
START_MS = 1_000_000


@dataclass
class Said:
    """A node as far as the oracle looks at it."""

    name: str
    points: list[dict[str, Any]] = field(default_factory=list)
    kills: int = 0
    lost_datagrams: int = 0
    drops: int = 0
    died: list[int] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        return self.points

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event]


@dataclass
class World:
    """One host and one owner that have published everything, in one interval."""

    host: Said = field(default_factory=lambda: Said("h0"))
    owner: Said = field(default_factory=lambda: Said("g0"))
    other: Said = field(default_factory=lambda: Said("g1"))
    named: Named = field(default_factory=Named)

    def __post_init__(self) -> None:
        self.sent = Counter({"h0": NUMBERS})
        for (name, tags), value in self.expected().items():
            node = self.host if name == ECHO else self.owner
            node.points.append(row(name, tags, value))
        self.owner.points.append(row(MEMBERS, (), NUMBERS))

    @property
    def nodes(self) -> list[Said]:
        return [self.owner, self.other, self.host]

    def expected(self) -> Counter[tuple[str, tuple[str, ...]]]:
        return expected(NUMBERS)

    def of(self, name: str) -> dict[str, Any]:
        """The first row of a name."""
        return next(row for node in self.nodes for row in node.points if row["name"] == name)

    def failing(self) -> list[str]:
        """The claims that do not hold."""
        found = verdicts(self, self, self.named, 200)  # type: ignore[arg-type]
        return [each.claim for each in found if not each.holds]


def row(name: str, tags: tuple[str, ...], value: float, revision: int = 0) -> dict[str, Any]:
    return {
        "kind": "point",
        "name": name,
        "tags": list(tags),
        "value": value,
        "revision": revision,
        "timestamp": START_MS / 1000,
    }


def lose_one(world: World) -> None:
    world.of(ALL)["value"] -= 1


def double_a_timer(world: World) -> None:
    world.of("time.count")["value"] += 1


def lose_a_timer(world: World) -> None:
    world.owner.points.remove(world.of("time.sum"))


def move_to_another_interval(world: World) -> None:
    moved = dict(world.of(ALL), value=1, timestamp=START_MS / 1000 + 0.2)
    world.of(ALL)["value"] -= 1
    world.owner.points.append(moved)


def split_between_owners(world: World) -> None:
    world.of(ALL)["value"] -= 1
    world.other.points.append(row(ALL, (), 1))


def contradict_a_revision(world: World) -> None:
    world.owner.points.append(row(MEMBERS, (), NUMBERS + 1))


def revise_to_less(world: World) -> None:
    world.owner.points.append(row("count", ("i:0",), 1, revision=1))


def lose_members(world: World) -> None:
    world.of(MEMBERS)["value"] /= 2


def die(world: World) -> None:
    world.other.died.append(-7)


def lose_too_much(world: World) -> None:
    world.host.lost_datagrams = 65
    world.host.kills = 1


@pytest.mark.parametrize(
    ("damage", "claim"),
    [
        (lose_one, "what is missing is named"),
        (double_a_timer, "nothing is counted twice"),
        (lose_a_timer, "what is missing of time.sum is named"),
        (move_to_another_interval, "every interval has what was received in it"),
        (split_between_owners, "a series has one owner in each interval"),
        (contradict_a_revision, "rows of one revision are equal"),
        (revise_to_less, "what is missing of count is named"),
        (lose_members, "unique members are counted"),
        (die, "no node has ended by itself"),
        (lose_too_much, "no kill costs more than 64 datagrams"),
    ],
)
def test_damage_is_found(damage: Callable[[World], None], claim: str) -> None:
    """Each of these breaks a claim that an unharmed world keeps."""
    world = World()
    assert [] == world.failing()
    damage(world)
    assert claim in world.failing()


def test_what_is_named_may_be_missing() -> None:
    """A batch that a ledger names may be missing, as far as it names it."""
    world = World()
    lose_one(world)
    world.named = Named(batches=1, samples=1)
    assert [] == world.failing()
