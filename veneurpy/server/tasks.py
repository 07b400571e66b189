"""What a node does for ever: it flushes, measures how late its loop is, feeds the watchdog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from veneurpy.flush.flusher import Flusher
from veneurpy.flush.ticker import Ticker
from veneurpy.ports import Clock
from veneurpy.systemd import Notifier
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.metrics import LOOP_LAG, LOOP_LAG_MAX

LAG_PERIOD_S = 0.25


async def flush_for_ever(
    flusher: Flusher, ticker: Ticker, *, stopping: asyncio.Event, flushed: Callable[[], None]
) -> None:
    """Flushes at each tick. A flush that has begun is finished, whoever asks to stop."""
    asked = asyncio.create_task(stopping.wait())
    while True:
        waiting = asyncio.create_task(ticker.wait())
        await asyncio.wait({waiting, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            return
        await flusher.flush(waiting.result())
        flushed()


async def watch_lag(clock: Clock, telemetry: Telemetry) -> None:
    """Measures for ever how late the event loop wakes a sleeper."""
    latest_s = 0.0
    while True:
        due_s = clock.monotonic() + LAG_PERIOD_S
        await clock.sleep(LAG_PERIOD_S)
        lag_s = max(0.0, clock.monotonic() - due_s)
        latest_s = max(latest_s, lag_s)
        telemetry.observe(LOOP_LAG, lag_s)
        telemetry.set(LOOP_LAG_MAX, latest_s)


async def feed_watchdog(clock: Clock, notifier: Notifier, is_healthy: Callable[[], bool]) -> None:
    """Shows for ever that the node lives, twice as often as the service manager asks."""
    while True:
        if is_healthy():
            notifier.notify("WATCHDOG=1")
        await clock.sleep(notifier.watchdog_s / 2)
