"""A lane, its sink and its accounts."""

from __future__ import annotations

import asyncio

from tests.recording import Recorder
from veneurpy.flush.delivery import Delivery
from veneurpy.flush.lanes import Lane
from veneurpy.ledger import SinkAccounts
from veneurpy.model import Event, ServiceCheck
from veneurpy.telemetry import Telemetry
from veneurpy.testing import FakeClock, MemorySink, batch

EVENT = Event("title", "text", 1)
CHECK = ServiceCheck("db", 0, 1)


class Rig:
    """A lane around a MemorySink, on a fake clock. `run` starts its worker."""

    def __init__(self, sink: MemorySink | None = None) -> None:
        self.clock = FakeClock()
        self.log = Recorder()
        self.telemetry = Telemetry(self.log, self.clock)
        self.sink = sink or MemorySink()
        self.total = SinkAccounts()
        self.intervals: list[SinkAccounts] = []
        self.lane = Lane(
            "mem",
            self.sink,
            kind="memory",
            clock=self.clock,
            telemetry=self.telemetry,
            accounts=self.total,
            queue_batches=2,
            flush_timeout_s=10.0,
            oldest_s=20.0,
        )
        self.task: asyncio.Task[None] | None = None

    def run(self) -> None:
        self.task = asyncio.create_task(self.lane.run())

    def offer(self, rows: int, events: int = 0, checks: int = 0) -> SinkAccounts:
        """Offers one delivery of so many rows; returns the interval's accounts."""
        batches = [batch(*(("a", float(i)) for i in range(rows)))] if rows else []
        delivery = Delivery(batches, [EVENT] * events, [CHECK] * checks)
        self.lane.offer(delivery)
        self.intervals.append(delivery.accounts)
        return delivery.accounts

    @property
    def delivered(self) -> list[int]:
        return [len(each) for each in self.sink.batches]

    def check(self) -> None:
        """Whatever happened, every row has one fate, in the totals and in each interval."""
        self.lane.refresh()
        for accounts in (self.total, *self.intervals):
            broken = [e for e in accounts.equations("mem", accounts.points.offered) if not e.holds]
            assert [] == [str(equation) for equation in broken]
