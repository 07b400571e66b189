"""Sinks take rows, or do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from veneurpy.telemetry import metrics
from veneurpy.telemetry.events.base import Event, Level
from veneurpy.telemetry.metrics import Metric

FailureKind = Literal["retriable", "final", "timeout", "bug"]


@dataclass(frozen=True, slots=True)
class SinkFailed(Event):
    """A call of a sink failed. What becomes of the rows is told apart, when it is decided."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.SINK_FAILURES
    sink: str
    kind: FailureKind
    rows: int
    error: str

    @property
    def about(self) -> str:
        return f"{self.sink} {self.kind}"


@dataclass(frozen=True, slots=True)
class RowsLost(Event):
    """Rows that will not reach a sink, or of which nobody knows whether they did."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    sink: str
    fate: Literal["given_up", "in_doubt", "rejected"]
    reason: str
    rows: int

    @property
    def about(self) -> str:
        return f"{self.sink} {self.fate} {self.reason}"[:200]
