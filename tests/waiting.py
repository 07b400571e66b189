"""Waiting for what tells nobody when it is done: another process, or a part of this one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE_S = 40.0


def wait_until(holds: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    """Returns when something holds. Raises TimeoutError, which says what was waited for."""
    give_up_s = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"waited {seconds:g} s: {what}")
        time.sleep(0.02)


async def until(holds: Callable[[], object]) -> None:
    """Lets the event loop run until something holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0)
