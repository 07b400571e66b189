"""A capture through a configuration: what a node of it would have published. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from veneurpy.capture.dogfile import Datagram
from veneurpy.config import Config
from veneurpy.config.listen_options import ListenOptions
from veneurpy.engine import Engine, Interval, PointType, Reader, open_engine
from veneurpy.flush.summarise import plan_of
from veneurpy.ports import FlushBatch
from veneurpy.server.assembly import engine_options, grammar_of, host_of

_NS_PER_MS = 1_000_000
LARGEST_FEED = 1 << 17
"""Beyond what any reader takes at once: a capture holds what was whole."""
_MOST_EMPTY = 100
"""Intervals in a row without traffic; of a longer gap the rest is passed over."""


class SeriesName(NamedTuple):
    """What points are told apart by, their time left aside."""

    name: str
    tags: tuple[str, ...]
    type: str


@dataclass(slots=True)
class Outcome:
    """What was published, and what became of the lines."""

    series: dict[SeriesName, dict[int, float]] = field(default_factory=dict)
    """The value at each timestamp, in ms."""
    figures: dict[str, int] = field(default_factory=dict)
    """Lines and values, by what became of them."""

    def add(self, interval: Interval, batch: FlushBatch) -> None:
        """Takes one interval."""
        for point in batch.points():
            name = SeriesName(point.name, tuple(point.tags), point.type.name.lower())
            values = self.series.setdefault(name, {})
            at = point.timestamp_ms
            is_sum = point.type is PointType.COUNTER
            values[at] = values.get(at, 0.0) + point.value if is_sum else point.value
        for _, accounts in interval.accounts:
            self._count("lines", accounts.lines)
            self._count("events and checks", accounts.pending)
            self._count("values folded", accounts.folded)
            self._count("values filtered", accounts.filtered)
            for reason, count in accounts.rejected.items():
                self._count(f"lines rejected: {reason}", count)
            for reason, count in accounts.values_rejected.items():
                self._count(f"values rejected: {reason}", count)

    def _count(self, name: str, count: int) -> None:
        self.figures[name] = self.figures.get(name, 0) + count


def rehearse_config(config: Config, datagrams: Iterable[Datagram]) -> Outcome:
    """Feeds them to an engine as the first listener of `config` would, by their own times."""
    interval_ms = max(1, round(config.interval * 1000))
    outcome = Outcome()
    feeding: tuple[Engine, Reader] | None = None
    start_ms = 0
    for datagram in datagrams:
        now_ms = datagram.time_ns // _NS_PER_MS
        if feeding is None:
            start_ms = now_ms // interval_ms * interval_ms
            feeding = _opened(config, start_ms)
        engine, reader = feeding
        for end_ms in _ends(start_ms, now_ms, interval_ms):
            _close(engine, config, start_ms, end_ms, outcome)
            start_ms = end_ms
        reader.feed(datagram.payload, now_ns=datagram.time_ns)
    if feeding is not None:
        _close(feeding[0], config, start_ms, start_ms + interval_ms, outcome)
        feeding[0].close()
    return outcome


def _opened(config: Config, start_ms: int) -> tuple[Engine, Reader]:
    # In memory: a daemon may be running on the directories of the configuration.
    options = replace(engine_options(config), arena_dir=None, capture_bytes=0)
    engine = open_engine(config.engine, options, start_ms=start_ms)
    urls = config.listen_urls
    grammar = grammar_of(config, urls[0].options if urls else ListenOptions())
    most_bytes = max(LARGEST_FEED, config.metric_max_length)
    return engine, engine.open_reader("rehearsal", max_datagram_bytes=most_bytes, grammar=grammar)


def _ends(start_ms: int, now_ms: int, interval_ms: int) -> Iterator[int]:
    """The ends of the intervals that are over."""
    passed = max(0, now_ms - start_ms) // interval_ms
    for i in range(1, min(passed, _MOST_EMPTY) + 1):
        yield start_ms + i * interval_ms
    if passed > _MOST_EMPTY:
        yield start_ms + passed * interval_ms


def _close(engine: Engine, config: Config, start_ms: int, end_ms: int, outcome: Outcome) -> None:
    interval = engine.rotate(end_ms)
    try:
        columns = interval.columns(plan_of(config.aggregates, config.percentiles))
        length_s = (end_ms - start_ms) / 1000
        outcome.add(interval, FlushBatch(start_ms, length_s, host_of(config), columns))
    finally:
        interval.release()
