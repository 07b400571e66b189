"""An owner that restores a published interval for a late batch: for the benchmark of sealing."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace
from uuid import uuid4

from benchmarks.owning import INTERVAL_MS, Node
from veneurpy.engine import Encoded
from veneurpy.forward.answer import Answer, Kind
from veneurpy.forward.batch import Batch, BatchId


class LateNode(Node):
    """One that a host comes back to as often as it is told to."""

    async def restore(self, part: Encoded, start_ms: int) -> None:
        """Brings a late batch again and again, until its interval is restored and it is held."""
        batch = Batch(
            BatchId(uuid4(), 0, 1),
            start_ms,
            INTERVAL_MS,
            1,
            "owner",
            "host",
            part.payload,
            zlib.crc32(part.payload),
            part.series,
            part.samples,
        )
        while (answer := await self._offer(batch)).reason == "restoring":
            await self._owner.tick()
        if answer.kind is not Kind.HELD:
            raise RuntimeError(f"a late batch was answered {answer}")

    async def _offer(self, batch: Batch) -> Answer:
        """As a sender does: with the time of each attempt."""
        sent_ms = time.time_ns() // 1_000_000
        return await self._owner.deliver(replace(batch, sent_ms=sent_ms))
