"""One lane a sink: a bounded queue and one worker, so that no sink ever waits for another."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

from veneurpy.errors import SinkError
from veneurpy.flush.delivery import Call, Delivery, Desk, Job
from veneurpy.ledger import SinkAccounts
from veneurpy.ports import Clock, FlushResult, Sink, WriteClass
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import FailureKind, SinkFailed
from veneurpy.telemetry.metrics import SINK_PENDING, SINK_QUEUE, SINK_SECONDS

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class Lane:
    """Owns one sink: nobody else calls it. `run` is its worker, to be run as a task.

    `queue_batches` deliveries may wait beside the one under way; `oldest_s` is how long one may be
    tried.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        kind: str,
        clock: Clock,
        telemetry: Telemetry,
        accounts: SinkAccounts,
        queue_batches: int,
        flush_timeout_s: float,
        oldest_s: float,
    ) -> None:
        self.name = name
        self.kind = kind
        self.sink = sink
        self._clock = clock
        self._telemetry = telemetry
        self._accounts = accounts
        self._desk = Desk(name, sink, telemetry, accounts)
        self._queue_batches = queue_batches
        self._flush_timeout_s = flush_timeout_s
        self._oldest_s = oldest_s
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._pausing: asyncio.Event | None = None
        self._closing = False
        self._news = asyncio.Event()
        self._last_error = ""
        self._last_success_ms: int | None = None

    def __repr__(self) -> str:
        return f"Lane({self.name!r}, waiting={len(self._waiting)}, pending={self.pending_rows})"

    @property
    def pending_rows(self) -> int:
        """Points that wait or are under way, counted in the queue itself."""
        return self._recount()[0]

    def offer(self, delivery: Delivery) -> None:
        """Queues a delivery; never waits. A full queue gives up its oldest delivery."""
        calls = list(self._desk.calls(delivery))
        for call in calls:
            call.account.offer(call.rows)
        if not calls:
            return
        if len(self._waiting) >= self._queue_batches:
            self._make_room()
        self._waiting.append(Job(self._clock.monotonic(), calls))
        self._news.set()
        self.refresh()

    def close(self) -> None:
        """No more deliveries will come: `run` returns once the queue is empty."""
        self._closing = True
        self._news.set()

    def give_up(self, reason: str) -> int:
        """Gives up all that waits or is under way; returns the rows. For when time has run out.

        What the sink has in its hands at this moment may have been written: it is in doubt, if a
        repeated write would count twice.
        """
        rows = self._recount()
        if self._current is not None:
            under_way = self._pausing is None
            self._abandon_current(reason, in_doubt=under_way and self._is_unsure())
        while self._waiting:
            self._drop(self._waiting.popleft(), reason)
        self.refresh()
        return rows[0] + rows[1]

    def refresh(self) -> None:
        """Tells the ledger and the telemetry what is pending."""
        self._accounts.points.pending, self._accounts.others.pending = self._recount()
        self._telemetry.set(SINK_PENDING, self._accounts.points.pending, sink=self.name)
        self._telemetry.set(SINK_QUEUE, len(self._waiting), sink=self.name)

    def status(self) -> dict[str, Any]:
        """Plain data for the status page."""
        points, others = self._recount()
        return {
            "name": self.name,
            "kind": self.kind,
            "waiting": len(self._waiting),
            "busy": self._current is not None,
            "pending_points": points,
            "pending_events_and_checks": others,
            "last_error": self._last_error,
            "last_success_ms": self._last_success_ms,
        }

    async def run(self) -> None:
        """Delivers, one call at a time, until `close`."""
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._news.clear()
                await self._news.wait()
                continue
            job = self._current = self._waiting.popleft()
            while job.calls:
                await self._deliver(job)
            self._current = None
            self.refresh()

    async def _deliver(self, job: Job) -> None:
        """Makes the first call of the job, again and again while there is hope."""
        call, pause_s = job.calls[0], FIRST_PAUSE_S
        while await self._wants_again(call, job):
            age_s = self._clock.monotonic() - job.queued_s
            if age_s + pause_s > self._oldest_s:
                self._settle(job, call, FlushResult(given_up=call.rows), "too_old")
                return
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            if not job.calls:  # given up in the meantime
                return

    async def _wants_again(self, call: Call, job: Job) -> bool:
        """Calls the sink once. True if it asks for the same rows again; else they are settled."""
        started_s = self._clock.monotonic()
        task = asyncio.ensure_future(call.answer())
        in_time = await self._wait_for(task)
        self._telemetry.observe(SINK_SECONDS, self._clock.monotonic() - started_s, sink=self.name)
        if not in_time:
            self._failed("timeout", call, f"no answer within {self._flush_timeout_s:g} s")
            self._settle(job, call, self._unsure_result(call.rows), "timeout")
            # For one sink calls never overlap, so its lane waits until the call has really ended.
            await asyncio.wait({task})
            return False
        if (error := task.exception()) is None:
            self._settle_answer(job, call, task.result())
            return False
        return self._settle_error(job, call, error)

    def _settle_error(self, job: Job, call: Call, error: BaseException) -> bool:
        """Whether the call is to be made again; if not it is settled."""
        if not isinstance(error, SinkError):
            self._failed("bug", call, f"{type(error).__name__}: {error}")
            self._settle(job, call, self._unsure_result(call.rows), "bug")
            return False
        self._failed("retriable" if error.retriable else "final", call, str(error))
        if not error.retriable:
            self._settle(job, call, FlushResult(given_up=call.rows), "failed")
        return bool(job.calls) and error.retriable

    async def _wait_for(self, task: asyncio.Future[FlushResult]) -> bool:
        """Whether the call ended, by itself, before the flush timeout; if not it is cancelled."""
        timer: asyncio.Future[Any] = asyncio.ensure_future(self._clock.sleep(self._flush_timeout_s))
        try:
            await asyncio.wait(
                {cast("asyncio.Future[Any]", task), timer}, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            timer.cancel()
        if task.done() and not task.cancelled():
            return True
        task.cancel()
        return False

    async def _pause(self, seconds: float) -> None:
        """Waits before another try, unless the delivery is given up meanwhile."""
        self._pausing = asyncio.Event()
        over = asyncio.ensure_future(self._clock.sleep(seconds))
        given_up = asyncio.ensure_future(self._pausing.wait())
        try:
            await asyncio.wait({over, given_up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            given_up.cancel()
            self._pausing = None

    def _make_room(self) -> None:
        if self._pausing is not None and self._current is not None and self._current.calls:
            self._abandon_current("queue_full", in_doubt=False)
        else:
            self._drop(self._waiting.popleft(), "queue_full")

    def _abandon_current(self, reason: str, *, in_doubt: bool) -> None:
        """Settles what the worker has in hand: only the first call may be under way."""
        assert self._current is not None
        if in_doubt and self._current.calls:
            first = self._current.calls[0]
            self._settle(self._current, first, FlushResult(in_doubt=first.rows), reason)
        self._drop(self._current, reason)
        if self._pausing is not None:
            self._pausing.set()

    def _drop(self, job: Job, reason: str) -> None:
        while job.calls:
            call = job.calls[0]
            self._settle(job, call, FlushResult(given_up=call.rows), reason)

    def _settle_answer(self, job: Job, call: Call, result: FlushResult) -> None:
        if result.total == call.rows:
            if result.confirmed:
                self._last_success_ms = self._clock.now_ns() // 1_000_000
            self._settle(job, call, result, "sink")
            return
        self._failed("bug", call, f"accounts for {result.total} of {call.rows} rows")
        self._settle(job, call, FlushResult(in_doubt=call.rows), "miscounted")

    def _settle(self, job: Job, call: Call, result: FlushResult, reason: str) -> None:
        """Books the fate of a call's rows, once: afterwards they are no longer pending."""
        if call not in job.calls:
            return
        job.calls.remove(call)
        call.account.settle(result, reason)
        self.refresh()

    def _failed(self, kind: FailureKind, call: Call, error: str) -> None:
        self._last_error = error[:500]
        self._telemetry.emit(SinkFailed(self.name, kind, call.rows, self._last_error))

    def _unsure_result(self, rows: int) -> FlushResult:
        return FlushResult(in_doubt=rows) if self._is_unsure() else FlushResult(given_up=rows)

    def _is_unsure(self) -> bool:
        """Whether nobody knows the backend's state after a write that may have happened."""
        return self.sink.write_class in (WriteClass.ADDITIVE, WriteClass.CUMULATIVE)

    def _recount(self) -> tuple[int, int]:
        jobs = [*self._waiting, *([self._current] if self._current else [])]
        calls = [call for job in jobs for call in job.calls]
        points = sum(call.rows for call in calls if call.account.of_points)
        return points, sum(call.rows for call in calls) - points
