"""What an owner merges of one interval, from batches and from Veneur's streams."""

from __future__ import annotations

import struct
from collections import Counter as Tally
from collections.abc import Sequence

from veneurpy.engine.columns import Columns
from veneurpy.engine.exchange import (
    MAX_MESSAGE_BYTES,
    Encoded,
    FrameBroken,
    Imported,
    StoreFull,
    Streamed,
)
from veneurpy.engine.owners import OwnerTable, series_hash
from veneurpy.engine.reference_columns import columns, merge
from veneurpy.engine.reference_digest import Distribution
from veneurpy.engine.reference_encode import merge_for_wire
from veneurpy.engine.reference_gauge import Gauge
from veneurpy.engine.reference_metric import (
    CounterValue,
    DigestValue,
    GaugeValue,
    Metric,
    Rejected,
    SetValue,
    Value,
    metrics_of,
    read_metric,
)
from veneurpy.engine.reference_metric_writer import Entry, batches, write_metric
from veneurpy.engine.reference_protobuf import Malformed
from veneurpy.engine.reference_store import (
    Counter,
    Histogram,
    MemberSet,
    Memory,
    Series,
    SeriesKey,
    Store,
)
from veneurpy.engine.types import EngineOptions, Plan, Role

_NO_LIMIT = 1 << 62
_PREFIX = struct.Struct(">BI")


class ReferenceImportStore:
    """Series of one interval from many senders; a `veneurpy.engine.ImportStore`."""

    def __init__(self, options: EngineOptions, start_ms: int, memory: Memory) -> None:
        self._options = options
        self._start_ms = start_ms
        self._memory = memory
        self._bytes = 0
        self._touched: set[SeriesKey] = set()
        self.store = Store(-1, options, Memory(_NO_LIMIT))

    def __repr__(self) -> str:
        return f"<ReferenceImportStore {self._start_ms}: {self.series} series>"

    @property
    def start_ms(self) -> int:
        return self._start_ms

    @property
    def series(self) -> int:
        return len(self.store.series)

    @property
    def memory_bytes(self) -> int:
        return self._bytes

    def merge(
        self, payload: bytes, *, sender: str, received_ns: int, foreign: bool = False
    ) -> Imported:
        rejected: Tally[str] = Tally()
        metrics = []
        try:
            for message in metrics_of(bytes(payload)):
                try:
                    metrics.append(read_metric(message, foreign=foreign))
                except Rejected as exc:
                    rejected[str(exc)] += 1
        except Malformed:
            raise FrameBroken("malformed") from None
        return self._take(metrics, rejected, sender, received_ns)

    def merge_stream(self, frames: bytes, *, sender: str, received_ns: int) -> Streamed:
        rejected: Tally[str] = Tally()
        metrics = []
        messages, consumed = _messages(bytes(frames))
        for message in messages:
            try:
                metrics.append(read_metric(message, foreign=True))
            except Malformed:
                rejected["malformed"] += 1
            except Rejected as exc:
                rejected[str(exc)] += 1
        return Streamed(self._take(metrics, rejected, sender, received_ns), consumed)

    def columns(self, plan: Plan, *, touched_only: bool = False) -> Columns:
        groups = merge([self.store], (), self._options.compression, touched=self._touched)
        plan = Plan(plan.histograms)
        return columns(groups, plan, self._start_ms, touched_only=touched_only)

    def state(self, shards: int, max_bytes: int) -> list[bytes]:
        merged = merge_for_wire([], [self.store], Role.OWNER, self._options)
        compression = self._options.compression
        entries = (
            Entry(
                series_hash(key.name, key.type, key.tags) % shards,
                write_metric(key, series, compression, foreign=False, with_sinks=True),
                series.samples,
            )
            for key, series in merged.items()
        )
        return [batch.payload for batch in batches(entries, max_bytes)]

    def encode(self, table: OwnerTable, max_bytes: int) -> list[Encoded]:
        merged = merge_for_wire([], [self.store], Role.OWNER, self._options)
        compression = self._options.compression
        entries = (
            Entry(
                table.owner(key.name, key.type, key.tags),
                write_metric(key, series, compression, foreign=False, with_sinks=True),
                series.samples,
            )
            for key, series in merged.items()
        )
        return batches(entries, max_bytes)

    def forget_touched(self) -> None:
        self._touched.clear()

    def release(self) -> None:
        self._memory.give_back(self._bytes)
        self._bytes = 0
        self.store.release()
        self._touched.clear()

    def _take(
        self, metrics: Sequence[Metric], rejected: Tally[str], sender: str, received_ns: int
    ) -> Imported:
        size = sum(map(_size, metrics))
        if not self._memory.take(size):
            raise StoreFull
        self._bytes += size
        for metric in metrics:
            key = SeriesKey(metric.name, metric.tags, metric.type, metric.scope, metric.sinks, None)
            series = self.store.find(key)
            assert series is not None  # the room was taken above
            _apply(series, metric, sender.encode(), received_ns, self._options.compression)
            self._touched.add(key)
        samples = sum(metric.samples for metric in metrics)
        return Imported(len(metrics), samples, dict(rejected))


def _size(metric: Metric) -> int:
    """What a metric may take at most: an estimate."""
    return 200 + len(metric.name) + sum(map(len, metric.tags)) + _value_size(metric.value)


def _value_size(value: Value) -> int:
    match value:
        case DigestValue():
            return 100 + 16 * len(value.centroids)
        case SetValue():
            return 16 * len(value.hashes or value.keys) + len(value.registers)
    return 0


def _apply(
    series: Series, metric: Metric, sender: bytes, received_ns: int, compression: float
) -> None:
    match series, metric.value:
        case Counter(), CounterValue(total):
            series.merge(Counter(metric.samples, total))
        case Gauge(), GaugeValue(value, time_ns, origin):
            time_ns = received_ns if time_ns is None else time_ns
            series.merge(Gauge(metric.samples, time_ns, origin or sender, -1, value))
        case Histogram(), DigestValue() as value:
            distribution = Distribution(compression)
            distribution.add_centroids(value.centroids, value.moments, is_exact=value.is_exact)
            series.merge(Histogram(distribution, metric.samples, value.direct))
        case MemberSet(), SetValue() as value:
            _apply_set(series, value)
            series.samples += metric.samples


def _apply_set(series: MemberSet, value: SetValue) -> None:
    if value.hashes is not None:
        series.members.add_hashes(value.hashes)
    elif value.registers:
        series.members.add_registers(value.registers)
    else:
        series.members.add_keys(value.keys)


def _messages(frames: bytes) -> tuple[list[bytes], int]:
    """The whole messages of a stream, and where they end. Each is preceded by 0 and its length."""
    messages = []
    at = 0
    while at + _PREFIX.size <= len(frames):
        compressed, size = _PREFIX.unpack_from(frames, at)
        if compressed:
            raise FrameBroken("compressed")
        if size > MAX_MESSAGE_BYTES:
            raise FrameBroken("too_long")
        if at + _PREFIX.size + size > len(frames):
            break
        at += _PREFIX.size
        messages.append(frames[at : at + size])
        at += size
    return messages, at
