"""What a reader keeps of what it received, in both engines."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest

from tests.engines import END_MS, NOW_NS, START_MS, engine_kinds, in_buffer, needs_native
from veneurpy.engine import Engine, EngineKind, EngineOptions, Reader, open_engine

KIB = 1 << 10


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    opened: list[Engine] = []
    yield opened
    for engine in opened:
        engine.close()


def reader_of(
    engines: list[Engine], kind: EngineKind, capture_bytes: int = 64 * KIB, **options: int
) -> Reader:
    engine = open_engine(
        kind, EngineOptions(capture_bytes=capture_bytes, **options), start_ms=START_MS
    )
    engines.append(engine)
    return engine.open_reader("hand")


def read_all(reader: Reader, mark: int | None = None) -> list[tuple[int, bytes]]:
    found = []
    while (part := reader.captured(mark)).datagrams:
        found += part.datagrams
        mark = part.mark
    return found


@engine_kinds
def test_datagrams_as_they_came(engines: list[Engine], kind: EngineKind) -> None:
    """What was fed is kept in order with its time: good, bad, empty, and over a rotation."""
    reader = reader_of(engines, kind)
    sent = [b"a:1|c", b"rubbish", b"", b"b:2|g\nc:3|ms\n"]
    for i, data in enumerate(sent):
        reader.feed(in_buffer(data, kind), now_ns=NOW_NS + i)
        engines[0].rotate(END_MS + i).release()

    assert [(NOW_NS + i, data) for i, data in enumerate(sent)] == read_all(reader)


@engine_kinds
def test_a_datagram_that_was_cut(engines: list[Engine], kind: EngineKind) -> None:
    """Of a datagram that was cut its complete lines are kept, as they were counted."""
    reader = reader_of(engines, kind, max_datagram_bytes=8)
    reader.feed(in_buffer(b"a:1|c\nb:", kind), truncated=True, now_ns=NOW_NS)
    reader.feed(in_buffer(b"a:1|c\nbcd:2|c", kind), now_ns=NOW_NS)
    reader.feed(in_buffer(b"no line end", kind), now_ns=NOW_NS)

    assert [b"a:1|c\n", b"a:1|c\n", b""] == [data for _, data in read_all(reader)]


@engine_kinds
def test_the_oldest_go_first(engines: list[Engine], kind: EngineKind) -> None:
    """Of more than fits, the newest stay: a gapless end of what was fed, at least half the ring."""
    reader = reader_of(engines, kind, 8 * KIB)
    randomness = random.Random(20)
    sent = [b"%d:1|c#" % i + b"x" * randomness.randrange(400) for i in range(3000)]
    for data in sent:
        reader.feed(in_buffer(data, kind), now_ns=NOW_NS)
    kept = [data for _, data in read_all(reader)]

    assert sent[-len(kept) :] == kept
    assert 4 * KIB < sum(map(len, kept)) < 8 * KIB


@engine_kinds
def test_nothing_comes_twice(engines: list[Engine], kind: EngineKind) -> None:
    """From a mark on there is what came since; what was overwritten meanwhile is told in bytes."""
    reader = reader_of(engines, kind, 8 * KIB)
    reader.feed(in_buffer(b"old:1|c", kind), now_ns=NOW_NS)
    mark = reader.captured().mark
    assert ([], mark, 0) == reader.captured(mark)
    for i in range(100):
        reader.feed(in_buffer(b"%d:1|c" % i, kind), now_ns=NOW_NS)
    part = reader.captured(mark)
    assert [b"%d:1|c" % i for i in range(100)] == [data for _, data in part.datagrams]
    for _ in range(1000):
        reader.feed(in_buffer(b"new:1|c", kind), now_ns=NOW_NS)
    last = reader.captured(part.mark)

    assert 0 == part.missed_bytes
    assert 20_000 < last.missed_bytes < 40_000
    assert {b"new:1|c"} == {data for _, data in last.datagrams}


@engine_kinds
def test_a_large_datagram(engines: list[Engine], kind: EngineKind) -> None:
    """A datagram that would take more than a quarter of the ring is not kept; the others are."""
    reader = reader_of(engines, kind, 8 * KIB)
    for data in (b"a:1|c", b"b" * 3000, b"c:1|c"):
        reader.feed(in_buffer(data, kind), now_ns=NOW_NS)

    assert [b"a:1|c", b"c:1|c"] == [data for _, data in read_all(reader)]


@engine_kinds
def test_without_a_ring(engines: list[Engine], kind: EngineKind) -> None:
    """With capture_bytes 0 nothing is kept."""
    reader = reader_of(engines, kind, 0)
    reader.feed(in_buffer(b"a:1|c", kind), now_ns=NOW_NS)

    assert ([], 0) == reader.captured()[::2]


@needs_native
def test_the_ring_counts_as_memory(engines: list[Engine]) -> None:
    """What is kept is a part of the store's memory, and goes with the reader."""
    engine = open_engine("native", EngineOptions(capture_bytes=1 << 20), start_ms=START_MS)
    engines.append(engine)
    before = engine.memory.arenas
    reader = engine.open_reader("hand")
    without = open_engine("native", EngineOptions(), start_ms=START_MS)
    engines.append(without)
    none = without.open_reader("hand")

    assert 1 << 20 == engine.memory.arenas - before - without.memory.arenas
    assert reader is not none


@needs_native
def test_a_socket_under_load_while_it_is_read(engines: list[Engine]) -> None:
    """A thread that fills a small ring many times over never hands out a torn datagram."""
    options = EngineOptions(capture_bytes=256 * KIB, coalesce=False)
    engine = open_engine("native", options, start_ms=START_MS)
    engines.append(engine)
    there, here = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    reader = engine.attach(there.fileno(), "pair")
    seen, mark = [], None
    for i in range(20_000):
        here.send(b"%d:1|c|#" % i + b"%d," % i * (i % 50))
        if i % 7 == 0:
            part = reader.captured(mark)
            seen += part.datagrams
            mark = part.mark
    reader.stop(10.0)
    seen += read_all(reader, mark)
    here.close()
    there.close()

    numbers = [int(data.partition(b":")[0]) for _, data in seen]
    assert sorted(set(numbers)) == numbers
    assert 19_999 == numbers[-1]
    assert [b"%d:1|c|#" % i + b"%d," % i * (i % 50) for i in numbers] == [d for _, d in seen]
