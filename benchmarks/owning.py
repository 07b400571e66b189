"""An owner as a daemon has it, whose phases are timed: for the benchmark of sealing."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from benchmarks.loop_probe import SINKS, NoLog, Probe, delivered, lanes_of
from veneurpy.engine import (
    Columns,
    Encoded,
    Engine,
    Imported,
    ImportStore,
    OwnerTable,
    Plan,
    Streamed,
)
from veneurpy.flush.keeper import Keeper
from veneurpy.flush.lanes import Lane
from veneurpy.flush.sealed import SealedRows
from veneurpy.flush.summarise import plan_of
from veneurpy.forward.answer import Kind
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.desk import NextTier, OwnerOptions
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.forward.owner import Owner
from veneurpy.ledger import Ledger
from veneurpy.ports import SystemClock
from veneurpy.spool import Spool
from veneurpy.spool.database import Database
from veneurpy.telemetry import Telemetry

INTERVAL_MS = 1000

_T = TypeVar("_T")


class Phases:
    """What was going on when, by the monotonic clock."""

    def __init__(self) -> None:
        self.spans: dict[str, list[tuple[float, float]]] = defaultdict(list)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """It goes on meanwhile."""
        start_s = time.monotonic()
        try:
            yield
        finally:
            self.spans[name].append((start_s, time.monotonic()))

    def latest_s(self, name: str, probe: Probe) -> float:
        """How late a probe was in one of them, in seconds."""
        return max(probe.latest_in(*span) for span in self.spans[name])


class TimedStore:
    """An import store that says what it is at."""

    def __init__(self, store: ImportStore, phases: Phases) -> None:
        self._store = store
        self._phases = phases

    @property
    def start_ms(self) -> int:
        return self._store.start_ms

    @property
    def series(self) -> int:
        return self._store.series

    @property
    def memory_bytes(self) -> int:
        return self._store.memory_bytes

    def merge(
        self, payload: bytes, *, sender: str, received_ns: int, foreign: bool = False
    ) -> Imported:
        with self._phases.of("deliver" if sender else "restore"):
            return self._store.merge(
                payload, sender=sender, received_ns=received_ns, foreign=foreign
            )

    def merge_stream(self, frames: bytes, *, sender: str, received_ns: int) -> Streamed:
        return self._store.merge_stream(frames, sender=sender, received_ns=received_ns)

    def columns(self, plan: Plan, *, touched_only: bool = False) -> Columns:
        with self._phases.of("merge"):
            return self._store.columns(plan, touched_only=touched_only)

    def state(self, shards: int, max_bytes: int) -> list[bytes]:
        with self._phases.of("encode"):
            return self._store.state(shards, max_bytes)

    def encode(self, table: OwnerTable, max_bytes: int) -> list[Encoded]:
        with self._phases.of("encode"):
            return self._store.encode(table, max_bytes)

    def forget_touched(self) -> None:
        self._store.forget_touched()

    def release(self) -> None:
        with self._phases.of("free"):
            self._store.release()


class TimedEngine:
    """Opens such stores."""

    def __init__(self, engine: Engine, phases: Phases) -> None:
        self._engine = engine
        self._phases = phases

    def open_import(self, start_ms: int) -> ImportStore:
        return TimedStore(self._engine.open_import(start_ms), self._phases)


class TimedSpool(Spool):
    """A spool on disk that says when an owner waits for it."""

    def __init__(self, folder: Path, phases: Phases) -> None:
        super().__init__(folder, most_bytes=1 << 32, oldest_s=3600, failed=_failed, is_owner=True)
        self._phases = phases

    def run(self, work: Callable[[Database], _T]) -> _T:
        with self._phases.of("commit"):
            return super().run(work)


class Node:
    """The owning half of a daemon. `start` it first, `close` it last."""

    def __init__(self, engine: Engine, folder: Path, phases: Phases, *, rows: int) -> None:
        self._clock = clock = SystemClock()
        self._telemetry = telemetry = Telemetry(NoLog(), clock)
        self.spool = spool = TimedSpool(folder, phases)
        self._phases = phases
        self._ledger = ledger = Ledger(list(SINKS))
        self._lanes: list[Lane] = lanes_of(folder, ledger, telemetry, clock=clock, series=rows)
        self._tasks: list[asyncio.Task[None]] = []
        self._known: Batch | None = None
        self._owner = Owner(
            OwnerOptions("owner", "bench", INTERVAL_MS, 0, max_bytes=4 << 30),
            engine=TimedEngine(engine, phases),
            plan=plan_of(["max", "count"], []),
            spool=spool,
            clock=clock,
            membership=Membership(EpochTable([Epoch(1, 0, ("owner",))])),
            publisher=SealedRows(
                Keeper(spool, self._lanes, clock),
                self._lanes,
                ledger=ledger,
                telemetry=telemetry,
                loop=asyncio.get_running_loop(),
            ),
            telemetry=telemetry,
            next_tier=self._next_tier(),
        )

    def _next_tier(self) -> NextTier | None:
        """It publishes."""
        return None

    async def start(self) -> None:
        """It takes batches, and its sinks take rows."""
        await self.spool.open()
        await self._owner.start()
        for lane in self._lanes:
            await lane.sink.start()
        self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes]

    async def take(self, parts: Sequence[Encoded], start_ms: int) -> None:
        """Merges an interval's batches, which nobody has sent before."""
        uuid = uuid4()
        for part, each in enumerate(parts):
            crc, sent_ms = zlib.crc32(each.payload), time.time_ns() // 1_000_000
            batch = Batch(
                BatchId(uuid, part, len(parts)),
                start_ms,
                INTERVAL_MS,
                1,
                "owner",
                "host",
                each.payload,
                crc,
                each.series,
                each.samples,
                sent_ms,
            )
            if (answer := await self._owner.deliver(batch)).kind is not Kind.HELD:
                raise RuntimeError(f"a batch was answered {answer}")
            self._known = self._known or batch

    async def deliver_again(self) -> None:
        """A batch comes that was sealed before, which takes a look into the spool."""
        if self._known is None or (await self._owner.deliver(self._known)).kind is not Kind.DONE:
            raise RuntimeError("a batch that was sealed is not known")

    async def write(self) -> None:
        """Something small is written."""
        await self.spool.do(lambda database: database.place("a sink", "7"))

    async def publish(self) -> None:
        """Seals or amends what was taken, and waits until it is wherever it is to go."""
        before = self.through
        await asyncio.sleep(2 * INTERVAL_MS / 1000)  # its time has to go by
        await self._owner.tick()
        with self._phases.of("publish"):
            await asyncio.sleep(0)  # its rows are offered on the loop
            await self._delivered()
        status = self._owner.status()
        if status["open"] or status["late"] or self.through == before:
            raise RuntimeError(f"the interval was not published: {status['failure']}")

    async def _delivered(self) -> None:
        """Returns when the sinks have it."""
        await delivered(self._lanes)

    @property
    def through(self) -> int:
        """How many rows the sinks have confirmed."""
        return sum(lane.points.confirmed for lane in self._ledger.total.sinks.values())

    async def close(self) -> None:
        """Ends all of it."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for lane in self._lanes:
            await lane.sink.stop()
        await self._owner.close()
        await self.spool.close()


def _failed(what: str, error: str) -> None:
    raise RuntimeError(f"the spool cannot {what}: {error}")
