"""Confirms everything and keeps nothing: for measuring, and to switch a sink off."""

from __future__ import annotations

from collections.abc import Sequence

from veneurpy.config.section import Section
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushBatch, FlushResult, SinkContext, WriteClass


class BlackholeSink:
    """Takes whatever comes."""

    write_class = WriteClass.VERSIONED
    takes_events = True
    takes_checks = True

    class Config(Section):
        """It has no options."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        pass

    async def start(self) -> None:
        """Opens nothing."""

    async def flush(self, batch: FlushBatch) -> FlushResult:
        """Confirms every row."""
        return FlushResult(confirmed=len(batch))

    async def flush_events(
        self, events: Sequence[Event], checks: Sequence[ServiceCheck]
    ) -> FlushResult:
        """Confirms every event and check."""
        return FlushResult(confirmed=len(events) + len(checks))

    async def stop(self) -> None:
        """Closes nothing."""
