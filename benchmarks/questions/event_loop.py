"""How late is the event loop while a large interval is flushed?"""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from benchmarks.answers import Answer, Figure, Target
from benchmarks.feeding import chunks_of, native_engine
from benchmarks.load import Load, write_lines
from veneurpy.engine import Engine, Reader
from veneurpy.flush.flusher import Flusher
from veneurpy.flush.keeper import Keeper
from veneurpy.flush.lanes import Lane
from veneurpy.flush.late import LatePoints
from veneurpy.flush.summarise import plan_of
from veneurpy.flush.ticker import Tick
from veneurpy.ledger import Ledger
from veneurpy.ports import SystemClock
from veneurpy.registry import sink_class
from veneurpy.spool import Spool
from veneurpy.telemetry import Telemetry
from veneurpy.testing import FakeContext

SERIES = 1_000_000
PERIOD_S = 0.001
LATE_BOUND_MS = 20.0
DELIVERED_S = 60.0

METHOD = f"""\
A flusher with the lanes of `blackhole`, `prometheus` and `localfile` closes an interval of
1,000,000 counters, once with a spool and once without, on uvloop. A task that sleeps
{PERIOD_S * 1e3:g} ms again and again notes how late it wakes, from before the flush until every
sink has confirmed every row; so does one in an idle process at the same time, which shows what
the machine does to an event loop. A figure is the latest of the one less the latest of the other.
The interval before, of the same series, is not measured: it fills the caches."""


@dataclass(slots=True)
class Probe:
    """How late a task wakes."""

    latest_s: float = 0.0

    async def run(self) -> None:
        """Measures until it is cancelled."""
        while True:
            due_s = time.monotonic() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            self.latest_s = max(self.latest_s, time.monotonic() - due_s)


@asynccontextmanager
async def probing() -> AsyncIterator[Probe]:
    """A probe that runs meanwhile."""
    probe = Probe()
    task = asyncio.create_task(probe.run())
    try:
        yield probe
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def idling() -> AsyncIterator[list[float]]:
    """An idle process meanwhile; how late it was, in seconds, is in the list at the end."""
    latest_s: list[float] = []
    command = (sys.executable, "-m", __name__)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    await process.stdout.readline()  # it has begun
    try:
        yield latest_s
    finally:
        latest_s.append(float((await process.communicate(b""))[0]))


async def idle() -> None:
    """The idle process: probes until its input ends, then prints how late it was."""
    async with probing() as probe:
        print(flush=True)
        await asyncio.to_thread(sys.stdin.read)
    print(probe.latest_s)


class _NoLog:
    """Takes the lines of the telemetry."""

    def log(self, level: int, event: str, **details: Any) -> None:
        """Keeps nothing."""


class Node:
    """The part of a daemon between the engine and the sinks."""

    def __init__(self, engine: Engine, folder: Path, spool: Spool | None) -> None:
        self._clock = SystemClock()
        telemetry = Telemetry(_NoLog(), self._clock)
        options: dict[str, dict[str, Any]] = {
            "blackhole": {},
            "prometheus": {"max_series": 2 * SERIES},
            "localfile": {"flush_file": str(folder / "points")},
        }
        self._ledger = Ledger(list(options))
        self.lanes = [self._lane(kind, config, telemetry) for kind, config in options.items()]
        self._executor = ThreadPoolExecutor(1)
        self._flusher = Flusher(
            engine,
            self.lanes,
            plan=plan_of(["max", "count"], []),
            late=LatePoints(window_s=600),
            ledger=self._ledger,
            telemetry=telemetry,
            clock=self._clock,
            executor=self._executor,
            host="bench",
            extend_tags=(),
            keeper=None if spool is None else Keeper(spool, self.lanes, self._clock),
        )
        self._end_ms = time.time_ns() // 1_000_000

    def _lane(self, kind: str, config: dict[str, Any], telemetry: Telemetry) -> Lane:
        cls = sink_class(kind)
        return Lane(
            kind,
            cls(cls.Config(**config), FakeContext(kind)),
            kind=kind,
            clock=self._clock,
            telemetry=telemetry,
            accounts=self._ledger.total.sinks[kind],
            queue_batches=4,
            flush_timeout_s=DELIVERED_S,
            oldest_s=DELIVERED_S,
        )

    async def flush(self) -> None:
        """Closes the open interval and waits until all sinks have it."""
        start_ms, self._end_ms = self._end_ms, time.time_ns() // 1_000_000
        await self._flusher.flush(Tick(start_ms, self._end_ms, (self._end_ms - start_ms) / 1000))
        async with asyncio.timeout(DELIVERED_S):
            while any(lane.pending_rows for lane in self.lanes):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def close(self) -> int:
        """Stops the sinks; returns the rows that were confirmed."""
        for lane in self.lanes:
            await lane.sink.stop()
        self._executor.shutdown()
        return sum(lane.points.confirmed for lane in self._ledger.total.sinks.values())


async def latest_ms(chunks: list[bytes], folder: Path, *, with_spool: bool) -> tuple[float, float]:
    """The latest of the second flush, and of the idle process beside it."""
    spool = None
    if with_spool:
        spool = Spool(folder, most_bytes=1 << 32, oldest_s=3600, failed=_fail)
        await spool.open()
    with native_engine() as engine:
        reader = engine.open_reader("bench")
        node = Node(engine, folder, spool)
        for lane in node.lanes:
            await lane.sink.start()
        tasks = [asyncio.create_task(lane.run()) for lane in node.lanes]
        try:
            _feed(reader, chunks)
            await node.flush()
            _feed(reader, chunks)
            async with idling() as idle_s, probing() as busy:
                await node.flush()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            confirmed = await node.close()
        if confirmed != 2 * SERIES * len(node.lanes):
            raise RuntimeError(f"only {confirmed} rows were confirmed")
    if spool is not None:
        await spool.close()
    return busy.latest_s * 1e3, idle_s[0] * 1e3


def _feed(reader: Reader, chunks: list[bytes]) -> None:
    for chunk in chunks:
        reader.feed(chunk)


def _fail(what: str, error: str) -> None:
    raise RuntimeError(f"the spool cannot {what}: {error}")


def measure(rounds: int) -> Answer:
    """Answers it."""
    later: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        lines = Path(folder, "lines")
        write_lines(Load(mix="counters", series=SERIES, in_sequence=True), lines, SERIES)
        chunks = chunks_of(lines)
    for _ in range(rounds):
        for what, with_spool in (("without a spool", False), ("with a spool", True)):
            with TemporaryDirectory() as folder:
                busy_ms, idle_ms = uvloop.run(
                    latest_ms(chunks, Path(folder), with_spool=with_spool)
                )
            later[what].append(busy_ms - idle_ms)
            later[f"{what}, the idle process"].append(idle_ms)
    target = Target("<=", LATE_BOUND_MS)
    figures = [
        Figure(f"1,000,000 counters, {what}", "ms", tuple(each), None if "idle" in what else target)
        for what, each in later.items()
    ]
    return Answer("Event loop during a flush", METHOD, tuple(figures))


if __name__ == "__main__":
    uvloop.run(idle())
