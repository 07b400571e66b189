"""Datagrams: any bytes are understood or rejected, accounted for, and read by both engines."""

from __future__ import annotations

from collections.abc import Iterator

from tests.engines import Datagram
from tests.fuzz.bench import NEXT, READERS, Benches
from tests.golden.cases import yaml_cases
from tests.golden.vectors import vector_cases
from veneurpy.engine import EngineOptions, Grammar, NameTags

OPTIONS = (
    EngineOptions(store_max_bytes=1 << 23),
    EngineOptions(
        store_max_bytes=1 << 23,
        max_datagram_bytes=60,
        max_timestamps=2,
        grammar=Grammar(NameTags.INFLUXDB | NameTags.LIBRATO | NameTags.SIGNALFX),
    ),
    EngineOptions(store_max_bytes=1 << 23, extend_tags=("env:prod", "x", "veneurlocalonly")),
    EngineOptions(
        store_max_bytes=1 << 23,
        compression=20,
        side_log_max_bytes=90,
        grammar=Grammar(NameTags.GRAPHITE, is_statsd=True),
    ),
)
TRUNCATED = 4
REPEATED = 8
ALONE = 16
"""The reference, slow as it is, is not asked."""


_benches = Benches(OPTIONS)
close = _benches.close


def check(data: bytes) -> None:
    """The first byte chooses options; the rest are datagrams."""
    choice = data[0] if data else 0
    parts = data[1:].split(NEXT)
    if choice & REPEATED:
        # What only many samples bring about: digests, registers, larger tables.
        parts = parts[:4] * 100
    bench = _benches.bench(choice)
    now_ns = bench.now_ns()
    traffic = [
        Datagram(part, i % READERS, bool(choice & TRUNCATED and i == len(parts) - 1), now_ns)
        for i, part in enumerate(parts)
    ]
    bench.run(traffic, asks_reference=not choice & (REPEATED | ALONE))


def seeds() -> Iterator[bytes]:
    """The protocol's cases."""
    for case in [*yaml_cases(), *vector_cases()]:
        grammar = case.options.grammar
        choice = 3 if grammar.is_statsd else 1 if grammar.name_tags else 0
        yield bytes([choice]) + NEXT.join(case.packets)
    yield b"\x08a:1:2:3:4:5:6:7|ms|@0.1\x1ea:8:9|h\x1eb:1e9:-3|ms"
