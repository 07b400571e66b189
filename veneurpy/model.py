"""What flows to the sinks. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from veneurpy.engine import MetricType, PointType, Scope

__all__ = ["Event", "MetricType", "Point", "PointType", "Scope", "ServiceCheck"]


class Point(NamedTuple):
    """One value flushed for a series. `timestamp_ms` is its interval's start, or its own `T`."""

    name: str
    tags: tuple[str, ...]
    type: PointType
    scope: Scope
    timestamp_ms: int
    interval_s: float
    host: str
    value: float
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """A DogStatsD event (`_e{…}`). Times are Unix seconds; empty strings mean "not given"."""

    title: str
    text: str
    timestamp_s: int
    tags: tuple[str, ...] = ()
    host: str = ""
    aggregation_key: str = ""
    priority: str = "normal"
    source_type: str = ""
    alert_type: str = "info"


@dataclass(frozen=True, slots=True)
class ServiceCheck:
    """A DogStatsD service check (`_sc|…`). `status` is 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."""

    name: str
    status: int
    timestamp_s: int
    tags: tuple[str, ...] = ()
    host: str = ""
    message: str = ""
