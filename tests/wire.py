"""Batches and metrics for tests of what passes between nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.engines import END_MS, NOW_NS, START_MS, Row, rows
from tests.property.compare import PLAN
from veneurpy.engine import (
    Engine,
    EngineKind,
    EngineOptions,
    Imported,
    ImportStore,
    OwnerTable,
    Role,
    open_engine,
)
from veneurpy.engine.reference_protobuf import bytes_field, double_field, varint_field

ALONE = OwnerTable(("a",), self_index=0)
"""One member owns everything."""


def in_list(*metrics: bytes) -> bytes:
    """A `MetricList`."""
    return b"".join(bytes_field(1, metric) for metric in metrics)


def framed(*metrics: bytes) -> bytes:
    """A stream of single messages."""
    return b"".join(b"\0" + len(metric).to_bytes(4, "big") + metric for metric in metrics)


def metric(
    value: bytes = b"",
    *,
    name: bytes = b"m",
    tags: Iterable[bytes] = (),
    type_: int = 0,
    scope: int = 0,
    extra: bytes = b"",
) -> bytes:
    """A metric; `value` is the field of the oneof."""
    sent = b"".join(bytes_field(2, tag) for tag in tags)
    head = bytes_field(1, name) + sent + varint_field(3, type_)
    return head + value + varint_field(9, scope) + extra


def counter(value: int) -> bytes:
    return bytes_field(5, varint_field(1, value))


def gauge(value: float) -> bytes:
    return bytes_field(6, double_field(1, value))


def digest(*centroids: tuple[float, float], tail: bytes = b"") -> bytes:
    """A histogram's value; `tail` are more fields of the digest."""
    body = b"".join(bytes_field(1, double_field(1, m) + double_field(2, w)) for m, w in centroids)
    return bytes_field(7, bytes_field(1, body + tail))


def sketch(data: bytes) -> bytes:
    """A set's value."""
    return bytes_field(8, bytes_field(1, data))


class Owner:
    """An engine with one import store."""

    def __init__(self, kind: EngineKind, options: EngineOptions | None = None) -> None:
        self.engine: Engine = open_engine(kind, options or EngineOptions(), start_ms=START_MS)
        self.store: ImportStore = self.engine.open_import(START_MS)

    def merge(self, payload: bytes, sender: str = "host", *, foreign: bool = False) -> Imported:
        return self.store.merge(payload, sender=sender, received_ns=NOW_NS, foreign=foreign)

    def rows(self, *, touched_only: bool = False) -> list[Row]:
        return sorted(rows(self.store.columns(PLAN, touched_only=touched_only)))

    def close(self) -> None:
        self.store.release()
        self.engine.close()


def encoded(
    kind: EngineKind,
    *datagrams: bytes,
    role: Role = Role.HOST,
    table: OwnerTable = ALONE,
    foreign: bool = False,
    carry: bytes = b"",
    sources: Sequence[ImportStore] = (),
    options: EngineOptions | None = None,
    max_bytes: int = 1 << 20,
) -> tuple[list[bytes], bytes]:
    """(payloads, carry) of an interval that received the datagrams; for Veneurs if `foreign`."""
    engine = open_engine(kind, options or EngineOptions(), start_ms=START_MS)
    reader = engine.open_reader("x")
    for datagram in datagrams:
        reader.feed(datagram, now_ns=NOW_NS)
    interval = engine.rotate(END_MS)
    owners = frozenset(range(len(table.members))) if foreign else frozenset[int]()
    encoding = interval.encode(
        table,
        role=role,
        max_bytes=max_bytes,
        veneur_owners=owners,
        carry=carry,
        sources=sources,
    )
    interval.release()
    engine.close()
    return [part.payload for part in encoding.parts], encoding.carry
