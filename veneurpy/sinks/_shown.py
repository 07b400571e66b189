"""What an exposition is asked for, whoever keeps its series, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from veneurpy.ports import FlushBatch

OWN_PREFIX = "veneurpy_prometheus_"
"""Names of the exposition's own metrics; nobody else's may begin so."""

TYPE_CONFLICT = "type_conflict"
TOO_MANY_SERIES = "max_series"
RESERVED_NAME = "reserved_name"

REASONS = (TYPE_CONFLICT, TOO_MANY_SERIES, RESERVED_NAME)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch came to."""

    rejected: dict[str, int]
    conflicts: set[str]
    """Names of points that were rejected for their type."""


class Exposition(Protocol):
    """All series by name and labels. For one thread at a time."""

    def apply(self, batch: FlushBatch, now_s: float) -> Applied:
        """Forgets what has expired, adds counters up, sets gauges.

        A gauge's sample that carried a time of its own does not replace a newer one.
        """
        ...

    def text(self, now_s: float) -> Sequence[bytes | memoryview]:
        """What a scrape shows now, in pieces, without what has expired."""
        ...


def own_text(series: int, collisions: int, rejected: Mapping[str, int]) -> str:
    """The lines about the exposition itself."""
    head = (
        f"# HELP {OWN_PREFIX}series Series kept for this exposition.\n"
        f"# TYPE {OWN_PREFIX}series gauge\n"
        f"{OWN_PREFIX}series {series}\n"
        f"# HELP {OWN_PREFIX}collisions_total Points that share a series with others.\n"
        f"# TYPE {OWN_PREFIX}collisions_total counter\n"
        f"{OWN_PREFIX}collisions_total {collisions}\n"
        f"# HELP {OWN_PREFIX}rejected_total Points that could not be shown.\n"
        f"# TYPE {OWN_PREFIX}rejected_total counter\n"
    )
    lines = (
        f'{OWN_PREFIX}rejected_total{{reason="{why}"}} {rejected.get(why, 0)}\n' for why in REASONS
    )
    return head + "".join(lines)
