"""A thread for calls that may block, one after another."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

_T = TypeVar("_T")
_Job: TypeAlias = tuple[asyncio.Future[Any], Callable[[], Any]]


class Worker:
    """Runs what it is given in a thread of its own, in order.

    The thread is a daemon: one that hangs in a write (a stopped terminal, a dead network disk) does
    not keep the process from ending, as those of `concurrent.futures` would.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: deque[_Job | None] = deque()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Begins the thread, if it has not: at the start of a sink, for later there may be none."""
        if self._thread is None:
            thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            thread.start()
            self._thread = thread

    async def run(self, work: Callable[[], _T]) -> _T:
        """Waits for `work()`. Cancelled before its turn it does not run; later it runs on."""
        self.begin()
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        job = (future, work)
        self._put(job)
        try:
            return await future
        except asyncio.CancelledError:
            # If it waits yet, what it holds is free now, however long the thread hangs.
            with self._news, contextlib.suppress(ValueError):
                self._jobs.remove(job)
            raise

    def close(self) -> None:
        """Lets the thread end after what it has been given. Does not wait; idempotent."""
        if self._thread is not None:
            self._put(None)
            self._thread = None

    def _put(self, job: _Job | None) -> None:
        with self._news:
            self._jobs.append(job)
            self._news.notify()

    def _next(self) -> _Job | None:
        with self._news:
            self._news.wait_for(lambda: self._jobs)
            return self._jobs.popleft()

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            _do(*job)
            del job  # or a large batch would be held until the next one comes


def _do(future: asyncio.Future[Any], work: Callable[[], Any]) -> None:
    if future.cancelled():
        return
    settle: Callable[[Any], None]
    outcome: Any
    try:
        settle, outcome = future.set_result, work()
    except BaseException as exc:  # whatever it is, it belongs to the one who waits
        settle, outcome = future.set_exception, exc
    with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits
        future.get_loop().call_soon_threadsafe(_unless_cancelled, future, settle, outcome)


def _unless_cancelled(
    future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: object
) -> None:
    if not future.cancelled():
        settle(outcome)
