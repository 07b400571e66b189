"""How late does a task wake on the event loop, and what do the lanes of sinks do to it?

python -m benchmarks.loop_probe         an idle process: prints how late its loop was, as JSON
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from veneurpy.flush.lanes import Lane
from veneurpy.ledger import Ledger
from veneurpy.ports import Clock
from veneurpy.registry import sink_class
from veneurpy.server.process import leave_to_the_end
from veneurpy.telemetry import Telemetry
from veneurpy.testing import FakeContext

PERIOD_S = 0.001
NOTED_S = 0.001
"""What is less late is not worth a note of its own."""
DELIVERED_S = 60.0
SINKS = ("blackhole", "prometheus", "localfile")


class Late(NamedTuple):
    """One awakening, by the monotonic clock, which all processes share."""

    due_s: float
    woke_s: float


@dataclass(slots=True)
class Probe:
    """How late a task wakes."""

    notes: list[Late] = field(default_factory=list)

    async def run(self) -> None:
        """Measures until it is cancelled."""
        while True:
            due_s = time.monotonic() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            if (woke_s := time.monotonic()) - due_s >= NOTED_S:
                self.notes.append(Late(due_s, woke_s))

    @property
    def latest_s(self) -> float:
        """The worst of all."""
        return self.latest_in(0.0, float("inf"))

    def latest_in(self, start_s: float, end_s: float) -> float:
        """The worst of a span of time, in seconds: of all awakenings that it had a part in."""
        meanwhile = (each for each in self.notes if each.due_s < end_s and each.woke_s > start_s)
        return max((each.woke_s - each.due_s for each in meanwhile), default=0.0)


@asynccontextmanager
async def probing() -> AsyncIterator[Probe]:
    """A probe that runs meanwhile, in a process whose garbage is collected as a daemon's is."""
    leave_to_the_end()
    probe = Probe()
    task = asyncio.create_task(probe.run())
    try:
        yield probe
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def idling() -> AsyncIterator[Probe]:
    """An idle process meanwhile; what its loop was late is in the probe at the end."""
    probe = Probe()
    command = (sys.executable, "-m", __name__)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    await process.stdout.readline()  # it has begun
    try:
        yield probe
    finally:
        said = (await process.communicate(b""))[0]
        probe.notes += [Late(*each) for each in json.loads(said)]


async def idle() -> None:
    """The idle process: probes until its input ends, then prints how late it was."""
    async with probing() as probe:
        print(flush=True)
        await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(probe.notes))


class NoLog:
    """Takes the lines of the telemetry."""

    def log(self, level: int, event: str, **details: Any) -> None:
        """Keeps nothing."""


def lanes_of(
    folder: Path, ledger: Ledger, telemetry: Telemetry, *, clock: Clock, series: int
) -> list[Lane]:
    """A lane for each of SINKS, none of which sends anything anywhere."""
    options: dict[str, dict[str, Any]] = {
        "blackhole": {},
        "prometheus": {"max_series": 2 * series},
        "localfile": {"flush_file": str(folder / "points")},
    }
    return [
        Lane(
            kind,
            sink_class(kind)(sink_class(kind).Config(**options[kind]), FakeContext(kind)),
            kind=kind,
            clock=clock,
            telemetry=telemetry,
            accounts=ledger.total.sinks[kind],
            queue_batches=4,
            flush_timeout_s=DELIVERED_S,
            oldest_s=DELIVERED_S,
        )
        for kind in SINKS
    ]


async def delivered(lanes: list[Lane]) -> None:
    """Returns when the sinks have all that was offered."""
    async with asyncio.timeout(DELIVERED_S):
        while any(lane.pending_rows for lane in lanes):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    uvloop.run(idle())
