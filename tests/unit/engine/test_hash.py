"""Hash flooding: keys that collide in one engine are as good as any other in the next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest

pytest.importorskip("veneurpy.engine.native.engine", reason="the native engine is not built")

from tests.engines import NOW_NS, START_MS, close_interval
from veneurpy.engine import EngineOptions, Plan
from veneurpy.engine.native.engine import NativeEngine

KEYS = 40_000
HOME_BITS = 10
"""A table begins with so many bits, so some forty of the keys have one home."""
Key = tuple[bytes, bytes]


@pytest.fixture
def engines() -> Iterator[tuple[NativeEngine, NativeEngine]]:
    """Two that know nothing of each other, as two processes would."""
    made = (
        NativeEngine(EngineOptions(), start_ms=START_MS),
        NativeEngine(EngineOptions(), start_ms=START_MS),
    )
    yield made
    for engine in made:
        engine.close()


def by_hash(engine: NativeEngine, keys: list[Key], bits: int) -> list[list[Key]]:
    """The keys that share the upper bits of their hashes, the most numerous first."""
    found: dict[int, list[Key]] = defaultdict(list)
    for name, tags in keys:
        found[engine.hash_of(name, tags) >> (64 - bits)].append((name, tags))
    return sorted(found.values(), key=len, reverse=True)


shapes = pytest.mark.parametrize(
    "shape",
    [
        pytest.param((b"%d", b""), id="short names"),
        pytest.param((b"a.name.of.more.than.one.block.%d", b""), id="long names"),
        pytest.param((b"%d.and.then.the.same.for.all.of.them", b""), id="one end"),
        pytest.param((b"name", b"key:%d"), id="tags"),
    ],
)


def keys_of(shape: Key) -> list[Key]:
    """Many keys that differ in one place."""
    name, tags = shape
    return [
        (name % i if b"%" in name else name, tags % i if b"%" in tags else tags)
        for i in range(KEYS)
    ]


@shapes
def test_colliding_keys_spread_in_another_engine(
    engines: tuple[NativeEngine, NativeEngine], shape: Key
) -> None:
    """Keys chosen for one home in a table have as many homes as any in a table of another."""
    one, other = engines
    flood = by_hash(one, keys_of(shape), HOME_BITS)[0]

    assert len(flood) > KEYS >> HOME_BITS
    assert len(by_hash(other, flood, HOME_BITS)) > 0.8 * len(flood)


@shapes
def test_equal_hashes_differ_in_another_engine(
    engines: tuple[NativeEngine, NativeEngine], shape: Key
) -> None:
    """Keys whose hashes share 24 bits, most of what a slot keeps, share them in no other engine."""
    one, other = engines
    pairs = [group[:2] for group in by_hash(one, keys_of(shape), 24) if len(group) > 1]

    assert len(pairs) > 10
    assert sum(len(by_hash(other, pair, 24)) == 1 for pair in pairs) <= 1


def test_a_flood_is_counted(engines: tuple[NativeEngine, NativeEngine]) -> None:
    """Series that share a home are told apart."""
    engine = engines[0]
    flood = by_hash(engine, keys_of((b"flood.%d", b"")), HOME_BITS)[0]
    reader = engine.open_reader("x")
    for name, _ in flood:
        reader.feed(name + b":2|c", now_ns=NOW_NS)
    outcome = close_interval(engine, Plan())

    assert sorted(name.decode() for name, _ in flood) == [row.name for row in outcome.rows]
    assert {2.0} == {row.value for row in outcome.rows}


def test_a_fixed_key_gives_fixed_hashes() -> None:
    """Whoever counts instructions can have the same hashes in every process."""

    def hashed(hash_key: bytes) -> int:
        engine = NativeEngine(EngineOptions(), start_ms=START_MS, hash_key=hash_key)
        found = engine.hash_of(b"name", b"tag:value")
        engine.close()
        return found

    assert hashed(bytes(range(32))) == hashed(bytes(range(32)))
    with pytest.raises(ValueError, match="32 bytes"):
        hashed(b"short")
