"""Takes up the intervals that processes before this one left in arenas."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TypeVar
from uuid import UUID

from veneurpy.engine import Engine, Interval
from veneurpy.errors import VeneurpyError
from veneurpy.flush.flusher import Flusher
from veneurpy.flush.ticker import Tick, Ticker
from veneurpy.spool import Spool
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import ArenaCopied, ArenaUnreadable, Recovered

_T = TypeVar("_T")


def _uuids_of(interval: Interval) -> set[UUID]:
    """Under which it may have been published."""
    return {interval.uuid, interval.copied_from or interval.uuid}


@dataclass(slots=True)
class _Sum:
    """What was found in all."""

    intervals: int = 0
    series: int = 0
    samples: int = 0
    lost: int = 0

    def add(self, interval: Interval) -> None:
        """Reads an interval that is not released yet."""
        self.intervals += 1
        self.series += interval.series
        for _, accounts in interval.accounts:
            self.samples += sum(accounts.aggregated.values())
            self.lost += accounts.lost_in_crash


class Recovery:
    """Run it once, before any listener starts."""

    def __init__(
        self,
        engine: Engine,
        spool: Spool,
        *,
        flusher: Flusher,
        ticker: Ticker,
        telemetry: Telemetry,
        executor: Executor,
    ) -> None:
        self._engine = engine
        self._spool = spool
        self._flusher = flusher
        self._ticker = ticker
        self._telemetry = telemetry
        self._executor = executor

    async def run(self) -> Recovered | None:
        """Releases what was published, goes on with what is current, publishes all else.

        Returns what it has told the log; None if there was nothing. Raises VeneurpyError for an
        arena that is not for this process to read: it stays for one that may.
        """
        try:
            found = await self._off_loop(self._engine.recovered)
        except OSError as exc:
            raise VeneurpyError(
                f"{exc.filename} cannot be read: {exc.strerror}; it has samples of a process "
                "before this one: give all of arena_dir to the daemon's user (chown -R), or mend "
                "what else keeps it from being read"
            ) from exc
        except MemoryError as exc:
            raise VeneurpyError(
                f"{exc} cannot be mapped: no memory; it has samples of a process before this one: "
                "raise the limit (`ulimit -v`, LimitAS= of the unit), or free some"
            ) from exc
        for path, why in self._engine.unreadable:
            self._telemetry.emit(ArenaUnreadable(path, why))
        uuids = [uuid for interval in found for uuid in _uuids_of(interval)]
        published = await self._spool.encoded(uuids)
        forwarded = await self._spool.forwarded(uuids)
        fresh = [interval for interval in found if published.isdisjoint(_uuids_of(interval))]
        for interval in found:
            if interval not in fresh:
                await self._off_loop(interval.release)
        if not fresh:
            return None
        return await self._take_up(fresh, forwarded)

    async def _take_up(self, fresh: Sequence[Interval], forwarded: Set[UUID]) -> Recovered:
        newest = fresh[-1]
        is_current = self._ticker.is_current(newest.start_ms) and not newest.is_doubtful
        # Whoever goes on with the original would have the same identity for other samples.
        current = newest if is_current and newest.copied_from is None else None
        total = _Sum()
        for interval, later in zip_longest(fresh, fresh[1:]):
            await self._off_loop(partial(total.add, interval))
            if interval.broken:
                why = f"{interval.broken} stretches of it are damaged; the rest is recovered"
                self._telemetry.emit(ArenaUnreadable(f"interval {interval.uuid}", why))
            if interval.copied_from is not None:
                self._telemetry.emit(ArenaCopied(f"interval {interval.copied_from}"))
            if interval is not current:
                await self._flusher.flush_recovered(
                    interval,
                    self._piece(interval, later),
                    is_forwarded=not forwarded.isdisjoint(_uuids_of(interval)),
                )
        if current is not None:
            self._engine.resume(current)
            self._ticker.resume(current.start_ms, current.end_ms)
        recovered = Recovered(
            total.intervals, total.series, total.samples, total.lost, current is not None
        )
        self._telemetry.emit(recovered)
        return recovered

    def _piece(self, interval: Interval, later: Interval | None) -> Tick:
        """The time that an interval stands for: up to its aligned end, or the next one's start."""
        start_ms = interval.start_ms
        ends = [self._ticker.end_of(start_ms), self._ticker.start_ms]
        ends += [later.start_ms] if later is not None else []
        end_ms = min((end for end in ends if end > start_ms), default=start_ms + 1)
        return Tick(start_ms, end_ms, (end_ms - start_ms) / 1000)

    async def _off_loop(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
