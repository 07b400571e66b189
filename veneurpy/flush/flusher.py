"""One flush: closes an interval, merges it off the event loop, accounts for it, feeds the lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from uuid import UUID

from veneurpy.engine import Accounts, Engine, Interval, Plan
from veneurpy.events import parse_check, parse_event
from veneurpy.flush.delivery import Delivery
from veneurpy.flush.lanes import Lane
from veneurpy.flush.late import LatePoints, Parted
from veneurpy.flush.report import report
from veneurpy.flush.route import kept_from, rows_for
from veneurpy.flush.ticker import Tick
from veneurpy.ledger import (
    Book,
    ClosedInterval,
    Ledger,
    SinkAccounts,
    StoreAccounts,
    by_listener,
)
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import Clock, FlushBatch
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.metrics import CLOSE_SECONDS


@dataclass(frozen=True, slots=True)
class _Closed:
    """All that is kept of an interval once the engine has its memory back."""

    uuid: UUID
    listeners: dict[str, Accounts]
    store: StoreAccounts
    parted: Parted
    shares: dict[str, Delivery]


class Flusher:
    """Flushes one interval at a time; the next call must wait for the one before."""

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
    ) -> None:
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

    async def flush(self, tick: Tick) -> None:
        """Closes the open interval at the tick's end and offers its points to every lane.

        Returns when they are offered: no sink is waited for. What it raises is a bug of ours.
        """
        started_s = self._clock.monotonic()
        loop = asyncio.get_running_loop()
        closed = await loop.run_in_executor(self._executor, self._close, tick)
        self._telemetry.observe(CLOSE_SECONDS, self._clock.monotonic() - started_s)
        book = Book(closed.listeners, closed.store)
        for lane in self._lanes:
            share = closed.shares[lane.name]
            lane.offer(share)
            book.sinks[lane.name] = share.accounts
        interval = ClosedInterval(closed.uuid, tick.start_ms, tick.end_ms, book)
        broken = self._ledger.close(interval)
        report(self._telemetry, interval, tick, closed.parted, broken)

    def _close(self, tick: Tick) -> _Closed:
        """Runs on the executor's thread, and is the only one that asks the engine for intervals."""
        interval = self._engine.rotate(tick.end_ms)
        try:
            listeners, events, checks = self._side_log(interval, tick.end_ms // 1000)
            columns = interval.columns(self._plan)
            store = StoreAccounts(
                series=interval.series,
                points=len(columns),
                events=len(events),
                checks=len(checks),
                type_conflicts=len(interval.type_conflicts),
            )
            uuid = interval.uuid
        finally:
            interval.release()
        store.unrouted = kept_from(columns, [(lane.name, lane.kind) for lane in self._lanes])
        parted = self._late.part(columns, tick.start_ms, tick.end_ms, tick.length_s)
        shares = {lane.name: self._share(lane, parted, tick) for lane in self._lanes}
        for share in shares.values():
            share.events, share.checks = events, checks
        return _Closed(uuid, listeners, store, parted, shares)

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

    def _share(self, lane: Lane, parted: Parted, tick: Tick) -> Delivery:
        """The rows that are meant for one sink."""
        columns = parted.columns
        parts = [(parted.own, tick.length_s, 0)]
        parts += [(rows, length_s, revision) for (revision, length_s), rows in parted.late.items()]
        batches = []
        for rows, length_s, revision in parts:
            mine = rows_for(columns, rows, lane.name, lane.kind)
            batch = FlushBatch(
                tick.start_ms, length_s, self._host, columns, mine, revision, parted.before
            )
            batches += [batch] if len(batch) else []
        elsewhere = kept_from(columns, [(lane.name, lane.kind)])
        return Delivery(batches, accounts=SinkAccounts(elsewhere=elsewhere))


def _settle(accounts: Accounts, is_good: bool, reason: str) -> None:
    accounts.pending -= 1
    accounts.accepted += is_good
    accounts.rejected[reason] += not is_good
