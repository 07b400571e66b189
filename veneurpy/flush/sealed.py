"""The way of sealed rows to the sinks: the same lanes as that of this node's own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from veneurpy.flush.cursor import delivery_of
from veneurpy.flush.delivery import Delivery
from veneurpy.flush.keeper import Keeper
from veneurpy.flush.lanes import Lane
from veneurpy.flush.route import kept_from
from veneurpy.ledger import Ledger
from veneurpy.spool import Owed, Record
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import PointsUnrouted
from veneurpy.telemetry.metrics import POINTS


class SealedRows:
    """A `veneurpy.forward.desk.Publisher`: `offer` is called on the owner's thread."""

    def __init__(
        self,
        keeper: Keeper | None,
        lanes: Sequence[Lane],
        *,
        ledger: Ledger,
        telemetry: Telemetry,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Without a `keeper` rows are delivered from memory."""
        self._keeper = keeper
        self._lanes = lanes
        self._ledger = ledger
        self._telemetry = telemetry
        self._loop = loop

    def owed(self, record: Record) -> Sequence[Owed]:
        """What each sink will be owed of it. Any thread."""
        return [] if self._keeper is None else self._keeper.owed(record, self._shares(record))

    def offer(self, record: Record) -> None:
        """It is committed: to the lanes with it, on the event loop."""
        shares = self._shares(record)
        if self._keeper is not None:
            self._keeper.tie(record.uuid, shares)
        unrouted = kept_from(record.columns, [(lane.name, lane.kind) for lane in self._lanes])
        self._loop.call_soon_threadsafe(self._offer, len(record.columns), unrouted, shares)

    def _shares(self, record: Record) -> dict[str, Delivery]:
        return {lane.name: delivery_of(record, lane.name, lane.kind) for lane in self._lanes}

    def _offer(self, points: int, unrouted: int, shares: Mapping[str, Delivery]) -> None:
        for lane in self._lanes:
            lane.offer(shares[lane.name])
        elsewhere = {name: share.accounts.elsewhere for name, share in shares.items()}
        self._ledger.publish(points, unrouted, elsewhere)
        self._telemetry.add(POINTS, points)
        if unrouted:
            self._telemetry.emit(PointsUnrouted(unrouted))
