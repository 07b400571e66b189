"""What waits on disk for other nodes, and has no way to them any more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from veneurpy.spool import Spool
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import CHAIN, FORWARD, Outbox, Waiting
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import ChainGone, Event, ForwardGone

_GONE: dict[Outbox, Callable[[str, int, int, int], Event]] = {
    CHAIN: ChainGone,
    FORWARD: ForwardGone,
}


async def tell_of_the_rest(spool: Spool, telemetry: Telemetry, *outboxes: Outbox) -> None:
    """Names what waits in outboxes that nobody sends from. Raises sqlite3.Error."""
    for outbox in outboxes:
        waiting = await spool.do(partial(_waiting, outbox=outbox))
        for owner, (batches, series, samples, _) in waiting.items():
            telemetry.emit(_GONE[outbox](owner, batches, series, samples))


def _waiting(database: Database, outbox: Outbox) -> dict[str, Waiting]:
    return outbox.waiting(database.connection)
