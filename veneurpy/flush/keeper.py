"""Commits what a flush publishes to the spool, and takes up what processes before this one owed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from uuid import UUID

from veneurpy.flush.cursor import SpoolCursor
from veneurpy.flush.delivery import Delivery
from veneurpy.flush.lanes import Lane
from veneurpy.flush.ticker import NS_PER_MS, Tick
from veneurpy.forward.batch import Batch
from veneurpy.ports import Clock, Positioned
from veneurpy.spool import Committed, LateRow, Owed, Record, Spool
from veneurpy.spool.database import Also, nothing_else
from veneurpy.spool.spool import nothing_more


class Keeper:
    """The lanes' side of a spool."""

    def __init__(self, spool: Spool, lanes: Sequence[Lane], clock: Clock) -> None:
        self._spool = spool
        self._lanes = lanes
        self._clock = clock

    def keep(
        self,
        record: Record,
        shares: Mapping[str, Delivery],
        tick: Tick,
        late: Sequence[LateRow],
        forget_late_before_ms: int,
        *,
        is_doubtful: bool = False,
        batches: Sequence[Batch] = (),
        also: Also = nothing_else,
        after: Callable[[], None] = nothing_more,
    ) -> Committed:
        """Commits an interval and ties each share to it. Off the event loop; never raises.

        What cannot be kept is delivered from memory. An interval that a process before this one
        delivered from memory is kept as under way everywhere. `batches`, `also` and `after` as in
        `Spool.commit`.
        """
        owed = [replace(call, under_way=is_doubtful) for call in self.owed(record, shares)]
        committed = self._spool.commit(
            record,
            owed,
            end_ms=tick.end_ms,
            now_ms=self._clock.now_ns() // NS_PER_MS,
            late=late,
            forget_late_before_ms=forget_late_before_ms,
            batches=batches,
            also=also,
            after=after,
        )
        if committed.kept:
            self.tie(record.uuid, shares)
        return committed

    def owed(self, record: Record, shares: Mapping[str, Delivery]) -> list[Owed]:
        """What each sink is owed of an interval. Any thread."""
        return [
            Owed(record.uuid, record.start_ms, lane.name, lane.kind, call.number, call.rows)
            for lane in self._lanes
            for call in lane.calls(shares[lane.name])
        ]

    def tie(self, uuid: UUID, shares: Mapping[str, Delivery]) -> None:
        """Says of shares that the spool has them. Any thread."""
        for lane in self._lanes:
            shares[lane.name].cursor = self._cursor(uuid, lane)

    async def restore(self, doubtful: Collection[UUID] = ()) -> tuple[int, int, list[Owed]]:
        """Offers the lanes what is owed, oldest first, before anything else.

        Of `doubtful` intervals everything was under way: they were delivered from memory as well.
        Returns the intervals, the rows, and what is owed to sinks that are no longer there: it is
        owed no more.
        """
        lanes = {(lane.name, lane.kind): lane for lane in self._lanes}
        owed, gone, intervals, rows = await self._spool.owed(), [], set(), 0
        for (uuid, sink, kind), group in groupby(owed, lambda o: (o.uuid, o.sink, o.kind)):
            calls = [replace(each, under_way=each.under_way or uuid in doubtful) for each in group]
            lane = lanes.get((sink, kind))
            if lane is None:
                gone += calls
                for call in calls:
                    self._spool.settle(uuid, sink, call.number)
                continue
            lane.restore(calls, self._cursor(uuid, lane))
            intervals.add(uuid)
            rows += sum(call.rows for call in calls)
        return len(intervals), rows, gone

    def _cursor(self, uuid: UUID, lane: Lane) -> SpoolCursor:
        position = position_of(lane.sink)
        return SpoolCursor(self._spool, uuid, lane.name, lane.kind, position=position)


def position_of(sink: object) -> Callable[[], str | None]:
    """How to ask a sink for its position; what has none says None."""
    return sink.position if isinstance(sink, Positioned) else lambda: None
