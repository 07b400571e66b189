"""The one place that supervises tasks: if one of them crashes, the node ends, in order."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from typing import Any

from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import LoopFailed, TaskCrashed


class Supervisor:
    """Runs named tasks until it is told to stop, or one of them raises."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._stopping = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], str] = {}
        self.cause = ""
        """Why it stopped; the first cause counts."""
        self.crashed = False

    @property
    def stopping(self) -> asyncio.Event:
        """Set when the tasks are to end."""
        return self._stopping

    def request_stop(self, cause: str) -> None:
        """Ends `wait`. Idempotent."""
        self.cause = self.cause or cause
        self._stopping.set()

    def unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """For the event loop, which writes to stderr otherwise, and waits for whoever reads it."""
        error = context.get("exception")
        if isinstance(error, OSError):
            return  # of a look-up, say, that was given up: whoever gave it up has told of it
        text = "" if error is None else "".join(traceback.format_exception(error))
        self._telemetry.emit(LoopFailed(str(context.get("message")), repr(error), text))

    def start(self, name: str, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts a task. If it raises, `wait` returns."""
        task = asyncio.create_task(job, name=name)
        self._tasks[task] = name
        task.add_done_callback(self._ended)
        return task

    async def wait(self) -> None:
        """Until `request_stop` or the first crash."""
        await self._stopping.wait()

    async def cancel(self) -> None:
        """Cancels what still runs and waits for it."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        name = self._tasks[task]
        text = "".join(traceback.format_exception(error))
        self._telemetry.emit(TaskCrashed(name, f"{type(error).__name__}: {error}", text))
        self.crashed = True
        self.request_stop(f"crash of {name}")
