"""Notes on calls of sinks that the disk does not take, in the spare's table of deliveries.

A note is a row of an interval that the spare itself does not have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import IntEnum
from uuid import UUID

from veneurpy.spool.database import Database
from veneurpy.spool.record import Owed

_ARE_NOTES = "uuid NOT IN (SELECT uuid FROM intervals)"


class Note(IntEnum):
    """What is to be known of a call."""

    WAITS = 0
    UNDER_WAY = 1
    SETTLED = 2


Call = tuple[UUID, str, int]


def write(spare: Database, call: Call, note: Note) -> None:
    """Replaces what was noted of a call."""
    uuid, sink, number = call
    with spare.transaction() as db:
        insert = "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, '', 0, ?)"
        db.execute(insert, (uuid.bytes, sink, number, note))


def read(spare: Database) -> dict[Call, Note]:
    """All of them."""
    query = f"SELECT uuid, sink, number, under_way FROM deliveries WHERE {_ARE_NOTES}"
    return {
        (UUID(bytes=uuid), sink, number): Note(note)
        for uuid, sink, number, note in spare.connection.execute(query)
    }


def applied(notes: dict[Call, Note], owed: Iterable[Owed]) -> list[Owed]:
    """What is owed by what the disk knows and the notes say."""
    found = ((call, notes.get((call.uuid, call.sink, call.number))) for call in owed)
    return [
        call if note is None else replace(call, under_way=note is Note.UNDER_WAY)
        for call, note in found
        if note is not Note.SETTLED
    ]


def move(spare: Database, target: Database) -> None:
    """Does on the disk what they say; done twice is done once."""
    for (uuid, sink, number), note in read(spare).items():
        if note is Note.SETTLED:
            target.settle(uuid, sink, number, None)
        else:
            target.mark(uuid, sink, number, under_way=note is Note.UNDER_WAY)
    with spare.transaction() as db:
        db.execute(f"DELETE FROM deliveries WHERE {_ARE_NOTES}")
