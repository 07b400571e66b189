"""Batches and streams of other nodes: any bytes are merged or refused, the same by both engines."""

from __future__ import annotations

from collections.abc import Iterator

from tests.property.test_wire_agrees import differences
from tests.wire import Owner, counter, digest, framed, gauge, in_list, metric, sketch
from veneurpy.engine import EngineOptions, FrameBroken, StoreFull
from veneurpy.engine.reference_hll_wire import dense_bytes, sparse_bytes

STREAM = 1
FOREIGN = 2
ALONE = 4
"""The reference, slow as it is, is not asked."""
OPTIONS = EngineOptions(import_max_bytes=1 << 23)


def check(data: bytes) -> None:
    """The first byte says what the rest is; it is merged twice, and what came of it once more."""
    choice = data[0] if data else 0
    native = Owner("native", OPTIONS)
    outcome = [take(native, data[1:], choice) for _ in range(2)]
    for payload in native.store.state(2, 1000):
        native.merge(payload)
    if not choice & ALONE:
        reference = Owner("python")
        assert outcome == [take(reference, data[1:], choice) for _ in range(2)]
        for payload in reference.store.state(2, 1000):
            reference.merge(payload)
        assert [] == differences(reference, native)
        reference.close()
    native.rows()
    native.close()


def take(owner: Owner, data: bytes, choice: int) -> object:
    """What became of it."""
    try:
        if choice & STREAM:
            return owner.store.merge_stream(data, sender="v", received_ns=1)
        return owner.merge(data, foreign=bool(choice & FOREIGN))
    except (FrameBroken, StoreFull) as exc:
        return repr(exc)


def seeds() -> Iterator[bytes]:
    """Metrics of every kind, in lists and streams."""
    metrics = [
        metric(counter(3), tags=[b"x:y", b"z"], scope=2),
        metric(gauge(1.5), name=b"g", type_=1),
        metric(digest((1.0, 1.0), (2.0, 1.0), (70.0, 3.0)), name=b"h", type_=2),
        metric(sketch(sparse_bytes([2, 4, 600])), name=b"s", type_=3),
        metric(sketch(dense_bytes(bytes([1, 0, 17] * 5461 + [2]))), name=b"d", type_=3),
    ]
    for choice in range(8):
        yield bytes([choice]) + (framed if choice & STREAM else in_list)(*metrics)
