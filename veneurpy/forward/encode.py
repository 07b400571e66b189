"""Cuts a closed interval into batches, each with its identity and its one owner."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid4

from veneurpy.engine import Encoded, ImportStore, Interval, OwnerTable, Role, TagMatcher
from veneurpy.forward.batch import MOST_BYTES, Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.spool.outbox import FORWARD


class Outgoing(NamedTuple):
    """What is committed together with an interval's rows."""

    batches: Sequence[Batch]
    carry: bytes
    """What rounding for Veneur left over, for the interval after."""

    def keep(self, db: sqlite3.Connection) -> None:
        """Writes it, within the transaction that marks the interval as encoded."""
        FORWARD.keep(db, self.batches)
        self.keep_carry(db)

    def keep_carry(self, db: sqlite3.Connection) -> None:
        """The same of what is left over only."""
        FORWARD.keep_carry(db, self.carry)


@dataclass(frozen=True, slots=True)
class Encoder:
    """Makes batches of intervals. Off the event loop."""

    name: str
    """This node's."""
    interval_ms: int
    owns: bool
    """Whether this node is an owner while it is a member: it sends to itself what is its own."""
    ignore_tags: tuple[TagMatcher, ...] = ()
    veneur_owners: frozenset[str] = field(default=frozenset())
    """Members that are Veneurs: their counters are integers."""

    def outgoing(
        self,
        interval: Interval,
        *,
        table: EpochTable,
        carry: bytes,
        sources: Sequence[ImportStore] = (),
    ) -> Outgoing:
        """What is to be forwarded of an interval, and of what Veneurs sent meanwhile (`sources`).

        A piece that was cut short, or is longer for a missed tick, belongs to the multiple of the
        interval that it starts in.
        """
        aligned_ms = interval.start_ms - interval.start_ms % self.interval_ms
        epoch = table.at(aligned_ms)
        encoding = interval.encode(
            self.owners(epoch),
            role=self.role(epoch),
            veneur_owners=frozenset(
                index for index, name in enumerate(epoch.members) if name in self.veneur_owners
            ),
            carry=carry,
            sources=sources,
        )
        batches = cut(
            encoding.parts,
            uuid=interval.uuid,
            start_ms=aligned_ms,
            length_ms=self.interval_ms,
            epoch=epoch,
            sender=self.name,
        )
        return Outgoing(batches, encoding.carry)

    def of_sources(
        self, sources: Sequence[ImportStore], *, table: EpochTable, start_ms: int
    ) -> list[Batch]:
        """What Veneurs sent alone, with an identity of its own: of an interval that goes on."""
        epoch = table.at(start_ms)
        owners = self.owners(epoch)
        return cut(
            [part for source in sources for part in source.encode(owners, MOST_BYTES)],
            uuid=uuid4(),
            start_ms=start_ms,
            length_ms=self.interval_ms,
            epoch=epoch,
            sender=self.name,
        )

    def role(self, epoch: Epoch) -> Role:
        """What this node is in an epoch: its rows must be made by the same role."""
        return Role.OWNER if self.owns and self.name in epoch.members else Role.HOST

    def owners(self, epoch: Epoch) -> OwnerTable:
        """The members as the engine knows them."""
        index = epoch.members.index(self.name) if self.name in epoch.members else None
        return OwnerTable(epoch.members, epoch.hash, self.ignore_tags, index)


def divided(batch: Batch, uuid: UUID, epoch: Epoch, parts: Sequence[Encoded]) -> list[Batch]:
    """A batch that its owner refuses for ever, cut anew by a newer list of members.

    It gets another identity: nobody has taken it, nor will, under the one before.
    """
    return cut(
        parts,
        uuid=uuid,
        start_ms=batch.start_ms,
        length_ms=batch.length_ms,
        epoch=epoch,
        sender=batch.sender,
    )


def cut(
    parts: Sequence[Encoded],
    *,
    uuid: UUID,
    start_ms: int,
    length_ms: int,
    epoch: Epoch,
    sender: str,
) -> list[Batch]:
    """Batches of what an interval was encoded to, for the members of an epoch."""
    return [
        Batch(
            BatchId(uuid, number, len(parts)),
            start_ms,
            length_ms,
            epoch.number,
            epoch.members[part.owner],
            sender,
            part.payload,
            zlib.crc32(part.payload),
            part.series,
            part.samples,
        )
        for number, part in enumerate(parts)
    ]
