"""Steps of the way down: each has its time, and none keeps the next from its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from veneurpy.ports import Listener
from veneurpy.server.deadline import Deadline
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import LeftUnread, StopFailed

GRACE_S = 5.0
"""What a shutdown may take beyond `shutdown_timeout` before the process ends without it."""
LAST_SECONDS = 2.0
"""What may pass between the end of the node and that of the process."""
CLOSING_S = 1.0
"""What sinks and the HTTP listener get to close, even when the time to shut down has run out."""


def longest_s(timeout_s: float) -> float:
    """How long a stop may take at most until the process is gone, with its last log lines."""
    return timeout_s + GRACE_S + LAST_SECONDS + CLOSING_S


class Steps:
    """Awaits steps, and tells of those that fail."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    async def attempt(self, what: str, step: Awaitable[None], deadline: Deadline) -> bool:
        """Awaits one step; whether it succeeded in time."""
        timeout_s = max(CLOSING_S, deadline.left_s)
        try:
            async with asyncio.timeout(timeout_s):
                await step
        except TimeoutError:
            self._telemetry.emit(StopFailed(what, f"it has not ended within {timeout_s:.1f} s"))
            return False
        except Exception as exc:
            self._failed(what, exc)
            return False
        return True

    async def stop_listener(self, listener: Listener, deadline: Deadline) -> None:
        """Lets it read what the kernel has queued, for half of the time that is left."""
        try:
            # The other half is for the last flush and what it delivers.
            left = await listener.stop(deadline.left_s / 2)
        except Exception as exc:  # one listener's failure must not cost the others their last flush
            self._failed(listener.name, exc)
            return
        if left:
            self._telemetry.emit(LeftUnread(listener.name, left))

    def _failed(self, what: str, exc: Exception) -> None:
        self._telemetry.emit(StopFailed(what, f"{type(exc).__name__}: {exc}"))


async def stop_at_once(listener: Listener) -> None:
    """What it has not read stays unread, and is not told."""
    await listener.stop(0)
