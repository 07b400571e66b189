"""Somebody fetches what was received."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from veneurpy.telemetry import metrics
from veneurpy.telemetry.events.base import Count, Event, Level


@dataclass(frozen=True, slots=True)
class Captured(Event):
    """Somebody has fetched what was received."""

    every_s: ClassVar[float] = 1.0
    datagrams: int

    def counts(self) -> Iterator[Count]:
        yield metrics.CAPTURED, self.datagrams, {}


@dataclass(frozen=True, slots=True)
class CaptureMissed(Event):
    """Traffic was overwritten before a capture that was under way could fetch it."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    bytes: int
    mend: str = "raise capture_bytes, or capture to a faster disk"

    def counts(self) -> Iterator[Count]:
        yield metrics.CAPTURE_MISSED, self.bytes, {}
