"""What a spool holds, as a test wants to see it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from veneurpy.forward.batch import Batch
from veneurpy.spool import Record
from veneurpy.spool.codec import decode
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import Outbox


def records(database: Database) -> Iterator[Record]:
    """All intervals that somebody is owed, in the order in which they were committed."""
    query = "SELECT uuid FROM intervals ORDER BY seq"
    for (raw,) in database.connection.execute(query).fetchall():
        blob = database.record(UUID(bytes=raw))
        assert blob is not None
        yield decode(blob)


def stray(database: Database) -> set[int]:
    """Numbers of pieces that belong to nothing, and of things that have no pieces."""
    db = database.connection
    found = {seq for (seq,) in db.execute("SELECT seq FROM pieces")}
    tables = ("intervals", "states", "batches", "chain_batches")
    whole = " UNION ALL ".join(f"SELECT seq FROM {table}" for table in tables)
    return found.symmetric_difference(seq for (seq,) in db.execute(whole))


def waiting(database: Database, outbox: Outbox, sender: str = "") -> list[Batch]:
    """What waits in an outbox, the oldest interval first, in the order in which it came."""
    db = database.connection
    found = (outbox.load(db, head.id, sender) for head in outbox.oldest_first(db))
    return [batch for batch in found if batch is not None]
