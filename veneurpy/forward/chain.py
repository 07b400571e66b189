"""Passes a sealed interval on to the next tier, instead of publishing it.

Each seal is cut into batches with an identity of its own, (the seal's uuid, part), in the
transaction that commits it. What comes late is passed on by itself: the next tier adds up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from veneurpy.engine import ImportStore
from veneurpy.forward.batch import MOST_BYTES, Batch
from veneurpy.forward.encode import Encoder, cut
from veneurpy.forward.membership import Membership
from veneurpy.spool.parcel import Head


class Chain:
    """A `veneurpy.forward.desk.NextTier`: the members of the tier above, and who sends to them."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        membership: Membership,
        book: Callable[[Sequence[Head]], None],
        offer: Callable[[Sequence[Head]], None],
    ) -> None:
        """`book` books batches on the spool's thread; `offer` has them sent, without waiting."""
        self._encoder = encoder
        self._membership = membership
        self._book = book
        self._offer = offer

    def __repr__(self) -> str:
        return f"Chain({self._membership!r})"

    def batches(self, store: ImportStore, uuid: UUID, start_ms: int) -> list[Batch]:
        """All that a store has, for the owners of that interval in the next tier."""
        epoch = self._membership.table.at(start_ms)
        return cut(
            store.encode(self._encoder.owners(epoch), MOST_BYTES),
            uuid=uuid,
            start_ms=start_ms,
            length_ms=self._encoder.interval_ms,
            epoch=epoch,
            sender=self._encoder.name,
        )

    def committed(self, batches: Sequence[Head]) -> None:
        """Books them. On the spool's thread, before any of them is sent."""
        self._book(batches)

    def offer(self, batches: Sequence[Head]) -> None:
        """They are committed: to be sent. On the owner's thread."""
        self._offer(batches)
