"""Lets go of what has waited too long or takes too much room, and says which of it is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from veneurpy.accounts import Loss
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import Outbox
from veneurpy.spool.parcel import Head


def give_up(
    outbox: Outbox,
    database: Database,
    *,
    before_ms: Callable[[str], int],
    most_bytes: int,
    want_of_room: str = "outbox_full",
) -> list[Loss]:
    """Deletes batches of intervals before their owner's time, then the oldest for want of room.

    What was never sent is given up. What was sent and never finally answered for is in doubt.
    Raises sqlite3.Error.
    """
    heads = outbox.oldest_first(database.connection)
    total = sum(head.bytes for head in heads)
    lost: list[tuple[Head, str]] = []
    for head in heads:
        is_too_old = head.start_ms < before_ms(head.owner)
        if not is_too_old and total <= most_bytes:
            continue
        lost.append((head, "too_old" if is_too_old else want_of_room))
        total -= head.bytes
    return drop(outbox, database, lost)


def drop(outbox: Outbox, database: Database, lost: Sequence[tuple[Head, str]]) -> list[Loss]:
    """Deletes batches, each for a reason."""
    if lost:
        with database.transaction() as db:
            outbox.drop(db, [head.id for head, _ in lost])
    return [loss_of(head, reason) for head, reason in lost]


def loss_of(head: Head, reason: str) -> Loss:
    """How a waiting batch is booked when it is let go."""
    return Loss(
        "in_doubt" if head.is_sent else "given_up",
        reason,
        head.owner,
        head.id.uuid,
        head.id.part,
        head.start_ms,
        head.series,
        head.samples,
    )
