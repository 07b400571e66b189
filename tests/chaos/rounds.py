"""Rounds of trouble by seed. After each the fleet is healed, settles, and is added up."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.conservation import Verdict
from tests.chaos.disk import SmallDisk, can_mount
from tests.chaos.faults import ROUND_S, Chaos
from tests.chaos.fleet import INTERVAL_S, Fleet, fleet
from tests.chaos.oracle import Named, verdicts
from tests.chaos.process import Node
from tests.chaos.workload import Workload, workload

INTERVAL_MS = round(INTERVAL_S * 1000)


@dataclass(slots=True)
class Outcome:
    """What the rounds of one fleet came to."""

    seed: int
    has_zones: bool = False
    rounds: int = 0
    datagrams: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    """By what each is called in one word."""
    history: list[str] = field(default_factory=list)
    named: Named = field(default_factory=Named)
    verdicts: list[Verdict] = field(default_factory=list)
    """After the last round."""
    failures: list[Verdict] = field(default_factory=list)
    ring_changes: int = 0
    revisions: int = 0
    """The highest that a series of an interval got."""

    @property
    def holds(self) -> bool:
        """Whether everything held after every round."""
        return not self.failures


def run(
    *,
    seed: int,
    rounds: int,
    hosts: int = 4,
    owners: int = 3,
    zones: Sequence[int] = (),
    keep: Path | None = None,
    tell: Callable[[str], None] = print,
) -> Outcome:
    """Puts one fleet through so many rounds; stops after one that something fails in.

    What the nodes of such a fleet have left goes below `keep`, under the seed.
    """
    rng, outcome = random.Random(seed), Outcome(seed, bool(zones))
    with (
        fleet(hosts=hosts, owners=owners, proxy=True, zones=zones) as nodes,
        small_disks(nodes) as disks,
        workload([*nodes.hosts, *nodes.zone_owners, *nodes.owners]) as load,
    ):
        nodes.begin()
        watch = Watch(nodes)
        chaos = Chaos(nodes, disks, rng, [])
        for number in range(rounds):
            _round(chaos, watch, load, outcome)
            tell(f"seed {seed} round {number}: {'holds' if outcome.holds else 'FAILED'}")
            if not outcome.holds:
                if keep is not None:
                    nodes.keep(keep / str(seed))
                break
        outcome.datagrams = sum(load.sent.values())
        outcome.ring_changes = sum(change.is_made for change in chaos.changes)
        outcome.revisions = max(
            (row["revision"] for node in nodes.owners for row in node.rows()), default=0
        )
    return outcome


def _round(chaos: Chaos, watch: Watch, load: Workload, outcome: Outcome) -> None:
    acts = chaos.acts()
    outcome.history += [f"{outcome.rounds}: {act.at_s:.2f} s {act.what}" for act in acts]
    outcome.acts.update(act.what.split()[2 if " is " in act.what else 0] for act in acts)
    load.resume()
    began_s = time.monotonic()
    while acts or time.monotonic() < began_s + ROUND_S:
        while acts and time.monotonic() >= began_s + acts[0].at_s:
            act = acts.pop(0)
            if act.what.startswith("kill"):
                watch.look()
            act.do()
        chaos.fleet.lead()
        time.sleep(0.02)
    load.pause()
    chaos.heal()
    outcome.rounds += 1
    try:
        chaos.fleet.settle()
    except TimeoutError as exc:
        outcome.failures.append(Verdict("the fleet settles", False, f"{exc}: {watch.pending()}"))
        return
    outcome.named = watch.named()
    found = list(verdicts(chaos.fleet, load, outcome.named, INTERVAL_MS))
    found.append(watch.balanced())
    outcome.failures += [each for each in found if not each.holds]
    outcome.verdicts = found


class Watch:
    """What each life of each node has said of its accounts, as of the last look at it."""

    def __init__(self, nodes: Fleet) -> None:
        self._fleet = nodes
        self._ways: dict[tuple[str, int, str], dict[str, Any]] = {}
        """By node, life, and `forward` or `chain`."""
        self._owner: dict[tuple[str, int], dict[str, Any]] = {}

    def look(self) -> None:
        """Asks every node that answers."""
        for node in self._fleet.nodes:
            if not node.is_paused and node.is_started:
                self._look(node)

    def named(self) -> Named:
        """What all lives have named as missing."""
        self.look()
        return Named.of(self._fleet, self._ways.values())

    def pending(self) -> dict[str, Any]:
        """What each node waits for, for a person."""
        found = {}
        for node in self._fleet.nodes:
            try:
                status = node.get("/api/v1/status")
            except OSError as exc:
                found[node.name] = str(exc)
            else:
                shown = ("forward", "chain", "owner", "spool")
                found[node.name] = {key: status[key] for key in shown}
        return found

    def balanced(self) -> Verdict:
        """The equations of every node, added up by somebody else than itself."""
        off = [*self._off_ways(), *self._off_owners(), *self._off_links()]
        return Verdict("the accounts of all nodes add up", not off, f"{off or 'they do'}")

    def _off_ways(self) -> Iterator[str]:
        for (name, _, way), said in self._ways.items():
            for unit in ("batches", "samples"):
                came = sum(said[key][unit] for key in ("encoded", "restored", "pieces"))
                went = sum(said[key][unit] for key in ("done", "divided", "pending"))
                for word in ("rejected", "given_up", "in_doubt"):
                    went += sum(sums[unit] for sums in said[word].values())
                if came != went:
                    yield f"{name} has {came} {unit} to {way} and knows of {went}"

    def _off_owners(self) -> Iterator[str]:
        for (name, _), said in self._owner.items():
            for unit in ("batches", "samples"):
                has = sum(said[key][unit] for key in ("sealed", "open", "late"))
                if said["accepted"][unit] != has:
                    yield f"{name} took {said['accepted'][unit]} {unit} and has {has}"

    def _off_links(self) -> Iterator[str]:
        """Of those lives that go on: the others were looked at in the midst of a seal, maybe."""
        for node in self._fleet.zone_owners:
            sealed = self._owner[node.name, node.lives]["sealed"]["samples"]
            passed_on = self._ways[node.name, node.lives, "chain"]["encoded"]["samples"]
            if sealed != passed_on:
                yield f"{node.name} has sealed {sealed} samples and passed on {passed_on}"

    def _look(self, node: Node) -> None:
        try:
            status = node.get("/api/v1/status")
        except OSError:
            return
        for way in ("forward", "chain"):
            if status[way]:
                self._ways[node.name, node.lives, way] = status[way]["accounts"]
        if status["owner"]:
            self._owner[node.name, node.lives] = status["owner"]["accounts"]


@contextmanager
def small_disks(nodes: Fleet) -> Iterator[dict[str, SmallDisk]]:
    """A small disk below one node of each tier, where this process may mount."""
    with ExitStack() as stack:
        disks: dict[str, SmallDisk] = {}
        chosen = [nodes.hosts[0], *nodes.zone_owners[-1:], nodes.owners[-1]]
        for node in chosen if can_mount() else ():
            disks[node.name] = disk = SmallDisk(node.state)
            stack.callback(disk.close)
            stack.callback(node.close)
        yield disks
