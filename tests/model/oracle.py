"""Adds up what a schedule has published: what was sent, but for what the ledger names.

Every contribution is one digit in base 4 of a counter: the sum tells who is in, and how often.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from tests.model.contributions import SERIES, Contribution
from tests.model.course import Violation
from tests.model.nodes import OwnerNode
from tests.model.simulation import World
from tests.spooled import records, stray
from veneurpy.accounts import Loss

Id = tuple[UUID, int]
Key = tuple[str, int]
"""(series, start of the interval)."""
DIGITS = 8


@dataclass(slots=True)
class Published:
    """What a (series, interval) came to."""

    owners: set[str] = field(default_factory=set)
    revisions: dict[int, float] = field(default_factory=dict)
    added: float = 0.0
    """What a sink that adds up has."""

    @property
    def final(self) -> float:
        """The value of the highest revision."""
        return self.revisions[max(self.revisions)]


def check(world: World) -> None:
    """Raises Violation if anything is lost or double that nobody has named."""
    check_nodes(world)
    compare(published_by(world.owners), world.contributions.known.items(), world.lost)


def check_nodes(world: World) -> None:
    """Raises Violation for a loss that has no cause, or a leak."""
    for node in (*world.owners, *world.hosts):
        while node.database.sweep():
            pass
        if left := stray(node.database):
            raise Violation(f"{node.name} has pieces of nothing, or things of no pieces: {left}")
    if world.is_patient and world.lost:
        raise Violation(f"lost without a cause: {next(iter(world.lost.values()))}")
    for node in world.owners:
        if node.engine.leaked:
            raise Violation(f"{node.name} has leaked {node.engine.leaked} stores")


def compare(
    published: Mapping[Key, Published],
    contributions: Iterable[tuple[Id, Contribution]],
    lost: Mapping[Id, Loss],
) -> None:
    """Raises Violation for what is not the sum of what was sent."""
    sent = _by_key(contributions, lost)
    for key in sorted(published.keys() | sent.keys()):
        if key[0] in SERIES:
            _check_counter(key, published.get(key), sent[key])
        else:
            _check_gauge(key, published.get(key), sent[key])


def published_by(nodes: Iterable[OwnerNode]) -> dict[Key, Published]:
    """What is in the rows that they have committed."""
    found: dict[Key, Published] = defaultdict(Published)
    for node in nodes:
        for record in records(node.database):
            (part,) = record.parts
            columns = record.columns
            if not len(columns):
                raise Violation(f"{node.name} has published a revision of nothing")
            for row, value in enumerate(columns.value):
                each = found[columns.names[columns.name[row]], record.start_ms]
                each.owners.add(node.name)
                if part.revision in each.revisions:
                    raise Violation(f"revision {part.revision} of {each} is there twice")
                each.revisions[part.revision] = value
                each.added += value - record.before.get(row, 0.0)
    return found


def _by_key(
    contributions: Iterable[tuple[Id, Contribution]], lost: Mapping[Id, Loss]
) -> dict[Key, dict[int, tuple[Contribution, str]]]:
    """By digit, each contribution and its fate."""
    found: dict[Key, dict[int, tuple[Contribution, str]]] = defaultdict(dict)
    for id, contribution in contributions:
        fate = lost[id].word if id in lost else "done"
        counters, gauges = contribution.contents
        for name in (*counters, *gauges):
            known = found[name, contribution.start_ms]
            if fate != "done" or contribution.digit not in known:
                known[contribution.digit] = (contribution, fate)
    return found


def _check_counter(
    key: Key, published: Published | None, sent: dict[int, tuple[Contribution, str]]
) -> None:
    value = 0 if published is None else int(published.final)
    if published is not None and published.added != published.final:
        raise Violation(f"{key}: revisions add up to {published.added}, not {published.final}")
    for digit in range(DIGITS):
        count = value // 4**digit % 4
        fate = sent[digit][1] if digit in sent else "never sent"
        allowed = {"done": {1}, "in_doubt": {0, 1}}.get(fate, {0})
        if count not in allowed:
            raise Violation(f"{key}: the part of arena {digit} is {fate} and is in {count} times")
    if published is not None and len(published.owners) > 1:
        raise Violation(f"{key} has {len(published.owners)} owners")


def _check_gauge(
    key: Key, published: Published | None, sent: dict[int, tuple[Contribution, str]]
) -> None:
    """The largest time wins: the highest digit, by how the world makes them."""
    done = [digit for digit, (_, fate) in sent.items() if fate == "done"]
    doubt = [digit for digit, (_, fate) in sent.items() if fate == "in_doubt"]
    last = max(done, default=-1)
    allowed = {last, *(digit for digit in doubt if digit > last)}
    value = -1 if published is None else int(published.final)
    if value not in allowed:
        raise Violation(f"{key}: the gauge is {value}, not one of {allowed}")
