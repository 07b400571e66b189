"""Everything that a host sends: one lane an owner, and the patience of all of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any

from veneurpy.accounts import HostAccounts, Loss, LossWord, Sums
from veneurpy.forward.batch import Batch
from veneurpy.forward.dispatch import Dispatch, Divide, HostOptions
from veneurpy.forward.lane import OwnerLane
from veneurpy.forward.membership import Membership
from veneurpy.ports import Clock, Peer
from veneurpy.spool import Spool
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import FORWARD, Outbox
from veneurpy.spool.parcel import Head
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import BatchesLost, Event, SpoolFailed, WindowShort
from veneurpy.telemetry.metrics import BATCHES_ENCODED, BATCHES_PENDING, OUTBOX_BYTES

DRAIN_STEP_S = 0.2


class Sender:
    """`start` it, `run` it as a task, tell it what was `encoded`; cancel `run`, then `close`."""

    def __init__(
        self,
        options: HostOptions,
        *,
        spool: Spool,
        clock: Clock,
        membership: Membership,
        divide: Divide,
        peers: Callable[[str], Peer],
        telemetry: Telemetry,
        outbox: Outbox = FORWARD,
    ) -> None:
        """`peers` makes the way to a member by its name, once.

        Of `outbox`: only what this node forwards itself can wait for the disk elsewhere.
        """
        self._outbox = outbox
        self.carry = b""
        """What rounding has left over so far, for the next interval."""
        self._options = options
        self._spool = spool
        self._clock = clock
        self._peers = peers
        self._telemetry = telemetry
        self._lanes: dict[str, OwnerLane] = {}
        self._news = asyncio.Event()
        self._told: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dispatch = Dispatch(
            options,
            clock=clock,
            membership=membership,
            divide=divide,
            emit=self._emit,
            spare=lambda: spool.spare if outbox is FORWARD else None,
            outbox=outbox,
        )

    def __repr__(self) -> str:
        return f"Sender({self._dispatch!r})"

    @property
    def accounts(self) -> HostAccounts:
        return self._dispatch.accounts

    @property
    def short_windows(self) -> list[WindowShort]:
        """Those of owners, as far as they have told them."""
        return [each for found in self._dispatch.fit.short.values() for each in found]

    async def start(self) -> None:
        """Takes over what a process before this one left. The spool must be open.

        Raises sqlite3.Error.
        """
        self._loop = asyncio.get_running_loop()
        self.carry = await self._spool.do(self._restore)
        self._refresh()

    def booking(self, batches: Sequence[Batch | Head]) -> Callable[[], None]:
        """What the spool is to call when it has committed an interval that was encoded to these."""
        return lambda: self._dispatch.committed(batches)

    def encoded(self, batches: Sequence[Batch], carry: bytes, *, is_kept: bool) -> None:
        """An interval was encoded to these; `is_kept` if the spool has them. On the event loop.

        What it has not is kept in memory, and sent once it has.
        """
        self.carry = carry
        if not is_kept:
            self._dispatch.hold_back(batches)
        self.kept(batches)

    def kept(self, batches: Sequence[Batch | Head]) -> None:
        """The spool has these, or will have: to be sent. On the event loop."""
        self._telemetry.add(BATCHES_ENCODED, len(batches), outbox=self._outbox.name)
        self._wake({batch.owner for batch in batches})

    async def run(self) -> None:
        """Sends until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick_for_ever())
            started: set[str] = set()
            while True:
                self._news.clear()
                for name in self._lanes.keys() - started:
                    group.create_task(self._lanes[name].run())
                started = set(self._lanes)
                await self._news.wait()

    async def tick(self) -> None:
        """Once an interval: lets go of what is too old, asks what became of the rest."""
        try:
            self._tell(await self._spool.do(self._make_room))
            losses = await self._spool.do(self._tick)
        except (sqlite3.Error, OSError) as exc:
            self._telemetry.emit(SpoolFailed("forward", str(exc)))
            return
        self._tell(losses)
        self._refresh()
        for lane in self._lanes.values():
            lane.ask()

    async def drain(self, timeout_s: float) -> bool:
        """Waits until everything is done, while `run` goes on; False if the time ran out.

        Only for a spool that ends with the process: a durable one is nothing to wait for.
        """
        end_s = self._clock.monotonic() + timeout_s
        for lane in self._lanes.values():
            lane.hurry()
        while True:
            await self._spool.do(self._dispatch.recount)
            if not self._dispatch.accounts.pending.batches:
                return True
            if self._clock.monotonic() >= end_s:
                return False
            for lane in self._lanes.values():
                lane.ask()
            await self._clock.sleep(DRAIN_STEP_S)

    async def close(self, *, is_durable: bool) -> None:
        """After `run` has ended. What ends with this process is named."""
        if not is_durable:
            self._tell(await self._spool.do(lambda db: self._dispatch.abandon(db, "shutdown")))
            await self._spool.do(self._dispatch.recount)
        self._show()

    def status(self) -> list[dict[str, Any]]:
        """Plain data for the status page, by owner."""
        return [
            {
                "owner": name,
                "batches": waiting.batches,
                "series": waiting.series,
                "samples": waiting.samples,
                "bytes": waiting.bytes,
                "last_error": self._lanes[name].last_error if name in self._lanes else "",
            }
            for name, waiting in sorted(self._dispatch.waiting.items())
        ]

    def _restore(self, database: Database) -> bytes:
        self._dispatch.restore(database)
        spare = self._spool.spare
        newer = None if spare is None else self._outbox.carry(spare.connection)
        return (self._outbox.carry(database.connection) or b"") if newer is None else newer

    def _make_room(self, database: Database) -> list[Loss]:
        """Of what the disk does not take: while it does not, nothing can be deleted there."""
        losses = self._dispatch.spool_held_back(database)
        return losses + self._dispatch.give_up_spare(database, self._spool.spare_bytes)

    def _tick(self, database: Database) -> list[Loss]:
        losses = self._dispatch.give_up(database)
        self._dispatch.recount(database)
        return losses

    async def _tick_for_ever(self) -> None:
        while True:
            await self._clock.sleep(self._options.interval_ms / 1000)
            await self.tick()

    def _wake(self, owners: Collection[str]) -> None:
        for name in owners:
            if name not in self._lanes:
                self._lanes[name] = OwnerLane(
                    self._peers(name),
                    dispatch=self._dispatch,
                    spool=self._spool,
                    clock=self._clock,
                    telemetry=self._telemetry,
                    interval_s=self._options.interval_ms / 1000,
                )
                self._news.set()
            self._lanes[name].wake()

    def _refresh(self) -> None:
        """Wakes whoever has something: a batch may have been cut anew, or held back."""
        self._show()
        self._wake(self._dispatch.waiting.keys())

    def _show(self) -> None:
        waiting = self._dispatch.waiting
        for name in self._told | waiting.keys():
            batches = waiting[name].batches if name in waiting else 0
            size = waiting[name].bytes if name in waiting else 0
            labels = {"outbox": self._outbox.name, "owner": name}
            self._telemetry.set(BATCHES_PENDING, batches, **labels)
            self._telemetry.set(OUTBOX_BYTES, size, **labels)
        self._told |= waiting.keys()

    def _tell(self, losses: Sequence[Loss]) -> None:
        sums: defaultdict[tuple[str, LossWord, str], Sums] = defaultdict(Sums)
        oldest: dict[tuple[str, LossWord, str], int] = {}
        for loss in losses:
            key = (loss.owner, loss.word, loss.reason)
            sums[key].add(1, loss.series, loss.samples)
            oldest[key] = min(loss.start_ms, oldest.get(key, loss.start_ms))
        for key, sum_ in sums.items():
            counts = (sum_.batches, sum_.series, sum_.samples)
            self._telemetry.emit(BatchesLost(self._outbox.name, *key, *counts, oldest[key]))

    def _emit(self, event: Event) -> None:
        """Called on any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._telemetry.emit, event)
