"""How late is the event loop of an owner while it seals a large interval, and who waits for it?"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks.answers import Answer, Figure, Target
from benchmarks.feeding import chunks_of, native_engine, rotate
from benchmarks.load import Load, Mix, write_lines
from benchmarks.loop_probe import PERIOD_S, idling, probing
from benchmarks.owning import INTERVAL_MS, Node, Phases
from benchmarks.passing import Link
from benchmarks.restoring import LateNode
from veneurpy.engine import Encoded, OwnerTable, Role

SERIES: dict[Mix, int] = {"counters": 920_000, "timers": 60_000, "sets": 20_000}
SAMPLES_EACH: dict[Mix, int] = {"counters": 1, "timers": 4, "sets": 4}
TOTAL = sum(SERIES.values())
LATE_BOUND_MS = 20.0
WAIT_BOUND_MS = 200.0
PAUSE_S = 0.01
TABLE = OwnerTable(("owner",), self_index=0)
KINDS: dict[str, type[Node]] = {"": LateNode, "in a chain: ": Link}

METHOD = f"""\
An owner with a spool on disk and the lanes of `blackhole`, `prometheus` and `localfile` takes the
batches of {TOTAL:,} series ({SERIES["counters"]:,} counters, {SERIES["timers"]:,} digests,
{SERIES["sets"]:,} sets) and seals them, on uvloop; then it takes as much late, which touches every
series, and amends. A task that sleeps {PERIOD_S * 1e3:g} ms again and again notes when it woke and
how late; so does one in an idle process at the same time, which shows what the machine does to an
event loop. A figure is the latest of the one less the latest of the other, in the time that a phase
took; "sealing" and "amending" are all of it, until every sink has confirmed every row. Every
{PAUSE_S * 1e3:g} ms something small is written to the spool, and a batch is delivered that was
sealed before, which the spool is asked about: their figures are the longest that one waited.
"restoring" is the time in which all of the interval's sketches are read and merged again for the
first late batch, which comes again until it is taken; "taking late" has no target. The interval
before, of the same series, is not measured: it fills the caches.

The same of an owner in a chain, which restores nothing; two owners above take at once all that it
passes on (in this process, without a network). "Sealing" and "amending" are then all of it, until
nothing waits."""


async def measured(
    kind: type[Node], parts: Sequence[Encoded], folder: Path
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """By phase how late the loop and the idle process were; the longest waits, by what waits."""
    phases, waits_ms = Phases(), {}
    start_ms = time.time_ns() // 1_000_000 // INTERVAL_MS * INTERVAL_MS - INTERVAL_MS
    with native_engine() as engine:
        node = kind(engine, folder, phases, rows=2 * TOTAL)
        await node.start()
        await node.take(parts, start_ms - INTERVAL_MS)
        await node.publish()
        phases.spans.clear()
        async with idling() as idle, probing() as busy:
            for name, work in works(node, parts, start_ms):
                async with repeating(node.write) as write_s, repeating(node.deliver_again) as ask_s:
                    with phases.of(name):
                        await work()
                waits_ms[f"a small write, {name}"] = max(write_s) * 1e3
                waits_ms[f"a delivery, {name}"] = max(ask_s) * 1e3
        await node.close()
    late_s = {
        name: [phases.latest_s(name, probe) for probe in (busy, idle)] for name in phases.spans
    }
    return {name: (late[0] * 1e3, late[1] * 1e3) for name, late in late_s.items()}, waits_ms


def works(
    node: Node, parts: Sequence[Encoded], start_ms: int
) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """What it is to do, by name, in this order."""
    yield "taking", partial(node.take, parts, start_ms)
    yield "sealing", node.publish
    if isinstance(node, LateNode):
        yield "restoring", partial(node.restore, parts[0], start_ms)
    yield "taking late", partial(node.take, parts, start_ms)
    yield "amending", node.publish
    yield "at rest", partial(asyncio.sleep, 1.0)


@asynccontextmanager
async def repeating(action: Callable[[], Awaitable[None]]) -> AsyncIterator[list[float]]:
    """Does it again and again meanwhile; how long each took, in seconds."""
    took_s: list[float] = []

    async def repeat() -> None:
        while True:
            start_s = time.monotonic()
            try:
                await action()
            finally:  # also what has not ended yet has taken so long
                took_s.append(time.monotonic() - start_s)
            await asyncio.sleep(PAUSE_S)

    task = asyncio.create_task(repeat())
    try:
        yield took_s
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


def encoded() -> list[Encoded]:
    """The batches of an interval as a host sends them."""
    with native_engine() as engine, TemporaryDirectory() as folder:
        reader, lines = engine.open_reader("bench"), Path(folder, "lines")
        for mix, series in SERIES.items():
            load = Load(mix=mix, series=series, in_sequence=True)
            write_lines(load, lines, series * SAMPLES_EACH[mix])
            for chunk in chunks_of(lines):
                reader.feed(chunk)
        interval = rotate(engine)
        parts = interval.encode(TABLE, role=Role.OWNER).parts
        interval.release()
    if (found := sum(part.series for part in parts)) != TOTAL:
        raise RuntimeError(f"{found} series were encoded instead of {TOTAL}")
    return parts


def measure(rounds: int) -> Answer:
    """Answers it."""
    late: dict[str, list[float]] = defaultdict(list)
    idle: list[float] = []
    waits: dict[str, list[float]] = defaultdict(list)
    parts = encoded()
    for _, (prefix, kind) in product(range(rounds), KINDS.items()):
        with TemporaryDirectory() as folder:
            phases, waits_ms = uvloop.run(measured(kind, parts, Path(folder)))
        for name, (busy_ms, idle_ms) in phases.items():
            late[f"{prefix}the loop, {name}"].append(busy_ms - idle_ms)
        idle.append(max(idle_ms for _, idle_ms in phases.values()))
        for what, longest_ms in waits_ms.items():
            waits[prefix + what].append(longest_ms)
    target = Target("<=", LATE_BOUND_MS, always=True)
    figures = [Figure(name, "ms late", tuple(each), target) for name, each in late.items()]
    figures.append(Figure("the idle process", "ms late", tuple(idle)))
    for what, each in waits.items():
        bound = Target("<=", WAIT_BOUND_MS) if what.endswith("ing") else None
        figures.append(Figure(what, "ms waited", tuple(each), bound))
    return Answer("Event loop of an owner that seals 1,000,000 points", METHOD, tuple(figures))
