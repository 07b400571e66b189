"""Cuts a closed interval into batches, each with its identity and its one owner."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.spool import outbox


class Part(Protocol):
    """What an engine encodes for one owner: at most so many bytes, of whole series."""

    @property
    def owner(self) -> int:
        """Index into the epoch's members."""
        ...

    @property
    def payload(self) -> bytes: ...
    @property
    def series(self) -> int: ...
    @property
    def samples(self) -> int: ...


class Encode(Protocol):
    """How an interval becomes parts: `Interval.encode` with everything but the members bound."""

    def __call__(self, epoch: Epoch, carry: bytes, /) -> tuple[Sequence[Part], bytes]:
        """The parts, and what rounding left over of `carry` and the interval."""
        ...


class Outgoing(NamedTuple):
    """What is committed together with an interval's rows."""

    batches: Sequence[Batch]
    carry: bytes

    def keep(self, db: sqlite3.Connection) -> None:
        """Writes it, within the transaction that marks the interval as encoded."""
        outbox.keep(db, self.batches)
        outbox.keep_carry(db, self.carry)


@dataclass(frozen=True, slots=True)
class Encoder:
    """Makes batches of intervals. Off the event loop."""

    name: str
    """This node's."""
    interval_ms: int

    def batches(
        self, uuid: UUID, start_ms: int, *, table: EpochTable, encode: Encode, carry: bytes
    ) -> Outgoing:
        """What is to be forwarded of the interval `uuid`.

        A piece that was cut short, or is longer for a missed tick, belongs to the multiple of the
        interval that it starts in.
        """
        aligned_ms = start_ms - start_ms % self.interval_ms
        epoch = table.at(aligned_ms)
        parts, left = encode(epoch, carry)
        return Outgoing(
            [
                Batch(
                    BatchId(uuid, number, len(parts)),
                    aligned_ms,
                    self.interval_ms,
                    epoch.number,
                    epoch.members[part.owner],
                    self.name,
                    part.payload,
                    zlib.crc32(part.payload),
                    part.series,
                    part.samples,
                )
                for number, part in enumerate(parts)
            ],
            left,
        )


def divided(batch: Batch, uuid: UUID, epoch: Epoch, parts: Sequence[Part]) -> list[Batch]:
    """A batch that its owner refuses for ever, cut anew by a newer list of members.

    It gets another identity: nobody has taken it, nor will, under the one before.
    """
    return [
        Batch(
            BatchId(uuid, number, len(parts)),
            batch.start_ms,
            batch.length_ms,
            epoch.number,
            epoch.members[part.owner],
            batch.sender,
            part.payload,
            zlib.crc32(part.payload),
            part.series,
            part.samples,
        )
        for number, part in enumerate(parts)
    ]
