"""An owner in a chain as a daemon has it: what it seals goes to a member above, which takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks.loop_probe import DELIVERED_S
from benchmarks.owning import INTERVAL_MS, Node
from veneurpy.forward.answer import DONE, Answer
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.chain import Chain
from veneurpy.forward.desk import NextTier
from veneurpy.forward.dispatch import HostOptions
from veneurpy.forward.divide import Divider
from veneurpy.forward.encode import Encoder
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.forward.sender import Sender
from veneurpy.spool.outbox import CHAIN
from veneurpy.spool.parcel import Head

ABOVE = EpochTable([Epoch(1, 0, ("t1", "t2"))])


class Above:
    """A member of the next tier that has sealed whatever comes."""

    is_forgetful = False

    def __init__(self, name: str) -> None:
        self.name = name

    async def deliver(self, batch: Batch) -> Answer:
        """It is in a seal."""
        await asyncio.sleep(0)
        if not batch.is_whole:
            raise RuntimeError(f"{batch.id} is not what was sealed")
        return DONE

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """They all are."""
        return [DONE] * len(ids)


class Link(Node):
    """Such an owner, with the sender of its chain."""

    def _next_tier(self) -> NextTier:
        membership = Membership(ABOVE, CHAIN)
        encoder = Encoder("owner", INTERVAL_MS, owns=False)
        self._sender = Sender(
            HostOptions("owner", INTERVAL_MS, max_bytes=4 << 30),
            spool=self.spool,
            clock=self._clock,
            membership=membership,
            divide=Divider(encoder.owners),
            peers=Above,
            telemetry=self._telemetry,
            outbox=CHAIN,
        )
        return Chain(
            encoder,
            membership=membership,
            book=lambda heads: self._sender.booking(heads)(),
            offer=self._offer,
        )

    def _offer(self, heads: Sequence[Head]) -> None:
        self._loop.call_soon_threadsafe(self._sender.kept, heads)

    async def start(self) -> None:
        """As of Node."""
        self._loop = asyncio.get_running_loop()
        await super().start()
        await self._sender.start()
        self._tasks.append(asyncio.create_task(self._sender.run()))

    async def _delivered(self) -> None:
        async with asyncio.timeout(DELIVERED_S):
            while self._sender.accounts.pending.batches:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    @property
    def through(self) -> int:
        """How many series are done above."""
        return self._sender.accounts.done.series
