"""Whether this node's wall clock agrees with those of the nodes that send to it."""

from __future__ import annotations

from veneurpy.ports import Clock

MOST_SENDERS = 4096
REMEMBERED_S = 600.0


class SenderClocks:
    """How far the clock of each recent sender is ahead of ours, as of its last batch."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead: dict[str, tuple[float, int]] = {}

    def __repr__(self) -> str:
        return f"SenderClocks(senders={len(self._ahead)}, ahead_ms={self.ahead_ms})"

    def note(self, sender: str, sent_ms: int) -> None:
        """A batch has come that was sent at `sent_ms` by the sender's clock; 0: not told."""
        if not sent_ms:
            return
        now_s = self._clock.monotonic()
        self._ahead.pop(sender, None)
        while self._ahead and (
            len(self._ahead) >= MOST_SENDERS or self._first_s() < now_s - REMEMBERED_S
        ):
            del self._ahead[next(iter(self._ahead))]
        self._ahead[sender] = (now_s, sent_ms - self._clock.now_ns() // 1_000_000)

    @property
    def ahead_ms(self) -> int | None:
        """The median of them, of two the one nearer to ours; None if nobody told."""
        ordered = sorted(ahead for _, ahead in self._ahead.values())
        if not ordered:
            return None
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        return min(low, high, key=abs)

    def agree(self, within_ms: int) -> bool:
        """Whether ours is within so much of the median, as far as anybody told."""
        ahead_ms = self.ahead_ms
        return ahead_ms is None or abs(ahead_ms) <= within_ms

    def _first_s(self) -> float:
        return next(iter(self._ahead.values()))[0]
