"""What a node does with what others send it: owns it, passes it on, or encodes it as its own."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

from veneurpy.forward.answer import UNKNOWN, Answer, Kind
from veneurpy.forward.arrivals import Arrivals
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.disk import failing_as_unavailable
from veneurpy.forward.epochs import ANYBODY, Epoch, EpochInvalid, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.forward.owner import Owner
from veneurpy.ports import Peer
from veneurpy.spool import Spool

BUSY_S = 1.0
"""When a sender should try again what is under way already."""
MOST_RELAYED = 100_000
"""Batches of which it is remembered whom they were passed on to, or what became of them."""

_T = TypeVar("_T")


class Relay:
    """Passes batches on to the owner that is named in them: its answer is the answer.

    Nothing is kept but who was asked: whoever asks about a batch that is not known is told so, and
    delivers it again. Only of what a Veneur was sent, which would count it twice, the answer is
    kept for a sender that missed it.
    """

    def __init__(self, peers: Callable[[str], Peer]) -> None:
        self._peers = peers
        self._owners: OrderedDict[BatchId, str] = OrderedDict()
        self._under_way: set[BatchId] = set()
        self._settled: OrderedDict[BatchId, Answer] = OrderedDict()

    def __repr__(self) -> str:
        return f"Relay(known={len(self._owners)})"

    async def deliver(self, batch: Batch) -> Answer:
        """The owner's answer. Raises PeerUnavailable.

        BUSY for a batch that is being passed on already: addresses that lead in a circle bring it
        back, and it would go round for ever.
        """
        if (answer := self._settled.get(batch.id)) is not None:
            return answer
        if batch.id in self._under_way:
            return Answer(Kind.BUSY, "relay", BUSY_S)
        peer = self._peers(batch.owner)
        self._under_way.add(batch.id)
        try:
            answer = await peer.deliver(batch)
        except asyncio.CancelledError:
            if peer.is_forgetful:
                _remember(self._settled, batch.id, Answer(Kind.IN_DOUBT, "no_answer"))
            raise
        finally:
            self._under_way.discard(batch.id)
        if answer.kind is Kind.HELD:
            _remember(self._owners, batch.id, batch.owner)
        elif answer.kind in (Kind.DONE, Kind.IN_DOUBT) and peer.is_forgetful:
            _remember(self._settled, batch.id, answer)
        return answer

    def knows(self, id: BatchId) -> bool:
        """Whether a batch was passed on here, and is held by its owner."""
        return id in self._owners

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """The owners' answers, UNKNOWN for what was not passed on here. Raises PeerUnavailable."""
        by_owner: dict[str, list[BatchId]] = {}
        for id in ids:
            if (owner := self._owners.get(id)) is not None:
                by_owner.setdefault(owner, []).append(id)
        found: dict[BatchId, Answer] = {}
        for owner, asked in by_owner.items():
            found |= zip(asked, await self._peers(owner).confirm(asked), strict=True)
        for id, answer in found.items():
            if answer.kind is not Kind.HELD:
                self._owners.pop(id, None)
        return [found.get(id, UNKNOWN) for id in ids]


def _remember(known: OrderedDict[BatchId, _T], id: BatchId, what: _T) -> None:
    known[id] = what
    known.move_to_end(id)
    if len(known) > MOST_RELAYED:
        known.popitem(last=False)


class NodeTarget:
    """A `veneurpy.ports.ImportTarget`: of an owner, with `owner`, or of a proxy, without.

    `name` is this node's; a proxy refuses batches that name itself.
    """

    def __init__(
        self,
        name: str,
        *,
        owner: Owner | None,
        relay: Relay,
        arrivals: Arrivals,
        membership: Membership,
        spool: Spool,
    ) -> None:
        self._name = name
        self._owner = owner
        self._relay = relay
        self._arrivals = arrivals
        self._membership = membership
        self._spool = spool

    def __repr__(self) -> str:
        return f"NodeTarget({self._name!r}, owner={self._owner!r})"

    async def deliver(self, batch: Batch) -> Answer:
        """The answer to a batch of a node of ours. Raises PeerUnavailable."""
        if self._owner is not None:
            # Hosts that know one owner's address send everything there.
            goes_to = self._relay if self._is_for_another(batch) else self._owner
            return await goes_to.deliver(batch)
        if batch.owner == self._name or self._is_misled(batch):
            return Answer(Kind.REFUSED, "owner", table=self.table())
        answer = await self._relay.deliver(batch)
        if answer.table is not None:
            await self._learn(answer.table)
        return answer

    def _is_for_another(self, batch: Batch) -> bool:
        """Whether it names another member of its interval's list."""
        return batch.owner != self._name and (
            batch.owner in self.table().at(batch.start_ms).members
        )

    def _is_misled(self, batch: Batch) -> bool:
        """Whether it names nobody that this node knows, by a list that is not newer than ours."""
        table = self.table()
        if table.latest.number == ANYBODY or batch.epoch > table.latest.number:
            return False
        return not table.names(batch.owner)

    async def _learn(self, table: EpochTable) -> None:
        """Goes by what an owner knows, from now on; what contradicts ours is for its sender."""
        membership = self._membership
        with contextlib.suppress(EpochInvalid, sqlite3.Error):
            await self._spool.do(lambda database: membership.adopt(table, database))

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """What became of batches. Raises PeerUnavailable."""
        if self._owner is None:
            return await self._relay.confirm(ids)
        passed_on = [id for id in ids if self._relay.knows(id)]
        own = [id for id in ids if not self._relay.knows(id)]
        found = dict(zip(passed_on, await self._relay.confirm(passed_on), strict=True))
        if own:
            found |= zip(own, await self._owner.confirm(own), strict=True)
        return [found[id] for id in ids]

    def table(self) -> EpochTable:
        """The member lists this node goes by."""
        return self._membership.table

    async def adopt(self, epoch: Epoch) -> bool:
        """Keeps a member list; False if it comes too late.

        Raises EpochInvalid, and PeerUnavailable if the disk does not keep it.
        """
        if self._owner is not None:
            return await self._owner.adopt(epoch)
        table, membership = self.table().plus(epoch), self._membership
        with failing_as_unavailable():
            await self._spool.do(lambda database: membership.adopt(table, database))
        return True

    async def take_veneur(self, frames: bytes, *, sender: str) -> int:
        """Merges a piece of a Veneur's stream. Raises ImportRefused."""
        return await self._arrivals.take_veneur(frames, sender=sender)

    async def take_list(self, payload: bytes, *, sender: str) -> None:
        """Merges a MetricList of a Veneur. Raises ImportRefused."""
        await self._arrivals.take_list(payload, sender=sender)
