"""The way to one owner: one batch at a time, the oldest interval first.

One that its owner takes nothing of for a while holds up no other: batches have identities, not an
order.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from veneurpy.forward.answer import ABOUT_ITSELF, Kind
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.dispatch import Dispatch
from veneurpy.ports import Clock, Peer, PeerUnavailable
from veneurpy.spool import Spool
from veneurpy.spool.database import Database
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import PeerFailed, SpoolFailed
from veneurpy.telemetry.metrics import BATCHES_FORWARDED

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
CONFIRMED_AT_ONCE = 1000

_T = TypeVar("_T")


def longest_pause_s(interval_s: float) -> float:
    """Between two attempts to reach an owner.

    It is well below the hold that an owner has by default: after an outage all hosts are back
    before what had waited is sealed.
    """
    return min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, interval_s / 4))


class OwnerLane:
    """Sends what waits for one owner and asks what became of it. `run` it as a task.

    Nobody waits for it: not the flush, not another owner's lane.
    """

    def __init__(
        self,
        peer: Peer,
        *,
        dispatch: Dispatch,
        spool: Spool,
        clock: Clock,
        telemetry: Telemetry,
        interval_s: float,
    ) -> None:
        self._peer = peer
        self._dispatch = dispatch
        self._spool = spool
        self._clock = clock
        self._telemetry = telemetry
        self._interval_s = interval_s
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._asks = False
        self._pause_s = FIRST_PAUSE_S
        self._was_forgetful: bool | None = None
        self.last_error = ""

    def __repr__(self) -> str:
        return f"OwnerLane({self._peer.name!r}, last_error={self.last_error!r})"

    def wake(self) -> None:
        """There is something to send."""
        self._news.set()

    def ask(self) -> None:
        """It is time to ask what became of what the owner holds."""
        self._asks = True
        self._news.set()

    def hurry(self) -> None:
        """Time is short: no long pauses from now on."""
        self._hurry.set()
        self._news.set()

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        name = self._peer.name
        await self._note()
        while True:
            self._news.clear()
            if self._asks:
                self._asks = False
                await self._confirm()
            none: list[Batch] = []
            batches = await self._do(lambda db: self._dispatch.next(db, name), none)
            if batches:
                await self._send(batches)
            elif not self._asks:
                await self._wait(self._dispatch.put_off.left_s(name))

    async def _send(self, batches: Sequence[Batch]) -> None:
        """Sends some batches; those that are left after a setback are as if never taken up."""
        left, pause_s = list[Batch](), 0.0
        for batch in batches:
            if pause_s or batch in self._dispatch.put_off:
                left.append(batch)
            else:
                pause_s = await self._deliver(batch)
        if left:
            await self._do(partial(self._dispatch.unsent, batches=left), None)
        if pause_s:
            await self._pause(pause_s)

    async def _deliver(self, batch: Batch) -> float:
        """Sends one; returns for how long to wait before the next, 0 for not at all."""
        dispatch, now_ms = self._dispatch, self._clock.now_ns() // 1_000_000
        try:
            answer = await self._peer.deliver(replace(batch, sent_ms=now_ms))
        except PeerUnavailable as exc:
            if exc.may_have_been_applied:
                await self._do(lambda _: dispatch.unanswered(batch.id), None)
            else:
                await self._do(lambda db: dispatch.unsent(db, [batch]), None)
            return self._failed(exc)
        self._pause_s = FIRST_PAUSE_S
        await self._note()
        goes_on = await self._do(lambda db: dispatch.answered(db, batch, answer), False)
        if answer.kind is Kind.DONE:
            self._count_done(1)
        if answer.reason in ABOUT_ITSELF:
            return FIRST_PAUSE_S  # it is put off, and those behind it have their turn
        return 0.0 if goes_on else answer.after_s or self._interval_s

    async def _note(self) -> None:
        """Has the next process know whom it may send to what was under way now."""
        name, is_forgetful = self._peer.name, self._peer.is_forgetful
        if is_forgetful is not None and is_forgetful != self._was_forgetful:
            self._was_forgetful = is_forgetful
            await self._do(lambda db: self._dispatch.note(db, name, is_forgetful), None)

    async def _confirm(self) -> None:
        name, dispatch = self._peer.name, self._dispatch
        none: list[BatchId] = []
        ids = await self._do(lambda db: dispatch.to_confirm(db, name), none)
        for at in range(0, len(ids), CONFIRMED_AT_ONCE):
            some = ids[at : at + CONFIRMED_AT_ONCE]
            try:
                answers = await self._peer.confirm(some)
            except PeerUnavailable as exc:
                self._failed(exc)
                return
            confirmed = partial(dispatch.confirmed, owner=name, ids=some, answers=answers)
            self._count_done(await self._do(confirmed, 0))

    def _count_done(self, batches: int) -> None:
        labels = {"outbox": self._dispatch.outbox, "owner": self._peer.name, "fate": "done"}
        self._telemetry.add(BATCHES_FORWARDED, batches, **labels)

    def _failed(self, error: PeerUnavailable) -> float:
        """Tells of it; returns how long to wait, longer each time."""
        self.last_error = str(error)[:500]
        self._telemetry.emit(PeerFailed(self._peer.name, self.last_error))
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, longest_pause_s(self._interval_s))
        return pause_s

    async def _wait(self, seconds: float | None) -> None:
        """For news, or for so long."""
        if seconds is None:
            await self._news.wait()
        else:
            await self._rest(seconds, self._news)

    async def _pause(self, seconds: float) -> None:
        if self._hurry.is_set():
            await self._clock.sleep(min(seconds, FIRST_PAUSE_S))
        else:
            await self._rest(seconds, self._hurry)

    async def _rest(self, seconds: float, otherwise: asyncio.Event) -> None:
        """For so long, or until something happens."""
        tasks: set[asyncio.Future[Any]] = {
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(otherwise.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _do(self, work: Callable[[Database], _T], otherwise: _T) -> _T:
        """On the spool's thread; `otherwise` if the disk fails: what is not done is done again."""
        try:
            return await self._spool.do(work)
        except (sqlite3.Error, OSError) as exc:
            self._telemetry.emit(SpoolFailed("forward", str(exc)))
            await self._pause(self._interval_s)
            return otherwise
