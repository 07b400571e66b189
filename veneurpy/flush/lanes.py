"""One lane a sink: a bounded queue and one worker, so that no sink ever waits for another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from veneurpy.errors import SinkError
from veneurpy.flush.fates import Account
from veneurpy.ledger import SinkAccounts
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import Clock, FlushBatch, FlushResult, Sink, WriteClass
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import FailureKind, SinkFailed
from veneurpy.telemetry.metrics import SINK_PENDING, SINK_QUEUE, SINK_SECONDS

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Delivery:
    """All that one flush has for one sink."""

    batches: Sequence[FlushBatch]
    events: Sequence[Event] = ()
    checks: Sequence[ServiceCheck] = ()
    accounts: SinkAccounts = field(default_factory=SinkAccounts)
    """The interval's own accounts of the sink, kept up to date beside the totals."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """One call of the sink that is owed: a batch, or the events and checks of a flush."""

    rows: int
    account: Account
    make: Callable[[], Coroutine[Any, Any, FlushResult]]


@dataclass(slots=True)
class _Job:
    queued_s: float
    calls: list[_Call]
    """What is owed yet, the next first."""


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
        self._queue_batches = queue_batches
        self._flush_timeout_s = flush_timeout_s
        self._oldest_s = oldest_s
        self._waiting: deque[_Job] = deque()
        self._current: _Job | None = None
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
        calls = list(self._calls(delivery))
        for call in calls:
            call.account.offer(call.rows)
        if not calls:
            return
        if len(self._waiting) >= self._queue_batches:
            self._make_room()
        self._waiting.append(_Job(self._clock.monotonic(), calls))
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

    async def _deliver(self, job: _Job) -> None:
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

    async def _wants_again(self, call: _Call, job: _Job) -> bool:
        """Calls the sink once. True if it asks for the same rows again; else they are settled."""
        started_s = self._clock.monotonic()
        task = asyncio.ensure_future(call.make())
        try:
            in_time = await self._wait_for(task)
        finally:
            self._telemetry.observe(
                SINK_SECONDS, self._clock.monotonic() - started_s, sink=self.name
            )
        if not in_time:
            self._failed("timeout", call, f"no answer within {self._flush_timeout_s:g} s")
            self._settle(job, call, self._unsure_result(call.rows), "timeout")
            # For one sink calls never overlap, so its lane waits until the call has really ended.
            await asyncio.wait({task})
            return False
        error = task.exception()
        if error is None:
            self._settle_answer(job, call, task.result())
            return False
        if isinstance(error, SinkError):
            self._failed("retriable" if error.retriable else "final", call, str(error))
            if error.retriable:
                return bool(job.calls)
            self._settle(job, call, FlushResult(given_up=call.rows), "failed")
            return False
        self._failed("bug", call, f"{type(error).__name__}: {error}")
        self._settle(job, call, self._unsure_result(call.rows), "bug")
        return False

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

    def _drop(self, job: _Job, reason: str) -> None:
        while job.calls:
            call = job.calls[0]
            self._settle(job, call, FlushResult(given_up=call.rows), reason)

    def _settle_answer(self, job: _Job, call: _Call, result: FlushResult) -> None:
        if result.total == call.rows:
            if result.confirmed:
                self._last_success_ms = self._clock.now_ns() // 1_000_000
            self._settle(job, call, result, "sink")
            return
        self._failed("bug", call, f"accounts for {result.total} of {call.rows} rows")
        self._settle(job, call, FlushResult(in_doubt=call.rows), "miscounted")

    def _settle(self, job: _Job, call: _Call, result: FlushResult, reason: str) -> None:
        """Books the fate of a call's rows, once: afterwards they are no longer pending."""
        if call not in job.calls:
            return
        job.calls.remove(call)
        call.account.settle(result, reason)
        self.refresh()

    def _failed(self, kind: FailureKind, call: _Call, error: str) -> None:
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

    def _calls(self, delivery: Delivery) -> Iterator[_Call]:
        for batch in delivery.batches:
            account = self._account(delivery, of_points=True)
            yield _Call(len(batch), account, partial(self.sink.flush, batch))
        events = delivery.events if self.sink.takes_events else ()
        checks = delivery.checks if self.sink.takes_checks else ()
        if events or checks:
            account = self._account(delivery, of_points=False)
            make = partial(self.sink.flush_events, events, checks)
            yield _Call(len(events) + len(checks), account, make)

    def _account(self, delivery: Delivery, *, of_points: bool) -> Account:
        return Account(self.name, of_points, self._telemetry, self._accounts, delivery.accounts)
