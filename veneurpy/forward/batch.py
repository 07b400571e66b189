"""What travels between nodes as one: sent, answered for and recognised together."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

MOST_BYTES = 1 << 20
"""What a payload is cut to."""
MOST_PARTS = 1 << 16


class BatchId(NamedTuple):
    """Part `part` (from 0) of the `of` that one closed interval was cut into.

    The uuid was drawn when the interval began and stands in its arenas, so that whoever takes them
    up after a crash gives the same batch the same name.
    """

    uuid: UUID
    part: int
    of: int

    @property
    def is_possible(self) -> bool:
        """Whether anybody of ours can have made it."""
        return 0 <= self.part < self.of <= MOST_PARTS

    def __str__(self) -> str:
        return f"{self.uuid}/{self.part}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Series of one sender and one interval for one owner, which never changes."""

    id: BatchId
    start_ms: int
    """The interval's start, an epoch multiple of `length_ms`."""
    length_ms: int
    epoch: int
    """Number of the member list by which the owner was chosen."""
    owner: str
    sender: str
    payload: bytes
    """Of the own wire: a MetricList of Veneur's with fields that Veneur ignores."""
    crc: int
    series: int
    samples: int
    sent_ms: int = 0
    """The sender's wall clock when it was sent; 0: not told."""

    @property
    def is_whole(self) -> bool:
        """Whether the payload is what the sender made."""
        return zlib.crc32(self.payload) == self.crc

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.length_ms
