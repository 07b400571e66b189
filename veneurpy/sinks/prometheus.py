"""Shows what was flushed to a Prometheus that scrapes `/metrics/points` on the admin listener."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web
from pydantic import Field

from veneurpy.config.section import Section
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushBatch, FlushResult, SinkContext, WriteClass
from veneurpy.sinks._native_exposition import exposition_of
from veneurpy.sinks._worker import Worker

PATH = "/metrics/points"

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SCRAPE_S = 60.0
_NAMES_REMEMBERED = 1000
_NAMES_LOGGED = 10


class PrometheusSink:
    """Counters are running totals since the start, gauges last values, until they expire.

    Rows are added up, and scrapes written, in a thread of the sink's own.
    """

    write_class = WriteClass.CUMULATIVE
    takes_events = False
    takes_checks = False

    class Config(Section):
        """The options of the prometheus sink."""

        expire_after: int = Field(default=5, ge=1)
        """A gauge that was not flushed for this many intervals is shown no more."""
        counter_expire_after: int = Field(default=360, ge=1)
        """The same for counters. One that comes back begins at 0, hence the patience."""
        max_series: int = Field(default=100_000, ge=1)
        """How many series are kept; points of further ones are rejected and counted."""
        host_label: bool = False
        """Whether series get a label `host` with the node's name, unless they have a tag `host`."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._clock = context.clock
        self._exposition = exposition_of(
            max_series=config.max_series,
            gauges_last_s=config.expire_after * context.interval_s,
            counters_last_s=config.counter_expire_after * context.interval_s,
            host=context.hostname if config.host_label else "",
        )
        self._worker = Worker(f"veneurpy-{context.name}")
        self._conflicts: set[str] = set()
        self._log = context.log
        context.expose(PATH, self.scrape)

    def __repr__(self) -> str:
        return f"PrometheusSink({self._exposition!r})"

    async def start(self) -> None:
        """Opens nothing: the admin listener serves the path."""
        self._worker.begin()

    async def flush(self, batch: FlushBatch) -> FlushResult:
        """Adds the batch to what is shown; rejects what cannot be shown."""
        now_s = self._clock.monotonic()
        applied = await self._worker.run(lambda: self._exposition.apply(batch, now_s))
        self._name_conflicts(applied.conflicts)
        confirmed = len(batch) - sum(applied.rejected.values())
        return FlushResult(confirmed=confirmed, rejected=applied.rejected)

    async def flush_events(
        self, events: Sequence[Event], checks: Sequence[ServiceCheck]
    ) -> FlushResult:
        """Is never called: there is no place for them in the format."""
        return FlushResult(rejected={"unsupported": len(events) + len(checks)})

    async def stop(self) -> None:
        """Ends the thread. Idempotent."""
        self._worker.close()

    async def scrape(self, request: web.Request) -> web.StreamResponse:
        """Answers a scrape, piece by piece, with what is shown at one moment."""
        response = web.StreamResponse(headers={"Content-Type": _CONTENT_TYPE})
        response.enable_compression()
        async with asyncio.timeout(_SCRAPE_S):
            now_s = self._clock.monotonic()
            pieces = await self._worker.run(lambda: self._exposition.text(now_s))
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
            await response.write_eof()
        return response

    def _name_conflicts(self, names: set[str]) -> None:
        # A client can make any number of them: each name is told once, and within bounds.
        new = sorted(names - self._conflicts)[: _NAMES_REMEMBERED - len(self._conflicts)]
        if new:
            self._conflicts.update(new)
            self._log(
                "warning",
                "sink_type_conflict",
                names=new[:_NAMES_LOGGED],
                more=max(0, len(new) - _NAMES_LOGGED),
                meaning="came as counter and as gauge; the later type is rejected",
            )
