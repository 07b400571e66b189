"""What the spool keeps of a closed interval, and what sinks are owed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from veneurpy.engine import Columns
from veneurpy.model import Event, ServiceCheck

MARK_KEPT_MS = 24 * 3600 * 1000
"""How long it is remembered that an interval was committed; its arenas are gone long before."""
OTHERS = -1
"""The number of the call that hands over events and checks; batches count from 0."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of an interval that go out together: its own, or those of a revision."""

    rows: Sequence[int] | None
    """None for all there are."""
    length_s: float
    revision: int


@dataclass(frozen=True, slots=True)
class Record:
    """A closed interval as it is published, to every sink and however often."""

    uuid: UUID
    start_ms: int
    host: str
    columns: Columns
    parts: Sequence[Part]
    events: Sequence[Event] = ()
    checks: Sequence[ServiceCheck] = ()
    before: Mapping[int, float] = field(default_factory=dict)
    """Of amended counters, by row: what the revision before had."""


class LateRow(NamedTuple):
    """The last that was published of a series at a time of its own."""

    timestamp_ms: int
    key: bytes
    revision: int
    value: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Owed:
    """One call of a sink that is yet to be made, or whose end nobody saw."""

    uuid: UUID
    start_ms: int
    sink: str
    kind: str
    number: int
    """Which call of the sink's for this interval; `OTHERS` for events and checks."""
    rows: int
    under_way: bool = False
    """It had begun when the process died."""
