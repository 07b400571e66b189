"""A process of veneurpy starts, runs and ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from veneurpy.telemetry import metrics
from veneurpy.telemetry.events.base import Count, Event, Level
from veneurpy.telemetry.metrics import Metric


@dataclass(frozen=True, slots=True)
class Started(Event):
    """Everything runs."""

    version: str
    engine: str
    listeners: str
    sinks: str
    http: str


@dataclass(frozen=True, slots=True)
class ConfigWarning(Event):
    """A key of the configuration that is accepted and does not do what it says."""

    level: ClassVar[Level] = "warning"
    warning: str


@dataclass(frozen=True, slots=True)
class StopDeferred(Event):
    """A signal came before the node runs: it ends once its start is through, or has hung too long.

    The last line of the log before it tells what was through by then.
    """

    level: ClassVar[Level] = "warning"
    cause: str


@dataclass(frozen=True, slots=True)
class Stopping(Event):
    """A signal, or a crash, ends the process."""

    cause: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class StopFailed(Event):
    """Something could not be closed in an orderly way."""

    level: ClassVar[Level] = "warning"
    what: str
    error: str


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """The last line: what the process took and what became of it."""

    lines: int
    points: int
    exit_code: int


@dataclass(frozen=True, slots=True)
class TaskCrashed(Event):
    """A task of ours raised: the process ends, and its supervisor starts it again."""

    level: ClassVar[Level] = "error"
    counter: ClassVar[Metric] = metrics.INTERNAL_ERRORS
    task: str
    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class LoopFailed(Event):
    """Something failed on the event loop that nobody waited for: a bug of veneurpy or of a sink."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    what: str
    error: str
    traceback: str

    def counts(self) -> Iterator[Count]:
        yield metrics.INTERNAL_ERRORS, 1, {"task": "loop"}


@dataclass(frozen=True, slots=True)
class PageCrashed(Event):
    """Answering a request to `http_address` raised: a bug of veneurpy or of a sink's page."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    error: str
    traceback: str

    def counts(self) -> Iterator[Count]:
        yield metrics.INTERNAL_ERRORS, 1, {"task": "http"}


@dataclass(frozen=True, slots=True)
class ClockSetBack(Event):
    """The wall clock was set back: points keep the old time, running on, so that none overlap."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 600.0
    ahead_s: float
    mend: str = "restart veneurpy to take over the new time at once"


@dataclass(frozen=True, slots=True)
class LedgerViolated(Event):
    """An equation of the ledger does not hold: a bug of veneurpy, please report it."""

    level: ClassVar[Level] = "error"
    every_s: ClassVar[float] = 60.0
    counter: ClassVar[Metric] = metrics.LEDGER_VIOLATIONS
    equation: str
    where: str
    detail: str

    @property
    def about(self) -> str:
        return f"{self.where} {self.equation}"


@dataclass(frozen=True, slots=True)
class StatsUnsent(Event):
    """The node's own metrics could not be sent to `stats_address`, or its name not looked up."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 600.0
    counter: ClassVar[Metric] = metrics.STATS_ERRORS
    address: str
    error: str
