"""What comes by the wire means the same to both engines, in whatever order, and is never lost."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Literal

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.engines import Row, engine_kinds, needs_native
from tests.property.metrics import lists, messages
from tests.wire import Owner, framed
from veneurpy.engine import EngineKind, FrameBroken, Imported, OwnerTable
from veneurpy.engine.reference_metric import MOST_SAMPLES, metrics_of, read_metric

frames = st.lists(st.tuples(lists, st.sampled_from(["p", "q", "é"]), st.booleans()), max_size=4)
Frames = list[tuple[bytes, str, bool]]
Series = dict[tuple[object, ...], dict[str, float]]


@needs_native
@given(frames)
def test_native_equals_reference(batches: Frames) -> None:
    """For any bytes both engines merge and reject the same, and make the same of it."""
    reference, native = Owner("python"), Owner("native")

    assert merged(reference, batches) == merged(native, batches)
    assert reference.store.series == native.store.series
    assert [] == differences(reference, native)
    reference.close()
    native.close()


@needs_native
@given(st.lists(messages(), max_size=6), st.binary(max_size=8), st.integers(0, 40))
def test_streams_equal_reference(sent: list[bytes], tail: bytes, cut: int) -> None:
    """Of a stream both take the same messages, wherever the piece ends."""
    piece = (framed(*sent) + tail)[: -cut or None]
    reference, native = Owner("python"), Owner("native")

    assert streamed(reference, piece) == streamed(native, piece)
    assert [] == differences(reference, native)
    reference.close()
    native.close()


@engine_kinds
@given(frames, st.randoms(use_true_random=False))
def test_order_does_not_matter(kind: EngineKind, batches: Frames, order: random.Random) -> None:
    """Batches that come in another order make the same series; sums up to rounding."""
    shuffled = order.sample(batches, len(batches))
    first, second = Owner(kind), Owner(kind)
    merged(first, batches)
    merged(second, shuffled)

    assert [] == differences(first, second)
    first.close()
    second.close()


@engine_kinds
@given(frames, st.integers(1, 3), st.sampled_from([1, 200, 1 << 20]))
def test_state_gives_it_back(
    kind: EngineKind, batches: Frames, shards: int, max_bytes: int
) -> None:
    """What a store says of itself makes another one like it, in either engine."""
    store = Owner(kind)
    merged(store, batches)
    others = [Owner("python"), Owner(kind)]
    for other in others:
        for payload in store.store.state(shards, max_bytes):
            assert {} == other.merge(payload, "somebody").rejected

        assert store.store.series == other.store.series
        assert [] == differences(store, other)
        other.close()
    store.close()


@engine_kinds
@given(frames, st.sampled_from(["rendezvous", "veneur"]), st.sampled_from([1, 200, 1 << 20]))
def test_a_next_tier_gets_all_of_it(
    kind: EngineKind, batches: Frames, hash_: Literal["rendezvous", "veneur"], max_bytes: int
) -> None:
    """What a store has for other owners makes one like it: each series whole, at its owner."""
    store, other = Owner(kind), Owner("python")
    merged(store, batches)
    table = OwnerTable(("t1", "t2", "t3"), hash_)
    parts = store.store.encode(table, max_bytes)
    for part in parts:
        for message in metrics_of(part.payload):
            metric = read_metric(message, foreign=False)
            assert part.owner == table.owner(metric.name, metric.type, metric.tags)
        # A reader takes no more of one metric; hostile senders only can make a sum of more.
        assume(part.samples <= MOST_SAMPLES)
        imported = other.merge(part.payload, "zone")
        assert (part.series, part.samples, {}) == imported

    assert store.store.series == sum(part.series for part in parts)
    assert [] == differences(store, other)
    store.close()
    other.close()


def merged(owner: Owner, batches: Frames) -> list[Imported | str]:
    """What became of each frame."""
    done: list[Imported | str] = []
    for payload, sender, foreign in batches:
        try:
            done.append(owner.merge(payload, sender, foreign=foreign))
        except FrameBroken as exc:
            done.append(exc.reason)
    return done


def streamed(owner: Owner, piece: bytes) -> object:
    try:
        return owner.store.merge_stream(piece, sender="v", received_ns=1)
    except FrameBroken as exc:
        return exc.reason


def differences(left: Owner, right: Owner) -> list[str]:
    """Points that differ beyond rounding; of quantiles only what is exact."""
    mine, theirs = by_series(left.rows()), by_series(right.rows())
    found = [f"only one has {series}" for series in mine.keys() ^ theirs.keys()]
    for series in mine.keys() & theirs.keys():
        ours, others = mine[series], theirs[series]
        found += [
            f"{series} {name}: {ours.get(name)} != {others.get(name)}"
            for name in ours.keys() | others.keys()
            if not is_close(name, ours, others)
        ]
    return found


def by_series(rows: Sequence[Row]) -> Series:
    found: Series = {}
    for row in rows:
        name, _, statistic = row.name.partition("#")
        statistics = found.setdefault((name, *row[1:5], row.scope), {})
        assert statistic not in statistics
        statistics[statistic] = row.value
    return found


def is_close(name: str, ours: dict[str, float], others: dict[str, float]) -> bool:
    if name == "hmean":
        return True  # at the mercy of rounding where signs are mixed
    if name not in ours or name not in others:
        return False
    left, right = ours[name], others[name]
    if name in ("median",) or (name.startswith("q0.") and name != "q0.0"):
        return within(ours, left) and within(others, right)
    return left == right or math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9 * scale(ours))


def within(statistics: dict[str, float], value: float) -> bool:
    """Digests of two kinds agree on no more, for a few centroids."""
    return statistics["q0.0"] <= value <= statistics["q1.0"]


def scale(statistics: dict[str, float]) -> float:
    """What sums may have been before they cancelled out."""
    return max(map(abs, statistics.values()))
