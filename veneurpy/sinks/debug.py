"""Logs what is flushed, at level debug: to try a configuration out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice

from pydantic import Field

from veneurpy.config.section import Section
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushBatch, FlushResult, SinkContext, WriteClass


class DebugSink:
    """One log event a point, at most `max_points` a flush; one more counts the rest."""

    write_class = WriteClass.ADDITIVE
    takes_events = True
    takes_checks = True

    class Config(Section):
        """The options of the debug sink."""

        max_points: int = Field(default=100, ge=0, le=10_000)
        """How many points, events and checks are logged of each flush; the rest is only counted."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._max_points = config.max_points
        self._log = context.log

    async def start(self) -> None:
        """Opens nothing."""

    async def flush(self, batch: FlushBatch) -> FlushResult:
        """Logs the first points of the batch and confirms all."""
        for number, point in enumerate(islice(batch.points(), self._max_points)):
            self._log(
                "debug",
                "point",
                name=point.name,
                tags=",".join(point.tags),
                type=point.type.name.lower(),
                scope=point.scope.name.lower(),
                timestamp=point.timestamp_ms / 1000,
                value=point.value,
            )
            if number % 50 == 49:
                await asyncio.sleep(0)
        self._log_rest("points", len(batch) - self._max_points)
        return FlushResult(confirmed=len(batch))

    async def flush_events(
        self, events: Sequence[Event], checks: Sequence[ServiceCheck]
    ) -> FlushResult:
        """Logs the first events, then the first checks, and confirms all."""
        for event in events[: self._max_points]:
            self._log("debug", "event", **asdict(event))
        for check in checks[: self._max_points]:
            self._log("debug", "check", **asdict(check))
        self._log_rest("events", len(events) - self._max_points)
        self._log_rest("checks", len(checks) - self._max_points)
        return FlushResult(confirmed=len(events) + len(checks))

    async def stop(self) -> None:
        """Closes nothing."""

    def _log_rest(self, what: str, count: int) -> None:
        if count > 0:
            self._log("debug", f"more_{what}", count=count)
