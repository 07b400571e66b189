"""What work in a thread costs, and how late it makes an event loop beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import uvloop

from veneurpy.server.process import leave_to_the_end

TICK_S = 0.002


@dataclass(frozen=True, slots=True)
class Cost:
    """Of some work."""

    cpu_s: float
    """Of the process, all threads."""
    late_ms: float
    """The most by which a timer of the loop was late, beyond that of an idle run as long."""


def cost_of(work: Callable[[], None]) -> Cost:
    """Does the work in a thread beside an event loop, then nothing beside one for as long."""
    start_s = time.monotonic()
    used_s, late_s = _beside_a_loop(work)
    seconds = time.monotonic() - start_s
    _, idle_late_s = _beside_a_loop(lambda: time.sleep(seconds))
    return Cost(used_s, 1e3 * (late_s - idle_late_s))


def _beside_a_loop(work: Callable[[], None]) -> tuple[float, float]:
    """CPU seconds, and the most seconds by which a timer was late."""

    def timed() -> float:
        start_s = time.process_time()
        work()
        return time.process_time() - start_s

    leave_to_the_end()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_beside(timed))


async def _beside(work: Callable[[], float]) -> tuple[float, float]:
    working = asyncio.create_task(asyncio.to_thread(work))
    late_s = 0.0
    while not working.done():
        due_s = time.monotonic() + TICK_S
        await asyncio.sleep(TICK_S)
        late_s = max(late_s, time.monotonic() - due_s)
    return await working, late_s
