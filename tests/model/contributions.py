"""What was sent, arena by arena: what the oracle compares with what came out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from tests.model.nodes import Arena, Host
from tests.model.stores import Contents, contents_of
from tests.spooled import waiting
from veneurpy.engine import Encoded
from veneurpy.forward.batch import Batch
from veneurpy.spool.outbox import FORWARD

SERIES = ("a", "b", "c", "d")


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one arena of a host has of an interval: a digit of its own in every counter."""

    start_ms: int
    digit: int
    contents: Contents


class Contributions:
    """All of a schedule, by uuid and part of the batch: as encoded, and as cut anew."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.known: dict[tuple[UUID, int], Contribution] = {}
        self._divided: Sequence[Encoded] = ()
        self._divided_of: Batch | None = None

    def arenas(self, host: Host, number: int, start_ms: int) -> list[Arena]:
        """What a host has of an interval: of one process, or of two of them."""
        pieces = range(self._rng.choice([1, 1, 1, 2]))
        return [self._arena(host, 2 * number + piece, start_ms) for piece in pieces]

    def _arena(self, host: Host, digit: int, start_ms: int) -> Arena:
        names = [name for name in SERIES if self._rng.random() < 0.7] or ["a"]
        gauges = {"g": (start_ms * 100 + digit, host.name, float(digit))}
        contents = dict.fromkeys(names, 4.0**digit), gauges
        return Arena(self.new_uuid(), start_ms, contents)

    def note(self, host: Host, arena: Arena) -> None:
        """Remembers what is in the batches of an arena, as the database has them."""
        digit = round(next(iter(arena.contents[1].values()))[2])
        for database in (host.database, host.spare):
            for batch in waiting(database, FORWARD):
                if batch.id.uuid == arena.uuid:
                    found = Contribution(arena.start_ms, digit, contents_of(batch.payload))
                    self.known.setdefault((arena.uuid, batch.id.part), found)

    def note_divided(self, batch: Batch, pieces: Sequence[Encoded]) -> None:
        """A batch is cut anew: the next uuid is that of the pieces."""
        self._divided_of, self._divided = batch, pieces

    def new_uuid(self) -> UUID:
        """Named by the dice."""
        uuid = UUID(int=self._rng.getrandbits(128), version=4)
        if self._divided_of is not None:
            whole = self.known[self._divided_of.id.uuid, self._divided_of.id.part]
            for part, piece in enumerate(self._divided):
                self.known[uuid, part] = replace(whole, contents=contents_of(piece.payload))
            self._divided_of = None
        return uuid
