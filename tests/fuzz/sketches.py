"""Sketches: whatever is added and merged in whatever order, a digest and a set stay sound."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise

from veneurpy.engine.native.hll import HyperLogLog
from veneurpy.engine.native.tdigest import TDigest

QUANTILES = (0.0, 0.01, 0.5, 0.9, 0.999, 1.0)
STEP = struct.Struct("<Bdd")
LARGEST = 1e290
"""The engine takes no larger value; a sample weighs 1e18 at the most."""
HEAVIEST = 1e18
EXACT_MEMBERS = 1536


def check(data: bytes) -> None:
    """Steps of 17 bytes: what to do, a value, a weight."""
    digests = [TDigest(compression) for compression in (20.0, 100.0)]
    sets = [HyperLogLog(), HyperLogLog()]
    members: list[set[int]] = [set(), set()]
    for what, value, weight in STEP.iter_unpack(data[: len(data) // STEP.size * STEP.size]):
        at, other = what & 1, 1 - (what & 1)
        if what & 2:
            digests[at].merge(digests[other])
            sets[at].merge(sets[other])
            members[at] |= members[other]
        else:
            add(digests[at], value, weight, 1 + (what >> 2) * 8)
            first = int.from_bytes(struct.pack("<d", value), "little")
            for h in range(first, first + 1 + (what >> 2) * 8):
                sets[at].add_hash(h * 0x9E3779B97F4A7C15 % 2**64)
                members[at].add(h * 0x9E3779B97F4A7C15 % 2**64)
    for digest in digests:
        assert_digest(digest)
    for made, expected in zip(sets, members, strict=True):
        assert_set(made, expected)


def add(digest: TDigest, value: float, weight: float, times: int) -> None:
    """As many samples, of ascending values; what is no number is refused."""
    try:
        for i in range(times):
            digest.add(max(-LARGEST, min(LARGEST, value)) * (1 + i / 1024), min(weight, HEAVIEST))
    except ValueError:
        assert value != value or not 0 < weight


def assert_digest(digest: TDigest) -> None:
    """Centroids in order and of the right weight; quantiles in order and between the extremes."""
    centroids = digest.centroids()
    assert all(left[0] <= right[0] for left, right in pairwise(centroids))
    assert all(weight > 0 for _, weight in centroids)
    total = sum(weight for _, weight in centroids)
    assert abs(total - digest.weight) <= 1e-9 * digest.weight
    if digest.count:
        answers = digest.quantiles(QUANTILES)
        assert answers == sorted(answers)
        assert digest.min == answers[0] <= answers[-1] == digest.max


def assert_set(made: HyperLogLog, members: set[int]) -> None:
    """Exact while it says so."""
    registers = made.registers()
    assert max(registers, default=0) <= 51
    assert made.is_exact == (not registers)
    if made.is_exact:
        assert made.estimate() == len(members) <= EXACT_MEMBERS


def seeds() -> Iterator[bytes]:
    """Few and many samples, merged."""
    yield b""
    yield STEP.pack(0, 1.0, 1.0) + STEP.pack(1, -2.5, 0.5) + STEP.pack(2, 0, 0)
    yield STEP.pack(100, 1.0, 1.0) * 3 + STEP.pack(101, 7e5, 10.0) + STEP.pack(3, 0, 0)
    yield STEP.pack(0, float("nan"), 1.0) + STEP.pack(1, 1.0, float("inf")) + STEP.pack(0, 1, -1)
