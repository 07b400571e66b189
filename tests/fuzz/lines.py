"""Datagrams: any bytes are understood or rejected, accounted for, and read by both engines."""

from __future__ import annotations

from collections.abc import Iterator

from tests.engines import Datagram, Outcome, broken_equations, run
from tests.golden.cases import yaml_cases
from tests.golden.vectors import vector_cases
from tests.property.compare import PLAN, differences, weights
from veneurpy.engine import EngineOptions

NEXT = b"\x1e"
"""Between two datagrams."""
OPTIONS = (
    EngineOptions(store_max_bytes=1 << 23),
    EngineOptions(store_max_bytes=1 << 23, max_datagram_bytes=60, max_timestamps=2),
    EngineOptions(store_max_bytes=1 << 23, extend_tags=("env:prod", "x", "veneurlocalonly")),
    EngineOptions(store_max_bytes=1 << 23, compression=20, side_log_max_bytes=60),
)
TRUNCATED = 4
REPEATED = 8
ALONE = 16
"""The reference, slow as it is, is not asked."""
READERS = 2


def check(data: bytes) -> None:
    """The first byte chooses options; the rest are datagrams."""
    choice = data[0] if data else 0
    options = OPTIONS[choice % len(OPTIONS)]
    parts = data[1:].split(NEXT)
    if choice & REPEATED:
        # What only many samples bring about: digests, registers, larger tables.
        parts = parts[:4] * 100
    traffic = [
        Datagram(part, i % READERS, bool(choice & TRUNCATED and i == len(parts) - 1))
        for i, part in enumerate(parts)
    ]
    native = run("native", traffic, PLAN, options, READERS)
    assert [] == [broken for _, a in native.accounts for broken in broken_equations(a)]
    if not choice & (REPEATED | ALONE):
        compare(traffic, options, native)


def compare(traffic: list[Datagram], options: EngineOptions, native: Outcome) -> None:
    """The reference has the same to say."""
    reference = run("python", traffic, PLAN, options, READERS)
    assert [] == differences(reference, native, weights(traffic, options))
    assert reference.accounts == native.accounts
    assert reference.series == native.series
    assert reference.side_log == native.side_log
    assert reference.type_conflicts == native.type_conflicts


def seeds() -> Iterator[bytes]:
    """The protocol's cases."""
    for case in [*yaml_cases(), *vector_cases()]:
        yield b"\x00" + NEXT.join(case.packets)
    yield b"\x08a:1:2:3:4:5:6:7|ms|@0.1\x1ea:8:9|h\x1eb:1e9:-3|ms"
