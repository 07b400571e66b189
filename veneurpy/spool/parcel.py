"""A batch as an outbox keeps it: what is known of it, and apart from that its payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from veneurpy.forward.batch import Batch, BatchId
from veneurpy.spool.pieces import Content, content


class Head(NamedTuple):
    """A waiting batch without its payload."""

    id: BatchId
    start_ms: int
    length_ms: int
    epoch: int
    owner: str
    crc: int
    series: int
    samples: int
    bytes: int
    """Of its payload."""
    is_sent: bool = False
    """It may have reached its owner."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A batch whose payload may be written ahead, and is let go when it is written."""

    head: Head
    payload: Content


def parcel(batch: Batch) -> Parcel:
    """What is kept of a batch that was not sent yet."""
    head = Head(
        batch.id,
        batch.start_ms,
        batch.length_ms,
        batch.epoch,
        batch.owner,
        batch.crc,
        batch.series,
        batch.samples,
        len(batch.payload),
    )
    # In one piece, so that there always is one.
    return Parcel(head, content([batch.payload]))


def unpacked(head: Head, sender: str, payload: bytes) -> Batch:
    """The batch that was kept."""
    return Batch(
        head.id,
        head.start_ms,
        head.length_ms,
        head.epoch,
        head.owner,
        sender,
        payload,
        head.crc,
        head.series,
        head.samples,
    )
