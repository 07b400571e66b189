"""This node as an owner of its own series: the same way as to any other, without a network."""

from __future__ import annotations

from collections.abc import Sequence

from veneurpy.forward.answer import Answer
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.owner import Owner


class LocalPeer:
    """A `veneurpy.ports.Peer` in the same process."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def __repr__(self) -> str:
        return f"LocalPeer({self.name!r})"

    @property
    def name(self) -> str:
        return self._owner.name

    @property
    def is_forgetful(self) -> bool | None:
        """It keeps the names of batches."""
        return False

    async def deliver(self, batch: Batch) -> Answer:
        """As the owner answers."""
        return await self._owner.deliver(batch)

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """As the owner answers."""
        return await self._owner.confirm(ids)
