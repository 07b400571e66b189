"""Says what became of batches: the whole of what a sender needs after any crash."""

from __future__ import annotations

from collections.abc import Sequence

from veneurpy.forward.answer import DONE, HELD, UNKNOWN, Answer
from veneurpy.forward.batch import BatchId
from veneurpy.forward.desk import Desk
from veneurpy.spool import seals


def confirm(desk: Desk, ids: Sequence[BatchId]) -> list[Answer]:
    """DONE if it is committed, HELD if it is in memory, UNKNOWN if not. Raises sqlite3.Error."""
    possible = [id for id in ids if id.is_possible]
    sealed = desk.run(lambda database: seals.sealed(database.connection, possible))
    gathering = (*desk.open.values(), *desk.late.values())

    def answer(id: BatchId) -> Answer:
        if id in sealed:
            return DONE
        is_held = id.is_possible and any(interval.holds(id) for interval in gathering)
        return HELD if is_held else UNKNOWN

    return [answer(id) for id in ids]
