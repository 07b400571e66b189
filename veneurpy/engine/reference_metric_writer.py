"""Series as `metricpb.Metric` on the wire; `reference_metric` says what the fields mean."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import NamedTuple

from veneurpy.engine.exchange import Encoded
from veneurpy.engine.reference_digest import Moments
from veneurpy.engine.reference_gauge import Gauge
from veneurpy.engine.reference_hll import ReferenceSet
from veneurpy.engine.reference_hll_wire import dense_bytes, excess, sparse_bytes
from veneurpy.engine.reference_protobuf import (
    FIXED64,
    bytes_field,
    double_field,
    varint,
    varint_field,
)
from veneurpy.engine.reference_store import (
    Counter,
    Histogram,
    MemberSet,
    Series,
    SeriesKey,
)
from veneurpy.engine.types import Scope

_LARGEST_INTEGER = 1 << 63


def write_metric(
    key: SeriesKey, series: Series, compression: float, *, foreign: bool, with_sinks: bool = False
) -> bytes:
    """One entry of a `MetricList`, without what only we read if it is `foreign`."""
    message = bytes_field(1, key.name) + b"".join(bytes_field(2, tag) for tag in key.tags)
    message += varint_field(3, key.type) + _value(key, series, compression, foreign=foreign)
    message += varint_field(9, key.scope)
    if not foreign:
        if series.samples != 1:
            message += varint(100 << 3) + varint(series.samples)
        if with_sinks:
            message += b"".join(bytes_field(101, sink) for sink in sorted(key.sinks))
    return bytes_field(1, message)


def _value(key: SeriesKey, series: Series, compression: float, *, foreign: bool) -> bytes:
    match series:
        case Counter():
            return bytes_field(5, _counter(series.sum, foreign=foreign))
        case Gauge():
            return bytes_field(6, _gauge(series, foreign=foreign))
        case MemberSet():
            return bytes_field(8, _set(series.members, foreign=foreign))
        case Histogram():
            return bytes_field(7, _histogram(key, series, compression, foreign=foreign))


def as_int64(value: float) -> int:
    """The nearest integer of 64 bits, of two the even one."""
    if abs(value) >= _LARGEST_INTEGER:
        return _LARGEST_INTEGER - 1 if value > 0 else -_LARGEST_INTEGER
    return round(value)


def _counter(value: float, *, foreign: bool) -> bytes:
    integer = as_int64(value)
    message = varint_field(1, integer)
    if not foreign and float(integer) != value:
        message += varint(100 << 3 | FIXED64) + struct.pack("<d", value)
    return message


def _gauge(gauge: Gauge, *, foreign: bool) -> bytes:
    message = double_field(1, gauge.current)
    if not foreign:
        message += varint(100 << 3 | FIXED64) + struct.pack("<q", gauge.last_ns)
        if gauge.sender:
            message += bytes_field(101, gauge.sender)
    return message


def _histogram(key: SeriesKey, series: Histogram, compression: float, *, foreign: bool) -> bytes:
    moments = series.distribution.moments
    centroids = series.distribution.centroids()
    digest = b"".join(
        bytes_field(1, double_field(1, mean) + double_field(2, weight))
        for mean, weight in centroids
    )
    digest += double_field(2, compression)
    digest += double_field(3, moments.minimum) + double_field(4, moments.maximum)
    digest += double_field(5, math.inf if moments.zeros else moments.reciprocal_sum)
    message = bytes_field(1, digest)
    if not foreign:
        message += bytes_field(100, _moments(moments))
        if key.scope is Scope.MIXED and series.direct.weight:
            message += bytes_field(101, _moments(series.direct))
        message += varint_field(102, series.distribution.is_exact)
    return message


def _moments(m: Moments) -> bytes:
    numbers = (m.weight, m.sum, m.minimum, m.maximum, m.reciprocal_sum, m.zeros)
    return b"".join(double_field(i, number) for i, number in enumerate(numbers, 1))


def _set(members: ReferenceSet, *, foreign: bool) -> bytes:
    registers, hashes = members.registers, members.hashes
    if registers is None:
        message = bytes_field(1, sparse_bytes(members.keys))
        if hashes and not foreign:
            message += bytes_field(100, struct.pack(f"<{len(hashes)}Q", *sorted(hashes)))
        return message
    message = bytes_field(1, dense_bytes(registers))
    cut = excess(registers)
    if cut and not foreign:
        message += bytes_field(101, struct.pack(f"<{len(cut)}I", *cut))
    return message


class Entry(NamedTuple):
    """One series on the wire."""

    owner: int
    data: bytes
    samples: int


def batches(entries: Iterable[Entry], max_bytes: int) -> list[Encoded]:
    """By owner, in order, each of at most so many bytes if an entry alone is not more."""
    done: list[Encoded] = []
    begun: dict[int, list[Entry]] = {}
    size: dict[int, int] = {}
    for entry in entries:
        batch = begun.setdefault(entry.owner, [])
        if batch and size[entry.owner] + len(entry.data) > max_bytes:
            done.append(_batch(batch))
            batch.clear()
        size[entry.owner] = len(entry.data) + (size[entry.owner] if batch else 0)
        batch.append(entry)
    done += [_batch(batch) for batch in begun.values()]
    return sorted(done, key=lambda batch: batch.owner)


def _batch(entries: list[Entry]) -> Encoded:
    payload = b"".join(entry.data for entry in entries)
    return Encoded(entries[0].owner, payload, len(entries), sum(e.samples for e in entries))
