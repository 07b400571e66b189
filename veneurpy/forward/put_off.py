"""Intervals of which an owner takes nothing for a while: what is of others goes on meanwhile."""

from __future__ import annotations

from collections import defaultdict

from veneurpy.forward.batch import Batch
from veneurpy.ports import Clock


class PutOff:
    """What each owner has put off, and until when. Changed on one thread, read on any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s: defaultdict[str, dict[int, float]] = defaultdict(dict)

    def __repr__(self) -> str:
        return f"PutOff({dict(self._until_s)})"

    def __contains__(self, batch: Batch) -> bool:
        return self.has(batch.owner, batch.start_ms)

    def has(self, owner: str, start_ms: int) -> bool:
        """Whether nothing of an interval is to be sent to an owner now."""
        return self._clock.monotonic() < self._until_s[owner].get(start_ms, 0.0)

    def add(self, batch: Batch, seconds: float) -> None:
        """Its owner takes nothing of its interval for so long."""
        known, now_s = self._until_s[batch.owner], self._clock.monotonic()
        for start_ms in [each for each, until_s in known.items() if until_s <= now_s]:
            del known[start_ms]
        known[batch.start_ms] = now_s + seconds

    def left_s(self, owner: str) -> float | None:
        """When the first of an owner's intervals comes up again; None if none is put off."""
        now_s = self._clock.monotonic()
        left = [until_s - now_s for until_s in list(self._until_s[owner].values())]
        return min((each for each in left if each > 0), default=None)
