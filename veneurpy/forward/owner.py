"""The owner of a share of all series, as the event loop sees it: its work is on other threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from veneurpy.engine import Plan
from veneurpy.forward import amend, restore, seal
from veneurpy.forward.answer import Answer, Kind
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.confirm import confirm
from veneurpy.forward.deliver import deliver
from veneurpy.forward.desk import Desk, NextTier, OpenInterval, OwnerOptions, Publisher
from veneurpy.forward.disk import failing_as_unavailable
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.forward.poison import Slot
from veneurpy.forward.steps import Outcome, Steps, attempt, resume
from veneurpy.forward.stores import ImportEngine
from veneurpy.forward.windows import tick_s
from veneurpy.ports import Clock
from veneurpy.spool import Spool
from veneurpy.telemetry import Telemetry, metrics
from veneurpy.telemetry.events import EpochAdopted, Event, SealLeft, StopFailed

MOST_WAITING = 64
"""Batches that wait for their turn, each in memory."""
CLOSING_S = 0.4
"""How long it is waited at the end, and for a step that cannot be broken off."""
STEP_GOES_ON = "a step of it goes on: the interval counts as a whole, or its senders send it again"

_T = TypeVar("_T")


def tick(desk: Desk) -> Steps[None]:
    """Seals and amends what is due, and restores what late batches wait for.

    On the owner's thread, but for the steps.
    """
    while True:
        is_done = yield from _publish(desk)
        if not (yield from restore.restore_next(desk)) or not is_done:
            return


def _publish(desk: Desk) -> Steps[bool]:
    """Seals and amends what is due; False if it could not do all of it, or is not to go on."""
    is_done = True
    while is_done and (start_ms := seal.due(desk)) is not None:
        is_done = (yield from seal.seal(desk, start_ms)) and not desk.is_ending
    if desk.is_ending:
        return False
    for start_ms in amend.due(desk):
        is_done = (yield from amend.amend(desk, start_ms)) and is_done
        if desk.is_ending:
            return False
    return is_done


class Owner:
    """Takes batches and publishes intervals. `start`, then `run` as a task; `finish`, `close`."""

    def __init__(
        self,
        options: OwnerOptions,
        *,
        engine: ImportEngine,
        plan: Plan,
        spool: Spool,
        clock: Clock,
        membership: Membership,
        publisher: Publisher,
        telemetry: Telemetry,
        slot: Slot | None = None,
        next_tier: NextTier | None = None,
    ) -> None:
        """`slot` is a file of `state_dir`, where there is one. `next_tier`: as of Desk."""
        self._telemetry = telemetry
        self._spool = spool
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="owner")
        # What takes long of a seal is done here, while batches are taken on the other.
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="sealing")
        self._ticking: asyncio.Task[None] | None = None
        self._waiting = 0
        self._is_left = self._is_closed = False
        self._status: dict[str, Any] = {}
        self._desk = Desk(
            options,
            engine=engine,
            plan=plan,
            run=spool.run,
            clock=clock,
            membership=membership,
            publisher=publisher,
            emit=self._emit,
            slot=slot or Slot(),
            next_tier=next_tier,
        )
        self.name = options.name
        self.accounts = self._desk.accounts

    def __repr__(self) -> str:
        return f"Owner({self._desk!r})"

    async def start(self) -> None:
        """Takes over what the process before this one committed. The spool must be open."""
        self._loop = asyncio.get_running_loop()
        await self._off_loop(self._desk.restore)
        self._status = await self._off_loop(lambda: snapshot(self._desk))

    async def deliver(self, batch: Batch) -> Answer:
        """The answer to a batch."""
        if self._waiting >= MOST_WAITING:
            answer = Answer(Kind.BUSY, "queue", 0.1)
        else:
            self._waiting += 1
            try:
                answer = await self._off_loop(lambda: deliver(self._desk, batch))
            finally:
                self._waiting -= 1
        self._telemetry.add(metrics.BATCHES_ANSWERED, 1, answer=answer.kind)
        if answer.kind is Kind.HELD:
            late_s = (self._clock.now_ns() // 1_000_000 - batch.end_ms) / 1000
            self._telemetry.observe(metrics.LATENESS_SECONDS, max(0.0, late_s))
        return answer

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """What became of batches. Raises PeerUnavailable if the disk does not say."""
        with failing_as_unavailable():
            return await self._off_loop(lambda: confirm(self._desk, ids))

    def table(self) -> EpochTable:
        """The member lists this node goes by."""
        return self._desk.membership.table

    async def adopt(self, epoch: Epoch) -> bool:
        """Keeps a member list that an operator applies; False if it comes too late.

        It does when something of an interval from `from_ms` on was taken here by the list before.
        Raises EpochInvalid, and PeerUnavailable if the disk does not keep it.
        """
        if epoch in self.table().epochs:
            return True
        with failing_as_unavailable():
            adopted = await self._off_loop(lambda: adopt(self._desk, epoch))
        if adopted:
            names = ",".join(epoch.members)
            self._telemetry.emit(EpochAdopted(epoch.number, epoch.from_ms, names))
        return adopted

    async def tick(self) -> None:
        """Seals, amends and restores what is due.

        A seal that has begun is ended, also where this is cancelled.
        """
        if not self._desk.is_ending and (self._ticking is None or self._ticking.done()):
            self._ticking = asyncio.create_task(self._tick())
        if self._ticking is not None:
            await asyncio.shield(self._ticking)
        self._status = await self._off_loop(lambda: snapshot(self._desk))
        telemetry, status = self._telemetry, self._status
        telemetry.set(metrics.OPEN_INTERVALS, len(status["open"]))
        telemetry.set(metrics.LATE_INTERVALS, len(status["late"]))
        telemetry.set(metrics.HOSTS_IN, status["hosts_in"])
        telemetry.set(metrics.HOSTS_KNOWN, status["hosts_known"])
        telemetry.set(metrics.IMPORT_BYTES, status["memory_bytes"])

    async def run(self) -> None:
        """Ticks until it is cancelled."""
        pause_s = tick_s(self._desk.options.interval_ms / 1000)
        while True:
            await self._clock.sleep(pause_s)
            await self.tick()

    async def finish(self, timeout_s: float) -> None:
        """Publishes nothing more but what it is at, and waits for that.

        What takes longer is left after the step in hand: none of it counts, and its senders still
        have it.
        """
        self._desk.is_ending = True
        if not await self._has_ended(timeout_s):
            self._is_left = True

    async def close(self) -> None:
        """Forgets what is not sealed: its senders still have it. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            if not self._is_left:
                await self.finish(CLOSING_S)
            if await self._has_ended(CLOSING_S):
                await self._off_loop(self._release)
            elif self._ticking is not None:
                # What the step in hand works on must stay; it goes with the process.
                self._ticking.cancel()
                await asyncio.wait({self._ticking})
                self._telemetry.emit(StopFailed("a seal", STEP_GOES_ON))
            self._thread.shutdown(wait=False)
            self._beside.shutdown(wait=False)

    def status(self) -> dict[str, Any]:
        """Plain data for the status page, as of the last tick."""
        return self._status

    async def _tick(self) -> None:
        loop, steps, outcome = asyncio.get_running_loop(), tick(self._desk), Outcome()
        while not self._is_left:
            work = await self._off_loop(partial(resume, steps, outcome))
            if work is None:
                return
            outcome = await loop.run_in_executor(self._beside, attempt, work)
        start_ms = self._desk.published
        await self._off_loop(steps.close)
        if start_ms is not None:
            self._telemetry.emit(SealLeft(start_ms))

    async def _has_ended(self, timeout_s: float) -> bool:
        """Whether nothing is being published, at the latest after that time."""
        if self._ticking is None:
            return True
        _, pending = await asyncio.wait({self._ticking}, timeout=timeout_s)
        return not pending

    def _release(self) -> None:
        desk = self._desk
        for interval in (*desk.open.values(), *desk.late.values()):
            interval.store.release()
        for restoration in desk.restorations.values():
            restoration.release()
        desk.open, desk.late, desk.restorations = {}, {}, {}
        desk.slot.close()

    def _emit(self, event: Event) -> None:
        """Called on the owner's thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._telemetry.emit, event)

    async def _off_loop(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def adopt(desk: Desk, epoch: Epoch) -> bool:
    """Keeps a member list unless something of its intervals was taken. On the owner's thread."""

    def is_free(from_ms: int) -> bool:
        return max((*desk.open, *desk.sealed), default=0) < from_ms

    membership = desk.membership
    return desk.run(lambda db: membership.adopt_epoch(epoch, db, is_free=is_free))


def snapshot(desk: Desk) -> dict[str, Any]:
    """What an operator wants to see, as plain data. On the owner's thread."""
    last = desk.recent[-1] if desk.recent else set[str]()
    return {
        "name": desk.options.name,
        "open": [_plain(interval) for _, interval in sorted(desk.open.items())],
        "late": [_plain(interval) for _, interval in sorted(desk.late.items())],
        "restoring": len(desk.restorations),
        "sealed": len(desk.sealed),
        "last_sealed_ms": max(desk.sealed, default=None),
        "hosts_in": len(last),
        "hosts_known": len(set[str]().union(*desk.recent)),
        "memory_bytes": desk.memory_bytes,
        "clock_ahead_ms": desk.clocks.ahead_ms,
        "failure": desk.failure,
        "quarantined": len(desk.quarantined),
    }


def _plain(interval: OpenInterval) -> dict[str, Any]:
    return {
        "start_ms": interval.start_ms,
        "revision": interval.revision,
        "series": interval.store.series,
        "batches": interval.sums.batches,
        "samples": interval.sums.samples,
        "hosts": len(interval.senders),
    }
