"""What passes between nodes: batches that an interval is encoded to, and what becomes of them."""

from __future__ import annotations

from typing import NamedTuple

MAX_MESSAGE_BYTES = 4 << 20
"""The longest message of a stream, as gRPC has it."""
LARGEST_SUM = 1e300
"""Nothing larger comes in by the wire: no sum of such numbers can overflow."""

IMPORT_REASONS = (
    "malformed",
    "bad_type",
    "bad_name",
    "bad_tags",
    "bad_scope",
    "no_value",
    "bad_value",
    "bad_digest",
    "bad_set",
)
"""Why one metric was rejected, in the order in which it is checked: the first one counts.

`malformed` is of streams, where every metric is a message of its own: in a list it breaks the
frame. `no_value` is also a value of another type than the metric's.
"""


class FrameBroken(Exception):
    """What came cannot be read as a whole; nothing of it was merged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StoreFull(Exception):
    """There is no room for all of what came; nothing of it was merged."""


class Encoded(NamedTuple):
    """One batch for one owner."""

    owner: int
    """Index into the table's members."""
    payload: bytes
    """A `metricpb.MetricList`, with fields from number 100 on that Veneur passes over."""
    series: int
    samples: int


class Encoding(NamedTuple):
    """All that an interval has for others."""

    parts: list[Encoded]
    carry: bytes
    """What rounding for Veneur's integer counters left over, for the next interval's encoding."""


class Imported(NamedTuple):
    """What became of a batch or of a piece of a stream."""

    metrics: int
    """Merged ones."""
    samples: int
    """What they were made of; a metric that does not say so counts as one."""
    rejected: dict[str, int]
    """Metrics by `IMPORT_REASONS`; only reasons that occurred."""


class Streamed(NamedTuple):
    """A piece of a stream: what became of it, and how many of its bytes were whole messages."""

    imported: Imported
    consumed: int
