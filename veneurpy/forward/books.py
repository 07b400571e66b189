"""How a host books its batches: each movement between its accounts, at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from uuid import UUID

from veneurpy.accounts import HostAccounts, Loss
from veneurpy.forward.batch import Batch
from veneurpy.spool.outbox import Waiting
from veneurpy.spool.parcel import Head

BOOKED_REMEMBERED = 64
"""Intervals of which it is remembered that they were booked."""


class Books:
    """The accounts, and the batches that the disk has not taken. Any thread."""

    def __init__(self, accounts: HostAccounts) -> None:
        self._accounts = accounts
        self._unspooled: list[Batch] = []
        self._booked: deque[UUID] = deque(maxlen=BOOKED_REMEMBERED)

    def __repr__(self) -> str:
        return f"Books(pending={self._accounts.pending}, unspooled={len(self._unspooled)})"

    @property
    def unspooled(self) -> list[Batch]:
        """What waits in memory only."""
        with self._accounts.lock:
            return list(self._unspooled)

    def restored(self) -> None:
        """What is pending was left by a process before this one."""
        with self._accounts.lock:
            pending = self._accounts.pending
            self._accounts.restored.add(pending.batches, pending.series, pending.samples)

    def recount(self, waiting: Iterable[Waiting]) -> None:
        """Takes `pending` from what waits on disk, beside what does in memory. Under the lock."""
        pending = self._accounts.pending
        pending.batches = pending.series = pending.samples = 0
        for each in waiting:
            pending.add(each.batches, each.series, each.samples)
        for batch in self._unspooled:
            pending.add(1, batch.series, batch.samples)

    def committed(self, batches: Sequence[Batch | Head]) -> None:
        """They were encoded, and the disk has them."""
        known = {batch.id for batch in batches}
        with self._accounts.lock:
            self._book(batches)
            self._unspooled = [batch for batch in self._unspooled if batch.id not in known]

    def hold_back(self, batches: Sequence[Batch]) -> list[Batch]:
        """They were encoded, and the disk has not taken them; returns all such.

        None, if they are known: the disk has them, only later than anybody would wait.
        """
        with self._accounts.lock:
            if not self._book(batches):
                return []
            self._unspooled += batches
            return list(self._unspooled)

    def release(self, batches: Sequence[Batch]) -> None:
        """These do not wait in memory any more; whatever else becomes of them."""
        with self._accounts.lock:
            self._unspooled = [batch for batch in self._unspooled if batch not in batches]

    def done(self, batches: Iterable[Batch | Head]) -> None:
        """Their owners have sealed them."""
        with self._accounts.lock:
            for batch in batches:
                self._accounts.done.add(1, batch.series, batch.samples)
                self._accounts.pending.add(-1, -batch.series, -batch.samples)

    def lose(self, losses: Iterable[Loss]) -> None:
        """They wait no more, and did not get through."""
        with self._accounts.lock:
            for loss in losses:
                self._accounts.pending.add(-1, -loss.series, -loss.samples)
                self._accounts.lose(loss)

    def divide(self, batch: Batch, pieces: Iterable[Batch]) -> None:
        """One was cut anew, and its pieces wait in its place."""
        with self._accounts.lock:
            self._accounts.divided.add(1, batch.series, batch.samples)
            self._accounts.pending.add(-1, -batch.series, -batch.samples)
            for piece in pieces:
                self._accounts.pieces.add(1, piece.series, piece.samples)
                self._accounts.pending.add(1, piece.series, piece.samples)

    def _book(self, batches: Sequence[Batch | Head]) -> bool:
        """Books what was encoded, once; whether it was not booked before. Under the lock."""
        uuids = {batch.id.uuid for batch in batches}
        if not uuids or uuids & set(self._booked):
            return False
        self._booked.extend(uuids)
        for batch in batches:
            self._accounts.encoded.add(1, batch.series, batch.samples)
            self._accounts.pending.add(1, batch.series, batch.samples)
        return True
