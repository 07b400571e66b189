"""How late is the event loop while a large interval is flushed?"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks.answers import Answer, Figure, Target
from benchmarks.feeding import chunks_of, native_engine
from benchmarks.load import Load, write_lines
from benchmarks.loop_probe import PERIOD_S, SINKS, NoLog, delivered, idling, lanes_of, probing
from veneurpy.engine import Engine, Reader
from veneurpy.flush.flusher import Flusher
from veneurpy.flush.keeper import Keeper
from veneurpy.flush.late import LatePoints
from veneurpy.flush.summarise import plan_of
from veneurpy.flush.ticker import Tick
from veneurpy.ledger import Ledger
from veneurpy.ports import SystemClock
from veneurpy.spool import Spool
from veneurpy.telemetry import Telemetry

SERIES = 1_000_000
LATE_BOUND_MS = 20.0

METHOD = f"""\
A flusher with the lanes of `blackhole`, `prometheus` and `localfile` closes an interval of
1,000,000 counters, once with a spool and once without, on uvloop. A task that sleeps
{PERIOD_S * 1e3:g} ms again and again notes how late it wakes, from before the flush until every
sink has confirmed every row; so does one in an idle process at the same time, which shows what
the machine does to an event loop. A figure is the latest of the one less the latest of the other.
The interval before, of the same series, is not measured: it fills the caches."""


class Node:
    """The part of a daemon between the engine and the sinks."""

    def __init__(self, engine: Engine, folder: Path, spool: Spool | None) -> None:
        self._clock = SystemClock()
        telemetry = Telemetry(NoLog(), self._clock)
        self._ledger = Ledger(list(SINKS))
        self.lanes = lanes_of(folder, self._ledger, telemetry, clock=self._clock, series=SERIES)
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

    async def flush(self) -> None:
        """Closes the open interval and waits until all sinks have it."""
        start_ms, self._end_ms = self._end_ms, time.time_ns() // 1_000_000
        await self._flusher.flush(Tick(start_ms, self._end_ms, (self._end_ms - start_ms) / 1000))
        await delivered(self.lanes)

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
            async with idling() as idle, probing() as busy:
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
    return busy.latest_s * 1e3, idle.latest_s * 1e3


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
