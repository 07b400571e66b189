"""What a population of series that grow at the same time takes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from tests.engines import START_MS, close_interval, needs_native
from veneurpy.engine import EngineOptions, Plan, open_engine

pytestmark = needs_native

SERIES = 4_000
RESERVED = 1_500_000
"""Bytes that an arena keeps ready, whatever is in it."""


def _committed(lines: Sequence[bytes]) -> int:
    """Bytes behind the arenas after these lines, all of which must be in the store."""
    engine = open_engine("native", EngineOptions(), start_ms=START_MS)
    reader = engine.open_reader("r")
    before = engine.committed_bytes
    for packet in _packets(lines):
        reader.feed(packet)
    used = engine.committed_bytes - before
    outcome = close_interval(engine, Plan())
    assert len(lines) == outcome.total.accepted
    engine.close()
    return used


def _packets(lines: Sequence[bytes]) -> Iterator[bytes]:
    return (b"\n".join(lines[at : at + 100]) for at in range(0, len(lines), 100))


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    ("line", "samples", "most_bytes"),
    [(b"s%d:m%d|s", 100, 1200), (b"t%d:%d|ms", 64, 650), (b"t%d:%d|ms", 600, 5500)],
    ids=["sets", "timers", "digests"],
)
def test_outgrown_blocks_serve_again(
    line: bytes, samples: int, most_bytes: int, shuffled: bool
) -> None:
    """All series together take little more than their last blocks, in whichever order they grow."""
    series = SERIES if samples <= 100 else SERIES // 4
    order = list(range(series))
    chance = random.Random(1)
    lines = []
    for sample in range(samples):
        if shuffled:
            chance.shuffle(order)
        lines += [line % (number, sample) for number in order]
    assert _committed(lines) <= RESERVED + series * most_bytes
