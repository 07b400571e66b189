"""Ties what a lane delivers to what the spool keeps."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from veneurpy.flush.delivery import Delivery
from veneurpy.flush.route import kept_from, rows_for
from veneurpy.ledger import SinkAccounts
from veneurpy.ports import FlushBatch
from veneurpy.spool import Record, Spool


class SpoolCursor:
    """One interval's place in the spool for one sink; a `veneurpy.flush.delivery.Cursor`.

    `position` tells how far the sink has written; None if it has no such thing.
    """

    def __init__(
        self,
        spool: Spool,
        uuid: UUID,
        sink: str,
        kind: str,
        *,
        position: Callable[[], str | None],
    ) -> None:
        self._spool = spool
        self._uuid = uuid
        self._sink = sink
        self._kind = kind
        self._position = position

    def __repr__(self) -> str:
        return f"SpoolCursor({self._uuid}, {self._sink!r})"

    @property
    def uuid(self) -> UUID:
        return self._uuid

    async def load(self) -> Delivery | None:
        """The delivery as it was committed."""
        return await self._spool.load(
            self._uuid, lambda record: delivery_of(record, self._sink, self._kind)
        )

    async def begin(self, number: int) -> None:
        """Puts on record that a call is under way."""
        await self._spool.begin(self._uuid, self._sink, number)

    def undo(self, number: int) -> None:
        """The call that had begun had no effect."""
        self._spool.undo(self._uuid, self._sink, number)

    def settle(self, number: int) -> None:
        """The call has its end."""
        self._spool.settle(self._uuid, self._sink, number, self._position())


def delivery_of(record: Record, sink: str, kind: str) -> Delivery:
    """What an interval has for the sink of that name and kind: always the same, bit by bit."""
    columns = record.columns
    batches = []
    for part in record.parts:
        mine = rows_for(columns, part.rows, sink, kind)
        batch = FlushBatch(
            record.start_ms, part.length_s, record.host, columns, mine, part.revision, record.before
        )
        batches += [batch] if len(batch) else []
    elsewhere = SinkAccounts(elsewhere=kept_from(columns, [(sink, kind)]))
    return Delivery(batches, record.events, record.checks, elsewhere)
