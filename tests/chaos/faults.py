"""What goes wrong in a round, and when: drawn from a seed before the round begins."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.disk import SmallDisk
from tests.chaos.fleet import Fleet
from tests.chaos.links import Link, Weather
from tests.chaos.poison import poison
from tests.chaos.process import Node
from tests.chaos.ring import RingChange

ROUND_S = 2.5
LONGEST_S = 1.5
LARGEST_SKEW_S = 1.5
RING_LEAD_S = 10.0


class Act(NamedTuple):
    """Something that is done at a time of the round."""

    at_s: float
    what: str
    do: Callable[[], None]


@dataclass(slots=True)
class Chaos:
    """Draws acts for a fleet. `disks` are those of nodes that have a small one."""

    fleet: Fleet
    disks: dict[str, SmallDisk]
    rng: random.Random
    changes: list[RingChange]
    """Of the ring, begun so far."""

    def acts(self) -> list[Act]:
        """A few troubles, each with its end, in the order of time."""
        kinds = [self._kill, self._kill, self._pause, self._weather, self._weather, self._cut]
        kinds += [self._skew, self._poison, self._ring]
        if self.fleet.zones:
            kinds += [self._kill_in_the_middle, self._pause_in_the_middle]
            kinds += [self._part_tiers, self._kill_ring]
        if self.disks:
            kinds += [self._fill, self._fill, self._fill_and_kill]
        chosen = self.rng.sample(kinds, self.rng.randint(2, 4))
        return sorted(act for kind in chosen for act in kind())

    def heal(self) -> None:
        """Ends every trouble and waits until all nodes take traffic again."""
        for link in self.fleet.links.values():
            self.fleet.net.turn(link, Weather.FAIR)
        for disk in self.disks.values():
            disk.empty()
        for node in self.fleet.nodes:
            node.resume()
            node.skew(0.0)
        self.fleet.begin()

    def _kill(self) -> Iterator[Act]:
        return self._killed(self._node(self.fleet.nodes), self._at())

    def _kill_in_the_middle(self) -> Iterator[Act]:
        return self._killed(self._node(self.fleet.zone_owners), self._at())

    def _kill_ring(self) -> Iterator[Act]:
        """All owners of a zone, or all above, are gone for some intervals."""
        ring, at_s, length_s = self.rng.choice(self.fleet.rings), self._at(), self._length()
        for node in ring:
            yield from self._killed(node, at_s, length_s)

    def _pause(self) -> Iterator[Act]:
        return self._paused(self._node(self.fleet.nodes))

    def _pause_in_the_middle(self) -> Iterator[Act]:
        return self._paused(self._node(self.fleet.zone_owners))

    def _weather(self) -> Iterator[Act]:
        bad = [weather for weather in Weather if weather is not Weather.FAIR]
        return self._turned(self._link(list(self.fleet.links.values())), self.rng.choice(bad))

    def _part_tiers(self) -> Iterator[Act]:
        return self._turned(self._link(self.fleet.upward), Weather.DOWN)

    def _cut(self) -> Iterator[Act]:
        link = self._link(list(self.fleet.links.values()))
        for _ in range(3):
            yield Act(self._at(), f"cut {link.name}", lambda: self.fleet.net.cut(link))

    def _killed(self, node: Node, at_s: float, length_s: float | None = None) -> Iterator[Act]:
        if length_s is None:
            length_s = self.rng.uniform(0, 0.5)
        yield Act(at_s, f"kill {node.name}", node.kill)
        yield Act(at_s + length_s, f"start {node.name}", lambda: _begin(node))

    def _paused(self, node: Node) -> Iterator[Act]:
        at_s = self._at()
        yield Act(at_s, f"pause {node.name}", node.pause)
        yield Act(at_s + self._length(), f"resume {node.name}", node.resume)

    def _turned(self, link: Link, weather: Weather) -> Iterator[Act]:
        turn, at_s = self.fleet.net.turn, self._at()
        yield Act(at_s, f"{link.name} is {weather}", lambda: turn(link, weather))
        end_s = at_s + self._length()
        yield Act(end_s, f"{link.name} is fair", lambda: turn(link, Weather.FAIR))

    def _skew(self) -> Iterator[Act]:
        node, at_s = self._node(self.fleet.nodes), self._at()
        offset_s = self.rng.uniform(-LARGEST_SKEW_S, LARGEST_SKEW_S)
        yield Act(at_s, f"skew {node.name} by {offset_s:.2f} s", lambda: node.skew(offset_s))
        yield Act(at_s + self._length(), f"unskew {node.name}", lambda: node.skew(0.0))

    def _fill(self) -> Iterator[Act]:
        name, at_s = self.rng.choice(sorted(self.disks)), self._at()
        disk = self.disks[name]
        yield Act(at_s, f"fill the disk of {name}", disk.fill)
        yield Act(at_s + self._length(), f"empty the disk of {name}", disk.empty)

    def _fill_and_kill(self) -> Iterator[Act]:
        """It may start while its disk is still full."""
        fill, empty = self._fill()
        node = next(node for node in self.fleet.nodes if fill.what.endswith(f" {node.name}"))
        at_s = self.rng.uniform(fill.at_s, empty.at_s + 0.5)
        yield from (fill, empty)
        yield from self._killed(node, at_s)

    def _poison(self) -> Iterator[Act]:
        owners = [*self.fleet.owners, *self.fleet.zone_owners]
        node, seed = self._node(owners), self.rng.randrange(1 << 32)
        yield Act(self._at(), f"poison {node.name}", lambda: poison(node, random.Random(seed)))

    def _ring(self) -> Iterator[Act]:
        ring = self.rng.choice(self.fleet.rings)
        members = [node.name for node in ring]
        wanted = self.rng.sample(members, self.rng.randint(1, len(members)))
        asked = self._node(ring)

        def change() -> None:
            if asked.is_started:
                self.changes.append(RingChange(asked, sorted(wanted), RING_LEAD_S))

        yield Act(0.0, f"ask {asked.name} for the ring {' '.join(sorted(wanted))}", change)

    def _node(self, nodes: Sequence[Node]) -> Node:
        return self.rng.choice(nodes)

    def _link(self, links: Sequence[Link]) -> Link:
        return self.rng.choice(sorted(links, key=lambda link: link.name))

    def _at(self) -> float:
        return self.rng.uniform(0, ROUND_S)

    def _length(self) -> float:
        return self.rng.uniform(0.1, LONGEST_S)


def _begin(node: Node) -> None:
    if not node.is_alive:
        node.begin()
