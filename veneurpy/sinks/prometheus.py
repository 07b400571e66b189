"""Shows what was flushed to a Prometheus that scrapes `/metrics/points` on the admin listener."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from aiohttp import web
from pydantic import Field

from veneurpy.config.section import Section
from veneurpy.model import Event, PointType, ServiceCheck
from veneurpy.ports import FlushBatch, FlushResult, SinkContext, WriteClass
from veneurpy.sinks._exposition import TYPE_CONFLICT, Exposition, Identity
from veneurpy.sinks._labels import label_text, metric_name

PATH = "/metrics/points"

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SCRAPE_S = 60.0
_ROWS_AT_ONCE = 250
_NAMES_REMEMBERED = 1000
_NAMES_LOGGED = 10
_CACHED_LABELS = 10_000


class PrometheusSink:
    """Counters are running totals since the start, gauges last values, until they expire."""

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
        self._host = context.hostname if config.host_label else ""
        self._exposition = Exposition(
            max_series=config.max_series,
            gauges_last_s=config.expire_after * context.interval_s,
            counters_last_s=config.counter_expire_after * context.interval_s,
        )
        self._conflicts: set[str] = set()
        self._log = context.log
        context.expose(PATH, self.scrape)

    def __repr__(self) -> str:
        return f"PrometheusSink({self._exposition!r})"

    async def start(self) -> None:
        """Opens nothing: the admin listener serves the path."""

    async def flush(self, batch: FlushBatch) -> FlushResult:
        """Adds the batch to what is shown; rejects what cannot be shown."""
        now_s = self._clock.monotonic()
        for _ in self._exposition.expire(now_s):
            await asyncio.sleep(0)
        rejected: Counter[str] = Counter()
        conflicts: set[str] = set()
        rows = _Rows(batch, self._host)
        for chunk in rows.chunks():
            for row in chunk:
                series = rows.identity(row)
                if reason := self._show(batch, row, series, now_s):
                    rejected[reason] += 1
                    if reason == TYPE_CONFLICT:
                        conflicts.add(series.name)
            await asyncio.sleep(0)
        self._name_conflicts(conflicts)
        return FlushResult(confirmed=len(batch) - rejected.total(), rejected=dict(rejected))

    async def flush_events(
        self, events: Sequence[Event], checks: Sequence[ServiceCheck]
    ) -> FlushResult:
        """Is never called: there is no place for them in the format."""
        return FlushResult(rejected={"unsupported": len(events) + len(checks)})

    async def stop(self) -> None:
        """Closes nothing."""

    async def scrape(self, request: web.Request) -> web.StreamResponse:
        """Answers a scrape, piece by piece."""
        response = web.StreamResponse(headers={"Content-Type": _CONTENT_TYPE})
        response.enable_compression()
        async with asyncio.timeout(_SCRAPE_S):
            await response.prepare(request)
            for piece in self._exposition.text(self._clock.monotonic()):
                await response.write(piece.encode())
                await asyncio.sleep(0)
            await response.write_eof()
        return response

    def _show(self, batch: FlushBatch, row: int, series: Identity, now_s: float) -> str | None:
        columns = batch.columns
        value = columns.value[row]
        if columns.type[row] == PointType.COUNTER:
            return self._exposition.count(series, value - batch.before.get(row, 0.0), now_s)
        timestamp_ms = columns.timestamp_ms[row]
        is_dated = timestamp_ms != batch.start_ms
        return self._exposition.set(series, value, now_s, timestamp_ms, is_dated=is_dated)

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


class _Rows:
    """The rows of a batch as series, with names and labels made once for many rows."""

    def __init__(self, batch: FlushBatch, host: str) -> None:
        self._columns = batch.columns
        self._rows = range(len(batch.columns)) if batch.rows is None else batch.rows
        self._host = host
        self._names: dict[int, tuple[str, str]] = {}
        self._labels: dict[int, tuple[str, str]] = {}

    def chunks(self) -> Iterator[list[int]]:
        rows = iter(self._rows)
        while chunk := list(islice(rows, _ROWS_AT_ONCE)):
            yield chunk

    def identity(self, row: int) -> Identity:
        name_index, tag_index = self._columns.name[row], self._columns.tag[row]
        if (name := self._names.get(name_index)) is None:
            sent = self._columns.names[name_index]
            name = _remember(self._names, name_index, (sent, metric_name(sent)))
        if (tags := self._labels.get(tag_index)) is None:
            sent = self._columns.tags[tag_index]
            tags = _remember(self._labels, tag_index, (sent, label_text(sent, self._host)))
        return Identity(name[0], tags[0], name[1], tags[1])


def _remember(
    cache: dict[int, tuple[str, str]], index: int, texts: tuple[str, str]
) -> tuple[str, str]:
    if len(cache) >= _CACHED_LABELS:
        cache.clear()
    cache[index] = texts
    return texts
