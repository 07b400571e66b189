"""Schedules of three tiers: hosts, owners that pass on what they seal, and owners above them.

What the owners of the first tier pass on must be what hosts sent, and what those above publish what
was passed on: each by the same oracle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from tests.model import oracle
from tests.model.contributions import Contribution
from tests.model.course import Violation
from tests.model.nodes import BATCH_BYTES, INTERVAL_MS, Crash, OwnerNode
from tests.model.oracle import DIGITS, Id, Key, Published
from tests.model.simulation import FOR_EVER_MS, World
from tests.model.stores import Contents, contents_of, pieces_of
from tests.model.traffic import Sender
from tests.spooled import waiting
from veneurpy.engine import Encoded
from veneurpy.forward.batch import Batch
from veneurpy.forward.chain import Chain
from veneurpy.forward.dispatch import Dispatch, HostOptions
from veneurpy.forward.encode import Encoder
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.spool.outbox import CHAIN
from veneurpy.spool.parcel import Head
from veneurpy.testing import START_MS, FakeClock

TOP = EpochTable([Epoch(1, 0, ("t0", "t1"))])
"""What owners in the middle know of the ring above them."""
LATER = TOP.plus(Epoch(2, START_MS + 6 * INTERVAL_MS, ("t1", "t2")))
"""What those above know, and others learn from them."""


@dataclass(slots=True)
class ZoneNode(OwnerNode):
    """An owner that passes on; what waits for the next tier is in its database too."""

    step_bytes: int = BATCH_BYTES
    divided: Callable[[Batch, Sequence[Encoded]], None] = lambda batch, pieces: None
    dispatch: Dispatch = field(init=False)

    def start(self) -> None:
        """A process begins."""
        membership = Membership(TOP, CHAIN)
        self.dispatch = Dispatch(
            HostOptions(
                self.name,
                INTERVAL_MS,
                max_age_ms=self.accept_window_ms,
                max_bytes=self.most_bytes,
                chunk_bytes=200,
            ),
            clock=self.clock,
            membership=membership,
            divide=self._divide,
            emit=self.events.append,
            new_uuid=self.new_uuid,
            outbox=CHAIN,
        )
        self.dispatch.restore(self.database)
        self.next_tier = Chain(
            Encoder(self.name, INTERVAL_MS, owns=False),
            membership=membership,
            book=self.dispatch.committed,
            offer=self.offer,
        )
        OwnerNode.start(self)

    def offer(self, batches: Sequence[Head]) -> None:
        """The process may die when they are committed."""
        if self.dies():
            raise Crash

    def _divide(self, batch: Batch, epoch: Epoch) -> Sequence[Encoded]:
        pieces = pieces_of(contents_of(batch.payload), epoch.members)
        self.divided(batch, pieces)
        return pieces


@dataclass(frozen=True, slots=True)
class Passed:
    """A batch of a seal."""

    zone: str
    start_ms: int
    contents: Contents
    is_piece: bool = False
    """It was cut from another one, by a newer ring."""


class ChainWorld(World):
    """Hosts, owners in the middle, and owners above whose ring changes underway."""

    def __init__(self, seed: int, *, is_patient: bool = False) -> None:
        self.passed: dict[Id, Passed] = {}
        self._cut_anew: list[Passed] = []
        super().__init__(seed, steps=500, is_patient=is_patient)
        self.zones = [node for node in self.owners if isinstance(node, ZoneNode)]
        window_ms = FOR_EVER_MS if is_patient else self.zones[0].accept_window_ms
        self.tops = [
            OwnerNode(name, FakeClock(), LATER, self._uuid, self._dies, accept_window_ms=window_ms)
            for name in ("t0", "t1", "t2")
        ]
        self.owners = [*self.zones, *self.tops]

    @property
    def senders(self) -> Sequence[Sender]:
        return [*self.hosts, *self.zones]

    @property
    def members(self) -> Sequence[OwnerNode]:
        return self.zones

    def _new_owner(self, name: str, room: int, window_ms: int) -> OwnerNode:
        zone = ZoneNode(
            name, FakeClock(), self._ring.table, self._uuid, self._dies, room, window_ms
        )
        zone.divided = partial(self._note_cut, name)
        return zone

    def _events(self) -> list[tuple[float, Callable[[], None]]]:
        """More of what the first tier does: without it there is nothing to pass on."""
        return [
            *super()._events(),
            (6.0, lambda: self._traffic.send(self._host(), self.rng.choice(self.zones))),
            (4.0, lambda: self._tick(self.rng.choice(self.zones))),
        ]

    def _note_cut(self, zone: str, batch: Batch, pieces: Sequence[Encoded]) -> None:
        self._cut_anew = [
            Passed(zone, batch.start_ms, contents_of(piece.payload), is_piece=True)
            for piece in pieces
        ]

    def _uuid(self) -> UUID:
        uuid = super()._uuid()
        for part, piece in enumerate(self._cut_anew):
            self.passed[uuid, part] = piece
        self._cut_anew = []
        return uuid

    def _tick(self, node: OwnerNode) -> None:
        """It may die within the transaction of a seal, too."""
        node.database.is_dying = self._dies()
        super()._tick(node)
        node.database.is_dying = False
        if isinstance(node, ZoneNode):
            self._note_passed(node)

    def _note_passed(self, zone: ZoneNode) -> None:
        for batch in waiting(zone.database, CHAIN):
            if not batch.is_whole:
                raise Violation(f"the payload of {batch.id} is gone")
            passed = Passed(zone.name, batch.start_ms, contents_of(batch.payload))
            self.passed.setdefault((batch.id.uuid, batch.id.part), passed)

    def _is_quiet(self) -> bool:
        return super()._is_quiet() and not any(
            CHAIN.waiting(zone.database.connection) for zone in self.zones
        )


def check(world: ChainWorld) -> None:
    """Raises Violation if anything is lost or double that nobody has named, on either way."""
    oracle.check_nodes(world)
    oracle.compare(_passed_on(world), world.contributions.known.items(), world.lost)
    oracle.compare(oracle.published_by(world.tops), _sent_on(world), world.lost)
    if any(oracle.published_by(world.zones)):
        raise Violation("an owner that passes on has published something")


def _passed_on(world: ChainWorld) -> dict[Key, Published]:
    """As if the next tier had published all that was passed on."""
    found: dict[Key, Published] = defaultdict(Published)
    for batch in world.passed.values():
        if batch.is_piece:
            continue
        counters, gauges = batch.contents
        for name, value in counters.items():
            each = found[name, batch.start_ms]
            each.owners.add(batch.zone)
            each.added += value
            each.revisions[0] = each.added
        for name, (_, _, value) in gauges.items():
            each = found[name, batch.start_ms]
            each.owners.add(batch.zone)
            each.revisions[0] = max(value, each.revisions.get(0, value))
    return found


def _sent_on(world: ChainWorld) -> Iterator[tuple[Id, Contribution]]:
    """What was passed on, by the digits in it."""
    for id, batch in world.passed.items():
        counters, gauges = batch.contents
        for digit in range(DIGITS):
            mine = {name: 4.0**digit for name, v in counters.items() if int(v) // 4**digit % 4}
            latest = {name: gauge for name, gauge in gauges.items() if gauge[2] == digit}
            if mine or latest:
                yield id, Contribution(batch.start_ms, digit, (mine, latest))
