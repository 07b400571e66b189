"""How fast is an interval encoded for owners, and what comes from hosts merged?"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target
from benchmarks.c_loop import machine_speed
from benchmarks.feeding import check_accounts, chunks_of, native_engine, rotate
from benchmarks.load import Load, Sent, write_lines
from veneurpy.engine import Encoded, Engine, OwnerTable, Role
from veneurpy.flush.summarise import plan_of

LINES = 1_000_000
HOSTS = 10
TABLE = OwnerTable(tuple(f"global-{i}" for i in range(3)), self_index=0)
PLAN = plan_of(("min", "max", "count"), (0.5, 0.75, 0.95, 0.99))

COUNTERS = Load(mix="counters", series=LINES, in_sequence=True)
TIMERS = Load(mix="timers", series=100_000, in_sequence=True)
BUSY_TIMERS = Load(mix="timers", series=LINES // 50, in_sequence=True)

ENCODE_COUNTERS = "encode counters"
ENCODE_DIGESTS = "encode digests of 10 samples"
ENCODE_BUSY = "encode digests of 50 samples"
MERGE_COUNTERS = "merge counters"
MERGE_DIGESTS = f"merge digests of 50 centroids, {HOSTS} hosts"
SEAL = "columns of what was merged, points"
TARGETS = {
    ENCODE_COUNTERS: Target(">=", 1e6),
    ENCODE_DIGESTS: Target(">=", 3e5),
    MERGE_COUNTERS: Target(">=", 5e5),
    MERGE_DIGESTS: Target(">=", 2e5),
}

METHOD = f"""\
Encoding: an interval of {LINES:,} lines, filled through `Reader.feed` and rotated, then
`Interval.encode` for {len(TABLE.members)} owners by rendezvous hashing. Merging: the batches of
such an interval into an empty import store, those of digests {HOSTS} times, as if so many hosts had
the same series. The last line is `ImportStore.columns` after that. Everything on one thread, a CPU
second of the process, scaled to a machine on which `c_loop` takes 20 M lines/s (it runs before each
round)."""

Rates = dict[str, float]


def encoded(
    engine: Engine, chunks: list[bytes], written: Sent, role: Role
) -> tuple[list[Encoded], float]:
    """The batches of an interval, and series encoded a second."""
    reader = engine.open_reader("bench")
    for chunk in chunks:
        reader.feed(chunk)
    interval = rotate(engine)
    check_accounts(interval, [written])
    start_s = time.process_time()
    parts = interval.encode(TABLE, role=role).parts
    spent_s = time.process_time() - start_s
    interval.release()
    return parts, sum(part.series for part in parts) / spent_s


def merged(engine: Engine, parts: Sequence[Encoded], hosts: int) -> tuple[float, float]:
    """Metrics merged a second, and points made of them a second."""
    store = engine.open_import(0)
    start_s = time.process_time()
    for host in range(hosts):
        for part in parts:
            store.merge(part.payload, sender=f"host-{host}", received_ns=1)
    spent_s = time.process_time() - start_s
    if store.series != sum(part.series for part in parts):
        raise RuntimeError(f"{store.series} series were merged")
    start_s = time.process_time()
    points = len(store.columns(PLAN))
    columns_s = time.process_time() - start_s
    store.release()
    return hosts * sum(part.series for part in parts) / spent_s, points / columns_s


def counters(engine: Engine, chunks: list[bytes], written: Sent) -> Rates:
    parts, encode = encoded(engine, chunks, written, Role.OWNER)
    merge, _ = merged(engine, parts, 1)
    return {ENCODE_COUNTERS: encode, MERGE_COUNTERS: merge}


def timers(engine: Engine, chunks: list[bytes], written: Sent) -> Rates:
    _, encode = encoded(engine, chunks, written, Role.HOST)
    return {ENCODE_DIGESTS: encode}


def busy_timers(engine: Engine, chunks: list[bytes], written: Sent) -> Rates:
    parts, encode = encoded(engine, chunks, written, Role.HOST)
    merge, seal = merged(engine, parts, HOSTS)
    return {ENCODE_BUSY: encode, MERGE_DIGESTS: merge, SEAL: seal}


CASES: tuple[tuple[Load, Callable[[Engine, list[bytes], Sent], Rates]], ...] = (
    (COUNTERS, counters),
    (TIMERS, timers),
    (BUSY_TIMERS, busy_timers),
)


def measure(rounds: int) -> Answer:
    """Answers it."""
    rates: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        base, lines = Path(folder, "base"), Path(folder, "lines")
        write_lines(Load(mix="counters"), base, LINES)
        for _ in range(rounds):
            for load, ask in CASES:
                written = write_lines(load, lines, LINES)
                scale = machine_speed(base)
                with native_engine() as engine:
                    for what, rate in ask(engine, chunks_of(lines), written).items():
                        rates[what].append(rate / scale)
    figures = tuple(
        Figure(what, "a CPU-s", tuple(rates[what]), TARGETS.get(what)) for what in rates
    )
    return Answer("Between nodes", METHOD, figures)
