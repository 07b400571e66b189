"""One `metricpb.Metric`, read from the wire and written to it.

Fields from 100 on are ours. Veneur passes over them, and they are left out in what is for Veneur:

    Metric          100 samples, varint · 101 the sinks that are meant, repeated
    CounterValue    100 the sum, double, unless it is integral
    GaugeValue      100 time of the last write, fixed64 ns · 101 its sender
    HistogramValue  100 Moments of all samples · 101 Moments of those that the sender's owner is to
                    publish aggregates of · 102 whether the centroids are the samples, bool
    SetValue        100 hashes of all members, packed fixed64
                    101 registers of more than base + 15: packed fixed32, register << 8 | value
    Moments         1 weight · 2 sum · 3 min · 4 max · 5 sum of reciprocals · 6 weight of zeros
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from veneurpy.engine.exchange import LARGEST_SUM
from veneurpy.engine.reference_digest import Moments, Sample
from veneurpy.engine.reference_hll_wire import HIGHEST, REGISTERS, BadSet, read_set
from veneurpy.engine.reference_protobuf import (
    BYTES,
    FIXED64,
    VARINT,
    Field,
    as_double,
    fields,
    signed,
)
from veneurpy.engine.tags import is_clean
from veneurpy.engine.types import MetricType, Scope

LONGEST_KEY = 0xFF00
"""Bytes of a name, and of all tags with their commas."""
MOST_SAMPLES = (1 << 32) - 1
_LARGEST_VALUE = 1e290
_LARGEST_WEIGHT = 1e24
_SINK_ONLY = b"veneursinkonly:"
_MAGIC = (b"veneurlocalonly", b"veneurglobalonly", b"veneursinkonly")
_VALUE_FIELDS = {
    MetricType.COUNTER: 5,
    MetricType.GAUGE: 6,
    MetricType.HISTOGRAM: 7,
    MetricType.SET: 8,
    MetricType.TIMER: 7,
}


class Rejected(ValueError):
    """A metric that cannot be merged; the message is one of IMPORT_REASONS."""


@dataclass(slots=True)
class CounterValue:
    sum: float


@dataclass(slots=True)
class GaugeValue:
    value: float
    time_ns: int | None = None
    sender: bytes | None = None


@dataclass(slots=True)
class DigestValue:
    centroids: list[Sample]
    moments: Moments
    direct: Moments
    is_exact: bool


@dataclass(slots=True)
class SetValue:
    """`hashes` where they are known, else keys or registers."""

    hashes: list[int] | None
    keys: list[int]
    registers: bytes


Value: TypeAlias = CounterValue | GaugeValue | DigestValue | SetValue


@dataclass(slots=True)
class Metric:
    """A metric in normal form."""

    name: bytes
    tags: tuple[bytes, ...]
    sinks: frozenset[bytes]
    type: MetricType
    scope: Scope
    samples: int
    value: Value


@dataclass(slots=True)
class _Raw:
    """Fields as they came."""

    name: bytes = b""
    tags: list[bytes] = field(default_factory=list)
    sinks: list[bytes] = field(default_factory=list)
    type: int = 0
    scope: int = 0
    samples: int = 1
    value: tuple[int, bytes] = (0, b"")


def read_metric(message: bytes, *, foreign: bool) -> Metric:
    """Reads one message, of Veneur's if `foreign`. Raises Malformed, or Rejected."""
    raw = _read_raw(message)
    if raw.type not in list(MetricType):
        raise Rejected("bad_type")
    type_ = MetricType(raw.type)
    if not raw.name or len(raw.name) > LONGEST_KEY or not is_clean(raw.name):
        raise Rejected("bad_name")
    tags, sinks = _read_tags(raw)
    if raw.scope not in list(Scope) or (foreign and raw.scope == Scope.LOCAL):
        raise Rejected("bad_scope")
    if raw.value[0] != _VALUE_FIELDS[type_]:
        raise Rejected("no_value")
    is_scalar = type_ in (MetricType.COUNTER, MetricType.GAUGE)
    return Metric(
        raw.name,
        tags,
        sinks,
        type_,
        Scope.GLOBAL if foreign and is_scalar else Scope(raw.scope),
        min(raw.samples, MOST_SAMPLES),
        _READERS[type_](raw.value[1]),
    )


def _read_raw(message: bytes) -> _Raw:
    raw = _Raw()
    for part in fields(message):
        match part.number, part.wire:
            case 1, 2:
                raw.name = part.data
            case 2, 2:
                raw.tags.append(part.data)
            case 3, 0:
                raw.type = part.varint
            case ((5 | 6 | 7 | 8), 2):
                raw.value = (part.number, part.data)
            case 9, 0:
                raw.scope = part.varint
            case 100, 0:
                raw.samples = part.varint
            case 101, 2:
                raw.sinks.append(part.data)
    return raw


def _read_tags(raw: _Raw) -> tuple[tuple[bytes, ...], frozenset[bytes]]:
    """Tags in normal form, and the sinks. No tag tells a scope here: those words are dropped."""
    sent = [tag for text in raw.tags for tag in text.split(b",")]
    sinks = {sink for text in raw.sinks for sink in text.split(b",")}
    sinks |= {tag.removeprefix(_SINK_ONLY) for tag in sent if tag.startswith(_SINK_ONLY)}
    tags = {tag for tag in sent if tag and tag.partition(b":")[0] not in _MAGIC}
    sinks.discard(b"")
    size = sum(len(tag) + 1 for tag in tags) + sum(len(_SINK_ONLY + sink) + 1 for sink in sinks)
    raw_size = sum(len(text) + 1 for text in [*raw.tags, *raw.sinks])
    if size > LONGEST_KEY or raw_size > 2 * LONGEST_KEY:
        raise Rejected("bad_tags")
    if not all(map(is_clean, [*raw.tags, *raw.sinks])):
        raise Rejected("bad_tags")
    return tuple(sorted(tags)), frozenset(sinks)


def _read_counter(message: bytes) -> CounterValue:
    exact = integer = None
    for part in fields(message):
        if (part.number, part.wire) == (1, VARINT):
            integer = float(signed(part.varint))
        elif (part.number, part.wire) == (100, FIXED64):
            exact = as_double(part.data)
    value = (integer or 0.0) if exact is None else exact
    if not abs(value) <= LARGEST_SUM:
        raise Rejected("bad_value")
    return CounterValue(value)


def _read_gauge(message: bytes) -> GaugeValue:
    gauge = GaugeValue(0.0)
    for part in fields(message):
        match part.number, part.wire:
            case 1, 1:
                gauge.value = as_double(part.data)
            case 100, 1:
                gauge.time_ns = int.from_bytes(part.data, "little") & ~(1 << 63)
            case 101, 2:
                gauge.sender = part.data
    if not abs(gauge.value) <= _LARGEST_VALUE:
        raise Rejected("bad_value")
    return gauge


def _read_histogram(message: bytes) -> DigestValue:
    digest = total = direct = None
    is_exact = False
    for part in fields(message):
        match part.number, part.wire:
            case 1, 2:
                digest = part.data
            case 100, 2:
                total = part.data
            case 101, 2:
                direct = part.data
            case 102, 0:
                is_exact = part.varint != 0
    centroids, moments = _read_digest(digest or b"")
    if total is None:
        # Single samples, for all that can be told.
        return DigestValue(
            centroids, moments, Moments(), all(w == centroids[0][1] for _, w in centroids)
        )
    means = [moments.minimum, moments.maximum]
    moments = _read_moments(total)
    if moments.weight == 0:
        raise Rejected("bad_digest")
    moments.minimum, moments.maximum = min(moments.minimum, *means), max(moments.maximum, *means)
    return DigestValue(centroids, moments, _read_moments(direct or b""), is_exact)


def _read_digest(message: bytes) -> tuple[list[Sample], Moments]:
    """The centroids, and what Veneur tells of the samples."""
    centroids: list[Sample] = []
    told = {3: 0.0, 4: 0.0, 5: 0.0}
    for part in fields(message):
        if (part.number, part.wire) == (1, BYTES):
            centroids.append(_read_centroid(part.data))
        elif part.number in told and part.wire == FIXED64:
            told[part.number] = as_double(part.data)
    if not centroids:
        raise Rejected("bad_digest")
    moments = Moments()
    for mean, weight in centroids:
        moments.add(mean, weight)
    if math.isfinite(told[3]):
        moments.minimum = min(moments.minimum, told[3])
    if math.isfinite(told[4]):
        moments.maximum = max(moments.maximum, told[4])
    moments.reciprocal_sum = told[5] if abs(told[5]) <= LARGEST_SUM else 0.0
    # One sample of 0 made Veneur's sum infinite.
    moments.zeros = 1.0 if math.isinf(told[5]) else 0.0
    return centroids, _checked(moments)


def _read_centroid(message: bytes) -> Sample:
    mean = weight = 0.0
    for part in fields(message):
        if (part.number, part.wire) == (1, FIXED64):
            mean = as_double(part.data)
        elif (part.number, part.wire) == (2, FIXED64):
            weight = as_double(part.data)
    if not (abs(mean) <= _LARGEST_VALUE and 0 < weight <= _LARGEST_WEIGHT):
        raise Rejected("bad_digest")
    return mean, weight


def _read_moments(message: bytes) -> Moments:
    """Those of no samples where the weight is 0."""
    numbers = [0.0] * 7
    for part in fields(message):
        if 1 <= part.number <= 6 and part.wire == FIXED64:
            numbers[part.number] = as_double(part.data)
    if numbers[1] == 0:
        return Moments()
    if math.isnan(numbers[5]):
        numbers[5] = 0.0
    return _checked(Moments(*numbers[1:]))


def _checked(moments: Moments) -> Moments:
    m = moments
    if not (
        0 < m.weight <= LARGEST_SUM
        and abs(m.sum) <= LARGEST_SUM
        and -LARGEST_SUM <= m.minimum <= m.maximum <= LARGEST_SUM
        and 0 <= m.zeros <= LARGEST_SUM
    ):
        raise Rejected("bad_digest")
    if not abs(m.reciprocal_sum) <= LARGEST_SUM:
        # Of samples next to 0: what a sample of 0 makes of a harmonic mean, they do.
        m.zeros, m.reciprocal_sum = m.zeros or 1.0, 0.0
    return m


def _read_set(message: bytes) -> SetValue:
    sketch, hashes, excess = b"", None, b""
    for part in fields(message):
        match part.number, part.wire:
            case 1, 2:
                sketch = part.data
            case 100, 2:
                hashes = part.data
            case 101, 2:
                excess = part.data
    if hashes is not None:
        if len(hashes) % 8:
            raise Rejected("bad_set")
        return SetValue(list(struct.unpack(f"<{len(hashes) // 8}Q", hashes)), [], b"")
    try:
        read = read_set(sketch)
    except BadSet:
        raise Rejected("bad_set") from None
    if not read.registers:
        return SetValue(None, read.keys, b"")
    return SetValue(None, [], _with_excess(read.registers, excess))


def _with_excess(registers: bytes, excess: bytes) -> bytes:
    if len(excess) % 4:
        raise Rejected("bad_set")
    whole = bytearray(registers)
    for (pair,) in struct.iter_unpack("<I", excess):
        register, value = pair >> 8, pair & 0xFF
        if register >= REGISTERS or value > HIGHEST:
            raise Rejected("bad_set")
        whole[register] = max(whole[register], value)
    return bytes(whole)


_READERS: dict[MetricType, Callable[[bytes], Value]] = {
    MetricType.COUNTER: _read_counter,
    MetricType.GAUGE: _read_gauge,
    MetricType.HISTOGRAM: _read_histogram,
    MetricType.SET: _read_set,
    MetricType.TIMER: _read_histogram,
}


def metrics_of(payload: bytes) -> Iterable[bytes]:
    """The messages of a `MetricList`. Raises Malformed."""
    return (part.data for part in fields(payload) if _is_metric(part))


def _is_metric(part: Field) -> bool:
    return (part.number, part.wire) == (1, BYTES)
