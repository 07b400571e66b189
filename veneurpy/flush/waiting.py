"""Two ways to wait on a clock: for a task with a time-out, and for time that may be cut short."""

from __future__ import annotations

import asyncio
from typing import Any

from veneurpy.ports import Clock


async def ended_within(clock: Clock, task: asyncio.Future[Any], seconds: float) -> bool:
    """Whether the task ended, by itself, in that time; if not it is cancelled."""
    timer: asyncio.Future[Any] = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        task.cancel()
        raise
    finally:
        timer.cancel()
    if task.done() and not task.cancelled():
        return True
    task.cancel()
    return False


class Pause:
    """A pause that somebody else may end. One at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._over: asyncio.Event | None = None

    @property
    def is_on(self) -> bool:
        """Whether somebody waits."""
        return self._over is not None

    async def wait(self, seconds: float) -> None:
        """Until the time is over, or `end`."""
        self._over = asyncio.Event()
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        ended = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({timer, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            ended.cancel()
            self._over = None

    def end(self) -> None:
        """Ends it, if it is on."""
        if self._over is not None:
            self._over.set()
