"""One flush: closes an interval, merges it off the event loop, accounts for it, feeds the lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from veneurpy.engine import Accounts, ClientTop, Columns, Engine, Interval, NameTop, Plan
from veneurpy.events import parse_check, parse_event
from veneurpy.flush.cursor import delivery_of
from veneurpy.flush.delivery import Delivery
from veneurpy.flush.forwarder import Forwarder
from veneurpy.flush.keeper import Keeper
from veneurpy.flush.lanes import Lane
from veneurpy.flush.late import LatePoints, Parted
from veneurpy.flush.offenders import Offenders
from veneurpy.flush.report import report
from veneurpy.flush.route import kept_from
from veneurpy.flush.ticker import Tick
from veneurpy.forward.batch import Batch
from veneurpy.forward.encode import Outgoing
from veneurpy.ledger import (
    Book,
    ClosedInterval,
    Ledger,
    StoreAccounts,
    by_listener,
)
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import Clock
from veneurpy.spool import Committed, Part, Record
from veneurpy.spool.database import nothing_else
from veneurpy.spool.spool import nothing_more
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import GaugesForgotten, IntervalUnspooled
from veneurpy.telemetry.metrics import CLOSE_SECONDS

TOP_NAMES = 200
"""Kept of the last interval, by each figure."""


@dataclass(frozen=True, slots=True)
class _Closed:
    """All that is kept of an interval once the engine has its memory back."""

    uuid: UUID
    listeners: dict[str, Accounts]
    store: StoreAccounts
    parted: Parted
    shares: dict[str, Delivery]
    lost: Sequence[UUID]
    """Older intervals that the spool had to give up."""
    top: Sequence[NameTop]
    clients: Sequence[ClientTop]
    settled: Callable[[], None] | None
    """To be called when all shares have been delivered; None if the spool keeps the interval."""
    outgoing: Outgoing | None
    """What other nodes are to get of it."""
    is_kept: bool
    forgotten: int
    """Gauges that found no room to be flushed again."""


class Flusher:
    """Flushes one interval at a time; the next call must wait for the one before.

    With a `keeper`, an interval is on disk before the engine has its memory back. With a
    `forwarder`, what is for other nodes is kept together with its rows.
    """

    def __init__(
        self,
        engine: Engine,
        lanes: Sequence[Lane],
        *,
        plan: Plan,
        late: LatePoints,
        ledger: Ledger,
        telemetry: Telemetry,
        clock: Clock,
        executor: Executor,
        host: str,
        extend_tags: Sequence[str],
        keeper: Keeper | None = None,
        forwarder: Forwarder | None = None,
    ) -> None:
        self.top: Sequence[NameTop] = ()
        """The names of the last interval that lead by any figure."""
        self.clients: Sequence[ClientTop] = ()
        """Its clients that do."""
        self._offenders = Offenders()
        self._engine = engine
        self._lanes = lanes
        self._plan = plan
        self._late = late
        self._ledger = ledger
        self._telemetry = telemetry
        self._clock = clock
        self._executor = executor
        self._host = host
        self._extend_tags = extend_tags
        self._keeper = keeper
        self._forwarder = forwarder

    async def flush(self, tick: Tick) -> None:
        """Closes the open interval at the tick's end and offers its points to every lane.

        Returns when they are offered: no sink is waited for. What it raises is a bug of ours.
        """
        await self._flush(tick, lambda: self._engine.rotate(tick.end_ms))

    async def flush_recovered(
        self, interval: Interval, tick: Tick, *, is_forwarded: bool = False
    ) -> None:
        """The same with an interval that a process before this one left.

        `is_forwarded`: what it has for other nodes was kept by then.
        """
        await self._flush(tick, lambda: interval, is_forwarded=is_forwarded)

    async def _flush(
        self, tick: Tick, close: Callable[[], Interval], *, is_forwarded: bool = False
    ) -> None:
        started_s = self._clock.monotonic()
        loop = asyncio.get_running_loop()
        work = partial(self._close, tick, close, is_forwarded)
        closed = await loop.run_in_executor(self._executor, work)
        if closed.outgoing is not None and self._forwarder is not None:
            self._forwarder.encoded(closed.outgoing, is_kept=closed.is_kept)
        self._telemetry.observe(CLOSE_SECONDS, self._clock.monotonic() - started_s)
        book = Book(closed.listeners, closed.store)
        ended = None if closed.settled is None else last_of(len(self._lanes), closed.settled)
        for lane in self._lanes:
            share = closed.shares[lane.name]
            share.ended = ended
            lane.offer(share)
            book.sinks[lane.name] = share.accounts
            for uuid in closed.lost:
                lane.lose(uuid, "spool_full")
        interval = ClosedInterval(closed.uuid, tick.start_ms, tick.end_ms, book)
        broken = self._ledger.close(interval)
        report(self._telemetry, interval, tick, closed.parted, broken)
        if not closed.is_kept:
            self._telemetry.emit(IntervalUnspooled(tick.start_ms, closed.store.points))
        if closed.forgotten:
            self._telemetry.emit(GaugesForgotten(closed.forgotten))
        self.top = closed.top
        self.clients = closed.clients
        self._offenders.report(closed.top, self._telemetry)
        self._offenders.report_clients(closed.clients, self._telemetry)

    def _close(self, tick: Tick, close: Callable[[], Interval], is_forwarded: bool) -> _Closed:
        """Runs on the executor's thread, and is the only one that asks the engine for intervals."""
        interval = close()
        kept = True
        try:
            listeners, events, checks = self._side_log(interval, tick.end_ms // 1000)
            forwarder = self._forwarder
            plan = self._plan if forwarder is None else forwarder.plan(self._plan, interval)
            columns = interval.columns(plan)
            outgoing = None
            if forwarder is not None and not is_forwarded:
                outgoing = forwarder.outgoing(interval)
            top, clients = interval.top(TOP_NAMES), interval.clients(TOP_NAMES)
            store = self._store_accounts(interval, columns, events, checks)
            parted = self._late.part(columns, tick.start_ms, tick.end_ms, tick.length_s)
            record = self._record(interval.uuid, tick, parted, events, checks)
            shares = {lane.name: delivery_of(record, lane.name, lane.kind) for lane in self._lanes}
            for share in shares.values():
                share.is_doubtful = interval.is_doubtful
            committed = self._keep(record, shares, tick, parted, outgoing, interval.is_doubtful)
            kept = committed.kept
        finally:
            interval.release(kept=kept)
        return _Closed(
            uuid=record.uuid,
            listeners=listeners,
            store=store,
            parted=parted,
            shares=shares,
            lost=committed.given_up,
            top=top,
            clients=clients,
            settled=None if kept else interval.settled,
            outgoing=outgoing,
            is_kept=kept,
            forgotten=interval.forgotten,
        )

    def _keep(
        self,
        record: Record,
        shares: Mapping[str, Delivery],
        tick: Tick,
        parted: Parted,
        outgoing: Outgoing | None,
        is_doubtful: bool,
    ) -> Committed:
        """Commits what is kept of an interval; without a keeper, its batches in memory only."""
        if self._keeper is None:
            if outgoing is not None and self._forwarder is not None:
                self._forwarder.keep(outgoing)
            return Committed(kept=True)
        batches, also, after = list[Batch](), nothing_else, nothing_more
        if outgoing is not None and self._forwarder is not None:
            batches, also = list(outgoing.batches), outgoing.keep_carry
            after = self._forwarder.booking(outgoing)
        return self._keeper.keep(
            record,
            shares,
            tick,
            parted.published,
            self._late.forgotten_before(tick.end_ms),
            is_doubtful=is_doubtful,
            batches=batches,
            also=also,
            after=after,
        )

    def _store_accounts(
        self,
        interval: Interval,
        columns: Columns,
        events: Sequence[Event],
        checks: Sequence[ServiceCheck],
    ) -> StoreAccounts:
        return StoreAccounts(
            series=interval.series,
            points=len(columns),
            events=len(events),
            checks=len(checks),
            type_conflicts=len(interval.type_conflicts),
            unrouted=kept_from(columns, [(lane.name, lane.kind) for lane in self._lanes]),
        )

    def _side_log(
        self, interval: Interval, now_s: int
    ) -> tuple[dict[str, Accounts], list[Event], list[ServiceCheck]]:
        """Parses what waited, which moves it from pending to accepted or rejected."""
        readers = interval.accounts
        listeners = by_listener(readers)
        events: list[Event] = []
        checks: list[ServiceCheck] = []
        for reader, line in interval.side_log:
            accounts = listeners[readers[reader][0]]
            if line.startswith(b"_e{"):
                event = parse_event(line, now_s, self._extend_tags)
                events += [event] if event else []
                _settle(accounts, event is not None, "bad_event")
            else:
                check = parse_check(line, now_s, self._extend_tags)
                checks += [check] if check else []
                _settle(accounts, check is not None, "bad_check")
        return listeners, events, checks

    def _record(
        self,
        uuid: UUID,
        tick: Tick,
        parted: Parted,
        events: Sequence[Event],
        checks: Sequence[ServiceCheck],
    ) -> Record:
        """The interval as it is published: its own rows, then those of each revision."""
        parts = [Part(parted.own, tick.length_s, 0)]
        parts += [
            Part(rows, length_s, revision) for (revision, length_s), rows in parted.late.items()
        ]
        columns, before = parted.columns, parted.before
        return Record(uuid, tick.start_ms, self._host, columns, parts, events, checks, before)


def last_of(count: int, then: Callable[[], None]) -> Callable[[], None]:
    """What is to be called `count` times, and calls `then` with the last of them; now for none."""
    left = count
    if not left:
        then()

    def call() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            then()

    return call


def _settle(accounts: Accounts, is_good: bool, reason: str) -> None:
    accounts.pending -= 1
    accounts.accepted += is_good
    accounts.rejected[reason] += not is_good
