"""Datagrams: any bytes are understood or rejected, accounted for, and read by both engines."""

from __future__ import annotations

from collections.abc import Iterator

from tests.engines import (
    NOW_NS,
    START_MS,
    Datagram,
    Outcome,
    broken_equations,
    close_interval,
    feed,
    run,
)
from tests.golden.cases import yaml_cases
from tests.golden.vectors import vector_cases
from tests.property.compare import PLAN, differences, weights
from veneurpy.engine import EngineOptions, Grammar, NameTags, open_engine

NEXT = b"\x1e"
"""Between two datagrams."""
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
READERS = 2
MOST_RUNS = 5000


class Bench:
    """An engine that is used again and again: to open one takes longer than all the rest."""

    def __init__(self, options: EngineOptions) -> None:
        self._engine = open_engine("native", options, start_ms=START_MS)
        self._readers = [self._engine.open_reader(f"reader {i}") for i in range(READERS)]
        self._runs = 0

    def now_ns(self) -> int:
        """Later each time, by more than an input has samples: a reader's gauges never go back."""
        return NOW_NS + self._runs * 1_000_000

    def run(self, traffic: list[Datagram]) -> Outcome:
        """What an interval of its own says of the traffic."""
        self._runs += 1
        feed(self._readers, traffic, "native")
        outcome = close_interval(self._engine, PLAN)
        # The next one begins where this one did.
        self._engine.rotate(START_MS).release()
        return outcome

    @property
    def is_worn(self) -> bool:
        """Its time has gone on for some seconds."""
        return self._runs >= MOST_RUNS

    def close(self) -> None:
        self._engine.close()


_benches: dict[int, Bench] = {}


def _bench(number: int) -> Bench:
    """The one for these options."""
    if number in _benches and _benches[number].is_worn:
        _benches.pop(number).close()
    if number not in _benches:
        _benches[number] = Bench(OPTIONS[number])
    return _benches[number]


def close() -> None:
    """Gives back what is kept from one input to the next."""
    while _benches:
        _benches.popitem()[1].close()


def check(data: bytes) -> None:
    """The first byte chooses options; the rest are datagrams."""
    choice = data[0] if data else 0
    options = OPTIONS[choice % len(OPTIONS)]
    parts = data[1:].split(NEXT)
    if choice & REPEATED:
        # What only many samples bring about: digests, registers, larger tables.
        parts = parts[:4] * 100
    bench = _bench(choice % len(OPTIONS))
    now_ns = bench.now_ns()
    traffic = [
        Datagram(part, i % READERS, bool(choice & TRUNCATED and i == len(parts) - 1), now_ns)
        for i, part in enumerate(parts)
    ]
    native = bench.run(traffic)
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
        grammar = case.options.grammar
        choice = 3 if grammar.is_statsd else 1 if grammar.name_tags else 0
        yield bytes([choice]) + NEXT.join(case.packets)
    yield b"\x08a:1:2:3:4:5:6:7|ms|@0.1\x1ea:8:9|h\x1eb:1e9:-3|ms"
