"""How late an event loop gets while another thread works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import uvloop

TICK_S = 0.002


def late_ms(work: Callable[[], None]) -> float:
    """The most milliseconds by which a timer of a uvloop was late while a thread did the work."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_latest_ms(work))


def idle(seconds: float) -> Callable[[], None]:
    """Work that is none, for comparison."""
    return lambda: time.sleep(seconds)


async def _latest_ms(work: Callable[[], None]) -> float:
    worked = asyncio.create_task(asyncio.to_thread(work))
    latest_s = 0.0
    while not worked.done():
        due_s = time.monotonic() + TICK_S
        await asyncio.sleep(TICK_S)
        latest_s = max(latest_s, time.monotonic() - due_s)
    await worked
    return latest_s * 1e3
