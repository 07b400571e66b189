"""The member lists as this node knows them, kept in its spool."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from veneurpy.forward.epochs import ANYBODY, Epoch, EpochInvalid, EpochTable
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import FORWARD, Outbox


class Membership:
    """The current table. `table` is replaced as a whole and may be read on any thread."""

    def __init__(self, table: EpochTable, outbox: Outbox = FORWARD) -> None:
        """`table` is what is configured; what was adopted later prevails once it is restored.

        `outbox` is what goes by it, and where it is kept.
        """
        self.table = table
        self._outbox = outbox

    def __repr__(self) -> str:
        return f"Membership({self.table!r})"

    def restore(self, database: Database) -> None:
        """Takes over what was adopted before. On the spool's thread, any number of times."""
        kept = self._outbox.epochs(database.connection)
        if self.table.epochs[0].number != ANYBODY:
            # Whoever names members again knows them apart from those of another ring.
            kept = [epoch for epoch in kept if epoch.number != ANYBODY]
        if not kept or self._has_moved(kept):
            return
        known = EpochTable(kept)
        # A file that has caught up with a list that was applied does not know since when it holds.
        self.table = known if known.has(self.table.latest) else self.table.merged(known)

    def _has_moved(self, kept: Sequence[Epoch]) -> bool:
        """Whether what was learnt at an address was learnt at another than is configured now."""
        first = self.table.epochs[0]
        return first.number == ANYBODY and first not in kept

    def adopt(self, table: EpochTable, database: Database) -> bool:
        """Keeps what another node knows beyond ours, then uses it; whether there was anything.

        On the spool's thread. Raises EpochInvalid and sqlite3.Error, and changes nothing then.
        """
        merged = self.table.merged(table)
        if merged == self.table:
            return False
        if not self.table.is_kin(table):
            names = ",".join(table.latest.members)
            raise EpochInvalid(f"it belongs to another ring, that of {names}: is the address right")
        with database.transaction() as db:
            self._outbox.keep_epochs(db, merged.epochs)
        self.table = merged
        return True

    def adopt_epoch(
        self, epoch: Epoch, database: Database, *, is_free: Callable[[int], bool]
    ) -> bool:
        """The same of one list that an operator applies.

        `is_free` says whether nothing of the intervals from a time on has been taken here.
        """
        table = self.table.plus(epoch)
        return is_free(epoch.from_ms) and self.adopt(table, database)
