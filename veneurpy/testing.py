"""Fakes and builders for tests: ours, and those of whoever writes a sink."""

from __future__ import annotations

import asyncio
import heapq
from array import array
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict

from veneurpy.engine import Columns, MetricType, StringTable
from veneurpy.errors import SinkError
from veneurpy.model import Event, Point, PointType, Scope, ServiceCheck
from veneurpy.ports import Clock, FlushBatch, FlushResult, LogLevel, SinkContext, WriteClass

Row: TypeAlias = tuple[str, float] | tuple[str, float, str] | tuple[str, float, str, str]
"""What `batch` takes: name, value, type ("gauge" if left out), tags ("a:1,b:2")."""

START_MS = 1_700_000_000_000
"""When a fake day begins: Unix time in ms, a multiple of every interval people use."""

_SETTLE_ROUNDS = 50


class FakeClock:
    """A clock that moves when it is told to. For one event loop; starts at `START_MS`.

    Tasks sleep on it as on the real one, and wake in the order of their deadlines. `advance` is
    for code without tasks or with one sleep in the span; `run` walks from deadline to deadline, so
    that a task which sleeps ten times in the span does so.
    """

    def __init__(self, start_ms: int = START_MS) -> None:
        self._now_ns = start_ms * 1_000_000
        self._monotonic_ns = 0
        self._order = count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals: set[asyncio.Event] = set()

    def __repr__(self) -> str:
        return f"FakeClock(monotonic={self.monotonic()}, sleeping={self.sleeping})"

    @property
    def sleeping(self) -> int:
        """How many tasks sleep now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def now_ns(self) -> int:
        """CLOCK_REALTIME, nanoseconds."""
        return self._now_ns

    def monotonic(self) -> float:
        """Seconds since the clock was made, jumps left out."""
        return self._monotonic_ns / 1e9

    def jump(self, seconds: float) -> None:
        """Sets the wall clock forward, or back if negative. Nobody wakes: sleep is monotonic."""
        self._now_ns += round(seconds * 1e9)

    def advance(self, seconds: float) -> None:
        """Lets time pass and wakes whoever's time has come; they run when the test next awaits."""
        if seconds < 0:
            raise ValueError("time does not run backwards: use jump for the wall clock")
        self._move_to(self._monotonic_ns + round(seconds * 1e9))

    async def run(self, seconds: float) -> None:
        """Lets time pass from deadline to deadline; each sleeper wakes exactly at its own.

        Between two deadlines the tasks run until they sleep again or wait for something else. What
        runs in threads is not waited for: `await` it, or use `sleepers`.
        """
        end = self._monotonic_ns + round(seconds * 1e9)
        await _settle()
        while (deadline := self._next_deadline()) is not None and deadline <= end:
            self._move_to(deadline)
            await _settle()
        self._move_to(end)
        await _settle()

    async def sleep(self, seconds: float) -> None:
        """Sleeps until the clock has been moved by `seconds`. Zero or less yields once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        deadline = self._monotonic_ns + round(seconds * 1e9)
        heapq.heappush(self._sleepers, (deadline, next(self._order), future))
        for arrival in self._arrivals:
            arrival.set()
        await future

    async def sleepers(self, number: int, timeout_s: float = 10.0) -> None:
        """Waits, in real time, until `number` tasks or more sleep; TimeoutError if they don't."""
        arrival = asyncio.Event()
        self._arrivals.add(arrival)
        try:
            async with asyncio.timeout(timeout_s):
                while self.sleeping < number:
                    arrival.clear()
                    await arrival.wait()
        finally:
            self._arrivals.discard(arrival)

    def _next_deadline(self) -> int | None:
        while self._sleepers and self._sleepers[0][2].done():  # a cancelled sleep
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _move_to(self, monotonic_ns: int) -> None:
        self._now_ns += monotonic_ns - self._monotonic_ns
        self._monotonic_ns = monotonic_ns
        while self._sleepers and self._sleepers[0][0] <= monotonic_ns:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)


class FakeContext:
    """What a sink is given, without a daemon.

    `exposed` holds what it serves over HTTP, by path; `logged` the lines of its log.
    """

    def __init__(
        self,
        name: str = "test",
        *,
        hostname: str = "testhost",
        interval_s: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.hostname = hostname
        self.interval_s = interval_s
        self.clock: Clock = clock or FakeClock()
        self.exposed: dict[str, Any] = {}
        self.logged: list[dict[str, Any]] = []

    def expose(self, path: str, handler: Any) -> None:
        """Keeps the handler. Raises ValueError when the path is taken."""
        if path in self.exposed:
            raise ValueError(f"{path} is served already")
        self.exposed[path] = handler

    def log(self, level: LogLevel, event: str, /, **details: Any) -> None:
        """Keeps the line."""
        self.logged.append({"level": level, "event": event, **details})


class NoOptions(BaseModel):
    """The options of a sink that has none."""

    model_config = ConfigDict(strict=True, extra="forbid")


class MemorySink:
    """Keeps all it is given, and fails or hangs when it is told to."""

    Config: ClassVar[type[BaseModel]] = NoOptions
    write_class: ClassVar[WriteClass] = WriteClass.VERSIONED
    takes_events: ClassVar[bool] = True
    takes_checks: ClassVar[bool] = True

    def __init__(self, config: Any = None, context: SinkContext | None = None) -> None:
        self.context = context
        self.batches: list[FlushBatch] = []
        self.events: list[Event] = []
        self.checks: list[ServiceCheck] = []
        self.calls: list[str] = []
        self._failures: list[Exception] = []
        self._free = asyncio.Event()
        self._free.set()

    def __repr__(self) -> str:
        return f"MemorySink(calls={self.calls}, points={len(self.points)})"

    @property
    def points(self) -> list[Point]:
        """Every point of every batch that was confirmed, in order of arrival."""
        return [point for batch in self.batches for point in batch.points()]

    def fail(self, times: int = 1, error: Exception | None = None) -> None:
        """Makes the next calls of start or a flush raise (by default a retriable SinkError)."""
        self._failures += [error or SinkError("told to fail", retriable=True)] * times

    def hang(self) -> None:
        """Makes every call of a flush wait, until `release`."""
        self._free.clear()

    def release(self) -> None:
        """Lets the waiting calls go on."""
        self._free.set()

    async def start(self) -> None:
        """Fails if told to."""
        await self._call("start")

    async def flush(self, batch: FlushBatch) -> FlushResult:
        """Keeps the batch."""
        await self._call("flush")
        self.batches.append(batch)
        return FlushResult(confirmed=len(batch))

    async def flush_events(
        self, events: Sequence[Event], checks: Sequence[ServiceCheck]
    ) -> FlushResult:
        """Keeps events and checks."""
        await self._call("flush_events")
        self.events += events
        self.checks += checks
        return FlushResult(confirmed=len(events) + len(checks))

    async def stop(self) -> None:
        """Notes that it was called."""
        self.calls.append("stop")

    async def _call(self, name: str) -> None:
        self.calls.append(name)
        await self._free.wait()
        if self._failures:
            raise self._failures.pop(0)


def packets(*lines: str | bytes, max_bytes: int = 1432) -> list[bytes]:
    """Joins lines to datagrams of at most `max_bytes`, as a buffering client does."""
    datagrams: list[bytes] = []
    for line in lines:
        raw = line.encode() if isinstance(line, str) else line
        if datagrams and len(datagrams[-1]) + 1 + len(raw) <= max_bytes:
            datagrams[-1] += b"\n" + raw
        else:
            datagrams.append(raw)
    return datagrams


def batch(
    *rows: Row,
    start_ms: int = START_MS,
    interval_s: float = 10.0,
    host: str = "testhost",
    only: Sequence[int] | None = None,
    revision: int = 0,
) -> FlushBatch:
    """A FlushBatch of simple tuples, in their order: `batch(("hits", 3, "counter", "env:prod"))`.

    `only` narrows it to some of the rows, as `veneursinkonly` does.
    """
    points = [_point(row, start_ms, interval_s, host) for row in rows]
    return FlushBatch(start_ms, interval_s, host, columns_of(points), only, revision)


def columns_of(points: Iterable[Point]) -> Columns:
    """The columns that an engine would hand out for these points, in their order."""
    listed = list(points)
    names = {name: i for i, name in enumerate(dict.fromkeys(p.name for p in listed))}
    tag_sets = [",".join(sorted(set(p.tags), key=str.encode)) for p in listed]
    tags = {text: i for i, text in enumerate(dict.fromkeys(tag_sets))}
    series = [
        MetricType.COUNTER if p.type is PointType.COUNTER else MetricType.GAUGE for p in listed
    ]
    return Columns(
        names=string_table(names),
        tags=string_table(tags),
        sink_sets=(frozenset(),),
        name=memoryview(array("I", [names[p.name] for p in listed])),
        tag=memoryview(array("I", [tags[text] for text in tag_sets])),
        type=memoryview(array("B", [p.type for p in listed])),
        scope=memoryview(array("B", [p.scope for p in listed])),
        series_type=memoryview(array("B", series)),
        sinks=memoryview(array("H", [0] * len(listed))),
        timestamp_ms=memoryview(array("q", [p.timestamp_ms for p in listed])),
        value=memoryview(array("d", [p.value for p in listed])),
    )


def string_table(strings: Iterable[str]) -> StringTable:
    """A StringTable of these strings, in their order."""
    encoded = [string.encode() for string in strings]
    offsets = array("I", [0])
    for raw in encoded:
        offsets.append(offsets[-1] + len(raw))
    return StringTable(memoryview(offsets), memoryview(b"".join(encoded)))


def _point(row: Row, start_ms: int, interval_s: float, host: str) -> Point:
    value = row[1]
    kind = row[2] if len(row) > 2 else "gauge"
    tags = row[3] if len(row) > 3 else ""
    return Point(
        row[0],
        tuple(tags.split(",")) if tags else (),
        PointType[kind.upper()],
        Scope.MIXED,
        start_ms,
        interval_s,
        host,
        value,
    )


async def _settle() -> None:
    # Every hop from task to task costs one turn of the loop; no chain of ours is this long.
    for _ in range(_SETTLE_ROUNDS):
        await asyncio.sleep(0)
