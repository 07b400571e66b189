"""Traffic that is large or hostile, and no matter of a single line."""

from __future__ import annotations

import random

from tests.engines import Datagram, broken_equations, engine_kinds, run
from tests.property.compare import PLAN
from veneurpy.engine import EngineKind, EngineOptions, Plan

LINE = b"some.name:1|c|#a:b\n"


@engine_kinds
def test_datagram_beyond_the_limit(kind: EngineKind) -> None:
    """Of 65,000 bytes those up to the limit are read, and the line that is cut there is not."""
    outcome = run(kind, [Datagram(LINE * (65_000 // len(LINE)))], PLAN)

    assert [8192 // len(LINE)] == [row.value for row in outcome.rows]
    assert (1, 8192) == (outcome.total.truncated, outcome.total.bytes)


@engine_kinds
def test_one_long_line(kind: EngineKind) -> None:
    """A name, a tag section and a packed line may be as long as the datagram."""
    values = b":".join([b"1"] * 30_000)
    options = EngineOptions(max_datagram_bytes=65_535)
    traffic = [
        Datagram(b"n" * 65_000 + b":1|c"),
        Datagram(b"a:1|c|#" + b",".join(b"%d" % i for i in range(10_000))),
        Datagram(b"b:%s|c\nb:1|c" % values),
    ]
    found = {row.name[:1]: row for row in run(kind, traffic, PLAN, options).rows}

    assert {"n": 1.0, "a": 1.0, "b": 30_001.0} == {name: row.value for name, row in found.items()}
    assert 65_000 == len(found["n"].name)
    assert sorted(map(str, range(10_000))) == list(found["a"].tags)


@engine_kinds
def test_a_hundred_thousand_series(kind: EngineKind) -> None:
    """As many series in one interval as a busy host has are no trouble."""
    traffic = [
        Datagram(b"\n".join(b"a.%d.%d:1|c|#z,y" % (i, j) for j in range(200))) for i in range(500)
    ]
    outcome = run(kind, traffic, Plan())

    assert 100_000 == outcome.series == len(outcome.rows)
    assert {1.0} == {row.value for row in outcome.rows}


@engine_kinds
def test_noise(kind: EngineKind) -> None:
    """Random bytes, delimiters among them, are rejected or understood, and accounted for."""
    rng = random.Random(5)
    alphabet = b":|#@,T\n\r.0159-eE+cghdms_\xc3\xa9\xff\x00 "
    traffic = [Datagram(bytes(rng.choices(alphabet, k=rng.randrange(400)))) for _ in range(500)]
    outcome = run(kind, traffic, PLAN)

    assert [] == broken_equations(outcome.total)
    assert outcome.total.accepted > 0
