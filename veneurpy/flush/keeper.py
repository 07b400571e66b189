"""Commits what a flush publishes to the spool, and takes up what processes before this one owed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from uuid import UUID

from veneurpy.flush.cursor import SpoolCursor
from veneurpy.flush.delivery import Delivery
from veneurpy.flush.lanes import Lane
from veneurpy.flush.ticker import NS_PER_MS, Tick
from veneurpy.ports import Clock, Positioned
from veneurpy.spool import LateRow, Owed, Record, Spool


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
    ) -> Sequence[UUID]:
        """Commits an interval and ties each share to it. Off the event loop; never raises.

        Returns the intervals that the spool has given up for it. What cannot be kept is delivered
        from memory.
        """
        committed = self._spool.commit(
            record,
            self.owed(record, shares),
            end_ms=tick.end_ms,
            now_ms=self._clock.now_ns() // NS_PER_MS,
            late=late,
            forget_late_before_ms=forget_late_before_ms,
        )
        if committed.kept:
            self.tie(record.uuid, shares)
        return committed.given_up

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

    async def restore(self) -> tuple[int, int, list[Owed]]:
        """Offers the lanes what is owed, oldest first, before anything else.

        Returns the intervals, the rows, and what is owed to sinks that are no longer there: it is
        owed no more.
        """
        lanes = {(lane.name, lane.kind): lane for lane in self._lanes}
        owed, gone, intervals, rows = await self._spool.owed(), [], set(), 0
        for (uuid, sink, kind), group in groupby(owed, lambda o: (o.uuid, o.sink, o.kind)):
            calls = list(group)
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
