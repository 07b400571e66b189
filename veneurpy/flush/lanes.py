"""One lane a sink: a bounded queue and one worker, so that no sink ever waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from veneurpy.errors import SinkError
from veneurpy.flush.delivery import Call, Cursor, Delivery, Desk, Job
from veneurpy.flush.queue import Queue
from veneurpy.flush.waiting import Pause, ended_within
from veneurpy.ledger import SinkAccounts
from veneurpy.ports import Clock, FlushResult, Sink, WriteClass
from veneurpy.spool import Owed
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import FailureKind, SinkFailed
from veneurpy.telemetry.metrics import SINK_PENDING, SINK_QUEUE, SINK_SECONDS

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class Lane:
    """Owns one sink: nobody else calls it. `run` is its worker, to be run as a task.

    `queue_batches` deliveries may wait in memory beside the one under way, any number in the spool;
    `oldest_s` is how long one may be tried. With `resends`, what was under way when a process died
    is sent again even where that may count twice.
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
        resends: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.sink = sink
        self._clock = clock
        self._telemetry = telemetry
        self._accounts = accounts
        self._desk = Desk(name, sink, telemetry, accounts)
        self._flush_timeout_s = flush_timeout_s
        self._oldest_s = oldest_s
        self._resends = resends
        self._queue = Queue(queue_batches)
        self._pause = Pause(clock)
        self._closing = self._leaving = False
        self._news = asyncio.Event()
        self._last_error = ""
        self._last_success_ms: int | None = None
        self._is_failing = False

    def __repr__(self) -> str:
        return f"Lane({self.name!r}, waiting={len(self._queue)}, pending={self.pending_rows})"

    @property
    def pending_rows(self) -> int:
        """Points that wait or are under way, counted in the queue itself."""
        return self._queue.count()[0]

    def calls(self, delivery: Delivery) -> Sequence[Call]:
        """The calls that a delivery takes, as `offer` will make them."""
        return list(self._desk.calls(delivery))

    def offer(self, delivery: Delivery) -> None:
        """Queues a delivery; never waits.

        A full queue leaves to the spool what the spool has, else gives up its oldest delivery.
        """
        calls = list(self._desk.calls(delivery))
        for call in calls:
            call.account.offer(call.rows)
        job = Job(self._clock.monotonic(), calls, delivery.cursor, delivery.ended)
        if delivery.is_doubtful:
            self._settle_doubtful(job, list(calls))
        if job.calls:
            self._queue.append(job)
            if self._queue.is_overfull:
                self._make_room()
            self._news.set()
            self.refresh()
        else:
            job.end()

    def restore(self, owed: Sequence[Owed], cursor: Cursor) -> None:
        """Queues what a process before this one owed of an interval, without loading it."""
        job = Job(self._clock.monotonic(), self._desk.restored(owed), cursor)
        for call in list(job.calls):
            call.account.offer(call.rows)
            self._accounts.restored += call.rows * call.account.of_points
        pairs = zip(job.calls, owed, strict=True)
        self._settle_doubtful(job, [call for call, each in pairs if each.under_way])
        if job.calls:
            self._queue.append(job)
            self._news.set()
        self.refresh()

    def lose(self, uuid: UUID, reason: str) -> None:
        """The spool has given an interval up."""
        if (job := self._queue.take_lost(uuid)) is not None:
            self._drop(job, reason)

    def close(self) -> None:
        """No more deliveries will come: `run` returns once the queue is empty."""
        self._closing = True
        self._news.set()

    def leave(self) -> None:
        """As `close`, but what the spool has is left there: `run` ends after the call under way."""
        self._leaving = True
        self._pause.end()
        self.close()

    def give_up(self, reason: str) -> int:
        """Gives up what waits or is under way; returns the rows. For when time has run out.

        What the sink has in its hands at this moment may have been written: it is in doubt, if a
        repeated write would count twice. What the spool has stays there, pending.
        """
        before = sum(self._queue.count())
        current = self._queue.current
        if current is not None and current.cursor is None:
            self._abandon(current, reason, in_doubt=not self._pause.is_on and self._is_unsure())
        while (job := self._queue.take_oldest_in_memory()) is not None:
            self._drop(job, reason)
        self.refresh()
        return before - sum(self._queue.count())

    def refresh(self) -> None:
        """Tells the ledger and the telemetry what is pending."""
        self._accounts.points.pending, self._accounts.others.pending = self._queue.count()
        self._telemetry.set(SINK_PENDING, self._accounts.points.pending, sink=self.name)
        self._telemetry.set(SINK_QUEUE, len(self._queue), sink=self.name)

    def status(self) -> dict[str, Any]:
        """Plain data for the status page."""
        points, others = self._queue.count()
        return {
            "name": self.name,
            "kind": self.kind,
            "waiting": len(self._queue),
            "busy": self._queue.current is not None,
            "pending_points": points,
            "pending_events_and_checks": others,
            "last_error": self._last_error,
            "failing": self._is_failing,
            "last_success_ms": self._last_success_ms,
        }

    async def run(self) -> None:
        """Delivers, one call at a time, until `close`."""
        while True:
            job = self._queue.take(but_spooled=self._leaving)
            if job is None:
                if self._closing:
                    return
                self._news.clear()
                await self._news.wait()
                continue
            if not job.in_memory:
                await self._load(job)
            while job.calls and not self._is_left(job):
                await self._deliver(job)
            self._queue.put_back()
            self.refresh()

    def _is_left(self, job: Job) -> bool:
        return self._leaving and job.cursor is not None

    async def _load(self, job: Job) -> None:
        """Fetches from the spool what a job hands over; what is not there is given up."""
        assert job.cursor is not None
        delivery = await job.cursor.load()
        found = {call.number: call for call in self._desk.calls(delivery or Delivery([]))}
        for call in list(job.calls):
            if call.number in found and found[call.number].rows == call.rows:
                call.make = found[call.number].make
            else:
                self._settle(job, call, FlushResult(given_up=call.rows), "spool")

    async def _deliver(self, job: Job) -> None:
        """Makes the first call of the job, again and again while there is hope."""
        call, pause_s = job.calls[0], FIRST_PAUSE_S
        while await self._wants_again(call, job):
            age_s = self._clock.monotonic() - job.queued_s
            if age_s + pause_s > self._oldest_s:
                self._settle(job, call, FlushResult(given_up=call.rows), "too_old")
                return
            await self._pause.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            if not job.calls or self._is_left(job):  # in the meantime
                return

    async def _wants_again(self, call: Call, job: Job) -> bool:
        """Calls the sink once. True if it asks for the same rows again; else they are settled."""
        if job.cursor is not None and self._is_unsure():
            await job.cursor.begin(call.number)
        started_s = self._clock.monotonic()
        task = asyncio.ensure_future(call.answer())
        in_time = await ended_within(self._clock, task, self._flush_timeout_s)
        self._telemetry.observe(SINK_SECONDS, self._clock.monotonic() - started_s, sink=self.name)
        if not in_time:
            self._failed("timeout", call, f"no answer within {self._flush_timeout_s:g} s")
            if job.cursor is None or self._is_unsure():
                self._settle(job, call, self._unsure_result(call.rows), "timeout")
            # For one sink calls never overlap, so its lane waits until the call has really ended.
            await asyncio.wait({task})
            if call in job.calls and not task.cancelled() and task.exception() is None:
                # It came through in the meantime, and nobody else has booked it.
                self._settle_answer(job, call, task.result())
            return call in job.calls
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
        elif job.cursor is not None and self._is_unsure():
            job.cursor.undo(call.number)
        return bool(job.calls) and error.retriable

    def _make_room(self) -> None:
        if self._queue.leave_one_to_spool():
            return
        current = self._queue.current
        if self._pause.is_on and current is not None and current.calls and current.cursor is None:
            self._abandon(current, "queue_full", in_doubt=False)
        elif (job := self._queue.take_oldest_in_memory()) is not None:
            self._drop(job, "queue_full")

    def _abandon(self, job: Job, reason: str, *, in_doubt: bool) -> None:
        """Settles what the worker has in hand: only the first call may be under way."""
        if in_doubt and job.calls:
            first = job.calls[0]
            self._settle(job, first, FlushResult(in_doubt=first.rows), reason)
        self._drop(job, reason)
        self._pause.end()

    def _drop(self, job: Job, reason: str) -> None:
        while job.calls:
            call = job.calls[0]
            self._settle(job, call, FlushResult(given_up=call.rows), reason)

    def _settle_answer(self, job: Job, call: Call, result: FlushResult) -> None:
        if result.total == call.rows:
            if result.confirmed:
                self._last_success_ms = self._clock.now_ns() // 1_000_000
                self._is_failing = False
            self._settle(job, call, result, "sink")
            return
        self._failed("bug", call, f"accounts for {result.total} of {call.rows} rows")
        self._settle(job, call, FlushResult(in_doubt=call.rows), "miscounted")

    def _settle(self, job: Job, call: Call, result: FlushResult, reason: str) -> None:
        """Books the fate of a call's rows, once: afterwards they are no longer pending."""
        if call not in job.calls:
            return
        job.calls.remove(call)
        if job.cursor is not None:
            job.cursor.settle(call.number)
        call.account.settle(result, reason)
        if not job.calls:
            job.end()
        self.refresh()

    def _settle_doubtful(self, job: Job, calls: Sequence[Call]) -> None:
        """What was under way when a process died is not made again where it would count twice."""
        for call in calls if self._is_unsure() and not self._resends else ():
            self._settle(job, call, FlushResult(in_doubt=call.rows), "crash")

    def _failed(self, kind: FailureKind, call: Call, error: str) -> None:
        self._last_error = error[:500]
        self._is_failing = True
        self._telemetry.emit(SinkFailed(self.name, kind, call.rows, self._last_error))

    def _unsure_result(self, rows: int) -> FlushResult:
        return FlushResult(in_doubt=rows) if self._is_unsure() else FlushResult(given_up=rows)

    def _is_unsure(self) -> bool:
        """Whether nobody knows the backend's state after a write that may have happened."""
        return self.sink.write_class in (WriteClass.ADDITIVE, WriteClass.CUMULATIVE)
