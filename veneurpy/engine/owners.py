"""Which member owns a series: the same answer on every node, for ever.

Rendezvous hashing. The hash of a series is MetroHash64 (seed 1337) of its name, its type's word
(counter, gauge, set, histogram, timer) and its tags (sorted, distinct), each preceded by its length
in bytes as a little-endian u32. The hash of a member is MetroHash64 of its name. A member's score
is the finalizer of splitmix64 of both hashes' exclusive or; the highest score owns the series, of
equal ones the lower name's.

Veneur's ring. Member m has 20 points: the CRC-32 (IEEE) of "0" + m to "19" + m. A series belongs to
the first point above the CRC-32 of its name, its type's word and its tags joined by commas, or else
to the first of all. Of members with one point in common the later one has it.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from veneurpy.engine.reference_hll import metro_hash64
from veneurpy.engine.types import MetricType

RING_POINTS = 20
TYPE_WORDS = {type_: type_.name.lower().encode() for type_ in MetricType}
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class TagMatcher:
    """Tags whose key (what is before the first colon) is, or begins with, `value`."""

    kind: Literal["exact", "prefix"]
    value: str

    def matches(self, tag: bytes) -> bool:
        key = tag.partition(b":")[0]
        value = self.value.encode()
        return key.startswith(value) if self.kind == "prefix" else key == value


@dataclass(frozen=True, slots=True)
class OwnerTable:
    """Who owns what, in one epoch."""

    members: tuple[str, ...]
    hash: Literal["rendezvous", "veneur"] = "rendezvous"
    ignore_tags: tuple[TagMatcher, ...] = ()
    """Left out where an owner is looked for, and there only."""
    self_index: int | None = None
    """Which of the members this node is."""

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError("a table needs a member")
        if self.self_index is not None and not 0 <= self.self_index < len(self.members):
            raise ValueError(
                f"self_index {self.self_index} is not one of {len(self.members)} members"
            )

    def owner(self, name: bytes, type_: MetricType, tags: tuple[bytes, ...]) -> int:
        """The index of the member that owns a series; its tags are sorted and distinct."""
        if self.ignore_tags:
            tags = tuple(t for t in tags if not any(m.matches(t) for m in self.ignore_tags))
        if self.hash == "veneur":
            return ring_owner(self.members, name + TYPE_WORDS[type_] + b",".join(tags))
        return rendezvous_owner(self.members, series_hash(name, type_, tags))


def series_hash(name: bytes, type_: MetricType, tags: tuple[bytes, ...]) -> int:
    """The stable hash of a series."""
    parts = (name, TYPE_WORDS[type_], *tags)
    return metro_hash64(b"".join(struct.pack("<I", len(part)) + part for part in parts))


def rendezvous_owner(members: tuple[str, ...], series: int) -> int:
    """The index of the member with the highest score."""
    hashes, ranks = member_hashes(members), member_ranks(members)
    return max(range(len(members)), key=lambda i: (_mixed(series ^ hashes[i]), -ranks[i]))


@lru_cache(maxsize=16)
def member_hashes(members: tuple[str, ...]) -> tuple[int, ...]:
    """The hash of each member's name."""
    return tuple(metro_hash64(member.encode()) for member in members)


@lru_cache(maxsize=16)
def member_ranks(members: tuple[str, ...]) -> tuple[int, ...]:
    """How many members have a lower name, bytewise."""
    ranked = sorted(range(len(members)), key=lambda i: members[i].encode())
    return tuple(ranked.index(i) for i in range(len(members)))


def _mixed(x: int) -> int:
    """The finalizer of splitmix64."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x ^ x >> 31


@lru_cache(maxsize=16)
def ring(members: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """(point, member) of Veneur's ring, ascending."""
    points: dict[int, int] = {}
    for index, member in enumerate(members):
        for replica in range(RING_POINTS):
            points[zlib.crc32(f"{replica}{member}".encode())] = index
    return tuple(sorted(points.items()))


def ring_owner(members: tuple[str, ...], key: bytes) -> int:
    """The index of the member that Veneur's ring has for a key."""
    points = ring(members)
    at = bisect_right(points, (zlib.crc32(key), len(members)))
    return points[at % len(points)][1]
