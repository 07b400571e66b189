"""Whether this node's wall clock agrees with those of the nodes that send to it."""

from __future__ import annotations

from veneurpy.ports import Clock

MOST_SENDERS = 4096
REMEMBERED_S = 600.0


class SenderClocks:
    """How far the clock of each recent sender is ahead of ours, as its last batch told.

    Since then it has gone on as time does: ours may have jumped.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}
        """When by the monotonic clock, and how far the sender's was ahead of that, in ms."""

    def __repr__(self) -> str:
        return f"SenderClocks(senders={len(self._told)}, ahead_ms={self.ahead_ms})"

    def note(self, sender: str, sent_ms: int) -> None:
        """A batch has come that was sent at `sent_ms` by the sender's clock; 0: not told."""
        if not sent_ms:
            return
        now_s = self._clock.monotonic()
        self._told.pop(sender, None)
        while self._told and (
            len(self._told) >= MOST_SENDERS or self._first_s() < now_s - REMEMBERED_S
        ):
            del self._told[next(iter(self._told))]
        self._told[sender] = (now_s, sent_ms - round(now_s * 1000))

    @property
    def ahead_ms(self) -> int | None:
        """The median of them, of two the one nearer to ours; None if nobody told."""
        ordered = sorted(ahead for _, ahead in self._told.values())
        if not ordered:
            return None
        ours = self._clock.now_ns() // 1_000_000 - round(self._clock.monotonic() * 1000)
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        return min(low - ours, high - ours, key=abs)

    def agree(self, within_ms: int) -> bool:
        """Whether ours is within so much of the median, as far as anybody told."""
        ahead_ms = self.ahead_ms
        return ahead_ms is None or abs(ahead_ms) <= within_ms

    def _first_s(self) -> float:
        return next(iter(self._told.values()))[0]
