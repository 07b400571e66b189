"""Who was refused what, and how often."""

from __future__ import annotations

from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import SenderRefused

MOST_SENDERS = 1000
OTHERS = "others"


class Refusals:
    """What senders were refused, by reason and sender; at most MOST_SENDERS of them by name."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._counts: dict[str, dict[str, int]] = {}

    def count(self, reason: str, sender: str) -> None:
        """Counts one; logged once a minute for each reason."""
        if sender not in self._counts and len(self._counts) >= MOST_SENDERS:
            sender = OTHERS
        counts = self._counts.setdefault(sender, {})
        counts[reason] = counts.get(reason, 0) + 1
        self._telemetry.emit(SenderRefused(reason, sender))

    def page(self) -> dict[str, dict[str, int]]:
        """Sender to reason to count, for the status page."""
        return {sender: dict(counts) for sender, counts in self._counts.items()}
