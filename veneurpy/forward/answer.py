"""What an owner says to a batch, or to the question what became of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veneurpy.forward.epochs import EpochTable


class Kind(StrEnum):
    """DONE, TOO_OLD and REJECTED are final: the sender is rid of the batch."""

    DONE = "done"
    """In a seal: committed, whatever dies now."""
    HELD = "held"
    """In memory: to be kept until it is DONE."""
    BUSY = "busy"
    """Not now; nothing was taken."""
    TOO_OLD = "too_old"
    """Not taken, and never will be. With the reason FORGOTTEN: unless it was taken before."""
    REJECTED = "rejected"
    """Cannot be understood."""
    REFUSED = "refused"
    """Not for this owner, by its table or its interval's length; nothing was taken."""
    UNKNOWN = "unknown"
    """Not here, or lost in a restart: to be delivered again."""
    IN_DOUBT = "in_doubt"
    """Sent to one who keeps no names of batches, and nobody knows whether it came: final."""


OF_ITS_INTERVAL: Final = frozenset({"restoring", "sealing"})
"""Why one is BUSY that may well take a batch of another interval."""
ACCEPT_WINDOW = "accept_window"
"""Older than what the owner takes."""
FORGOTTEN = "forgotten"
"""So old that the owner no longer knows which batches of that interval it has published."""


ABOUT_ITSELF = frozenset({"length", "future"})
"""Reasons for BUSY and REFUSED that say nothing about other batches: those need not wait."""


@dataclass(frozen=True, slots=True)
class Windows:
    """An owner's times, each counted from the end of an interval."""

    accept_s: float
    """How long it takes what it has not published yet."""
    late_s: float
    """How long what it has published can be amended."""
    hold_s: float
    """How long it waits before it publishes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the kinds, with what belongs to it."""

    kind: Kind
    reason: str = ""
    """A fixed word, for BUSY, TOO_OLD, REJECTED and REFUSED."""
    after_s: float = 0.0
    """When to ask again, for BUSY."""
    table: EpochTable | None = None
    """What the owner knows of the members, for REFUSED."""
    windows: Windows | None = None
    """Of this owner, for HELD and TOO_OLD."""


DONE = Answer(Kind.DONE)
HELD = Answer(Kind.HELD)
UNKNOWN = Answer(Kind.UNKNOWN)
