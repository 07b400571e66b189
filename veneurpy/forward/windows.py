"""Whether the windows of a next tier are long enough for what this one passes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from veneurpy.forward.answer import Windows
from veneurpy.telemetry.events import Event, WindowShort

SLACK_INTERVALS = 3
"""What is late gathers for an interval and is then on its way; clocks may differ by one more."""
LONGEST_TICK_S = 1.0


def tick_s(interval_s: float) -> float:
    """How long an owner pauses before it looks again what is due."""
    return min(LONGEST_TICK_S, interval_s / 10)


class Fit:
    """Compares an owner's windows with our own, once for as long as they stay the same."""

    def __init__(
        self, own: Windows | None, interval_s: float, emit: Callable[[Event], None]
    ) -> None:
        """`own` are those of this node's tier; None where it passes nothing on."""
        self.short: dict[str, tuple[WindowShort, ...]] = {}
        """What is too short, by owner. Replaced as a whole and may be read on any thread."""
        self._own = own
        self._interval_s = interval_s
        self._emit = emit
        self._compared: dict[str, Windows] = {}

    def __repr__(self) -> str:
        return f"Fit({self._own!r}, short={self.short!r})"

    def compare(self, owner: str, theirs: Windows) -> None:
        """Tells what of it is too short."""
        if self._own is None or self._compared.get(owner) == theirs:
            return
        self._compared[owner] = theirs
        found = tuple(too_short(self._own, owner, theirs, self._interval_s))
        self.short = self.short | {owner: found}
        for each in found:
            self._emit(each)


def too_short(
    own: Windows, owner: str, theirs: Windows, interval_s: float
) -> Iterator[WindowShort]:
    """Those windows of an owner above that end before what was sealed within ours can be there."""
    slack_s = SLACK_INTERVALS * interval_s
    for key, its_s, needed_s, effect in (
        (
            "global_hold",
            theirs.hold_s,
            own.hold_s + tick_s(interval_s),
            "intervals may be published there without what is held here, and revised",
        ),
        (
            "late_window",
            theirs.late_s,
            own.late_s + slack_s,
            "what comes late here may be given up there",
        ),
        (
            "accept_window",
            theirs.accept_s,
            own.accept_s + own.hold_s + slack_s,
            "what has waited long for this node may be given up there",
        ),
    ):
        if its_s < needed_s - 1e-9:
            yield WindowShort(owner, key, its_s, round(needed_s, 3), effect)
