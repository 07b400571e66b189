"""Import stores: what owners merge, publish, refuse and say of themselves."""

from __future__ import annotations

import random
import struct
from bisect import bisect

import pytest

from tests.engines import NOW_NS, START_MS, engine_kinds, needs_native
from tests.wire import (
    Owner,
    counter,
    digest,
    encoded,
    framed,
    gauge,
    in_list,
    metric,
    sketch,
)
from veneurpy.engine import (
    EngineKind,
    EngineOptions,
    FrameBroken,
    ImportStore,
    MetricType,
    Role,
    Scope,
    StoreFull,
    open_engine,
)
from veneurpy.engine.reference_hll import key_of, metro_hash64
from veneurpy.engine.reference_hll_wire import dense_bytes, sparse_bytes
from veneurpy.engine.reference_protobuf import double_field

HISTOGRAM, SET = MetricType.HISTOGRAM, MetricType.SET
NAN = float("nan")
GOOD = metric(counter(1), name=b"good")
BAD = {
    "gauge with a counter's value": (metric(counter(1), type_=1), "no_value"),
    "no value": (metric(), "no_value"),
    "unknown type": (metric(counter(1), type_=9), "bad_type"),
    "counter with a digest": (metric(digest((1.0, 1.0))), "no_value"),
    "no name": (metric(counter(1), name=b""), "bad_name"),
    "name not UTF-8": (metric(counter(1), name=b"\xff"), "bad_name"),
    "tag with a line feed": (metric(counter(1), tags=[b"a\nb"]), "bad_tags"),
    "unknown scope": (metric(counter(1), scope=3), "bad_scope"),
    "gauge of no number": (metric(gauge(NAN), type_=1), "bad_value"),
    "centroid of no number": (metric(digest((NAN, 1.0)), type_=HISTOGRAM), "bad_digest"),
    "weight 0": (metric(digest((1.0, 0.0)), type_=HISTOGRAM), "bad_digest"),
    "weight -1": (metric(digest((1.0, -1.0)), type_=HISTOGRAM), "bad_digest"),
    "weight of no number": (metric(digest((1.0, NAN)), type_=HISTOGRAM), "bad_digest"),
    "infinite weight": (metric(digest((1.0, float("inf"))), type_=HISTOGRAM), "bad_digest"),
    "empty digest": (metric(digest(), type_=HISTOGRAM), "bad_digest"),
    **{
        f"set {data[:20].hex()}, {len(data)} bytes": (metric(sketch(data), type_=SET), "bad_set")
        for data in (
            b"",
            b"\x01",
            b"\x01\x0e\x00",
            b"\x01\x03\x00\x01" + bytes(16),
            b"\x01\x10\x00\x01" + bytes(16),
            b"\x01\x13\x00\x00" + struct.pack(">I", 8192) + bytes(8192),
            b"\x01\x0e\x00\x01" + struct.pack(">I", 0xFFFFFFFF) + bytes(12),
            b"\x01\x0e\x00\x01" + struct.pack(">4I", 0, 1, 1, 0xFFFFFFFF),
            b"\x01\x0e\x00\x00" + struct.pack(">I", 0xFFFFFFFF) + bytes(8192),
            sparse_bytes([2, 4, 6])[:-1],
            dense_bytes(bytes(16384))[:-1],
            dense_bytes(bytes(16384)) + b"\0",
            b"\x01\x0e\x30\x00" + struct.pack(">I", 8192) + b"\xff" * 8192,
        )
    },
}


@engine_kinds
@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_metrics_are_rejected_alone(kind: EngineKind, case: tuple[bytes, str]) -> None:
    """What crashed Veneur is one metric rejected, by its reason, in a list and in a stream."""
    bad, reason = case
    owner = Owner(kind)

    assert (1, 1, {reason: 1}) == owner.merge(in_list(bad, GOOD))
    streamed = owner.store.merge_stream(framed(GOOD, bad), sender="v", received_ns=1)
    assert (1, 1, {reason: 1}) == streamed.imported
    assert [("good", 2.0)] == [(row.name, row.value) for row in owner.rows()]
    owner.close()


@engine_kinds
@pytest.mark.parametrize(
    "payload",
    [
        in_list(GOOD)[:-1],
        in_list(GOOD) + b"\x0a\xff\xff\xff\xff\x0f",
        in_list(GOOD, b"\x0a\x09m"),
        in_list(GOOD, metric(digest((1.0, 1.0), tail=b"\x0b"), type_=HISTOGRAM)),
        in_list(GOOD) + b"\x00\x00",
        in_list(GOOD) + b"\xff" * 11,
    ],
)
def test_broken_frames_are_refused_whole(kind: EngineKind, payload: bytes) -> None:
    """Of a list that cannot be read to its end nothing is merged."""
    owner = Owner(kind)

    with pytest.raises(FrameBroken, match="malformed"):
        owner.merge(payload)

    assert [] == owner.rows()
    owner.close()


@engine_kinds
def test_streams_are_taken_in_pieces(kind: EngineKind) -> None:
    """Whole messages are merged, the rest waits; a message too long or compressed is refused."""
    owner = Owner(kind)
    whole = framed(GOOD, b"\xff", GOOD)

    imported, consumed = owner.store.merge_stream(whole[:-3], sender="v", received_ns=1)

    assert ((1, 1, {"malformed": 1}), len(framed(GOOD, b"\xff"))) == (imported, consumed)
    for prefix, reason in ((b"\x01\0\0\0\x01x", "compressed"), (b"\0\xff\0\0\0", "too_long")):
        with pytest.raises(FrameBroken, match=reason):
            owner.store.merge_stream(framed(GOOD) + prefix, sender="v", received_ns=1)
    assert [1.0] == [row.value for row in owner.rows()]
    owner.close()


@engine_kinds
def test_foreign_metrics(kind: EngineKind) -> None:
    """Veneur's counters and gauges are global whatever they say; its local series are refused."""
    owner = Owner(kind)
    local = metric(digest((1.0, 1.0)), type_=HISTOGRAM, scope=Scope.LOCAL)

    imported = owner.merge(in_list(GOOD, local), foreign=True)

    assert (1, 1, {"bad_scope": 1}) == imported
    assert [Scope.GLOBAL] == [row.scope for row in owner.rows()]
    owner.close()


@engine_kinds
def test_spellings_are_one_series(kind: EngineKind) -> None:
    """Tags are sorted, distinct and not empty, and split where one holds several."""
    owner = Owner(kind)

    owner.merge(
        in_list(*(metric(counter(1), tags=tags) for tags in ([b"b", b"", b"a,a"], [b"a,b"])))
    )

    assert [(("a", "b"), 2.0)] == [(row.tags, row.value) for row in owner.rows()]
    owner.close()


@engine_kinds
def test_latest_gauge_wins(kind: EngineKind) -> None:
    """Of gauges the largest (time, sender) stays, in whatever order they come."""
    owner = Owner(kind)
    [first], _ = encoded(kind, b"g:1|g|#veneurglobalonly")
    untimed = in_list(metric(gauge(2.0), name=b"g", type_=1, scope=2))

    owner.store.merge(untimed, sender="z", received_ns=NOW_NS - 1)
    owner.store.merge(first, sender="b", received_ns=0)
    owner.store.merge(untimed, sender="a", received_ns=NOW_NS)

    assert [1.0] == [row.value for row in owner.rows()]
    owner.store.merge(untimed, sender="c", received_ns=NOW_NS)
    assert [2.0] == [row.value for row in owner.rows()]
    owner.close()


@engine_kinds
@pytest.mark.parametrize("scope", [b"", b",veneurglobalonly"])
def test_true_extremes_arrive(kind: EngineKind, scope: bytes) -> None:
    """Minimum, maximum, sum, count and reciprocals of a busy series are those of its samples."""
    lines = [b"h:%d|h|#x%s" % (i, scope) for i in range(1, 3001)]
    datagrams = [b"\n".join(lines[i : i + 200]) for i in range(0, 3000, 200)]
    payloads, _ = encoded(kind, *datagrams, role=Role.OWNER)
    owner = Owner(kind)
    for payload in payloads:
        owner.merge(payload)

    points = {row.name: row.value for row in owner.rows()}
    assert (1.0, 3000.0, 3000.0) == (points["h#min"], points["h#max"], points["h#count"])
    assert pytest.approx(3001 * 1500, rel=1e-12) == points["h#sum"]
    assert pytest.approx(3000 / sum(1 / i for i in range(1, 3001)), rel=1e-9) == points["h#hmean"]
    assert pytest.approx(2970, rel=0.003) == points["h#q0.99"]
    owner.close()


@engine_kinds
def test_sums_of_zero_are_emitted(kind: EngineKind) -> None:
    """Samples that add up to 0 have a sum and an average."""
    payloads, _ = encoded(kind, b"h:1:-1|h", role=Role.OWNER)
    owner = Owner(kind)
    owner.merge(payloads[0])

    points = {row.name: row.value for row in owner.rows()}
    assert (0.0, 0.0, 2.0) == (points["h#sum"], points["h#avg"], points["h#count"])
    owner.close()


@engine_kinds
def test_one_key_space(kind: EngineKind) -> None:
    """Direct and imported samples are one series: percentiles of all, aggregates of the direct."""
    local, _ = encoded(kind, b"h:1:3|h", role=Role.HOST)
    direct, _ = encoded(kind, b"h:100|h", role=Role.OWNER)
    owner = Owner(kind)
    owner.merge(local[0], "local")
    assert {"h#median", *(f"h#q{q}" for q in (0.0, 0.01, 0.25, 0.5, 0.99, 1.0))} == {
        row.name for row in owner.rows()
    }

    owner.merge(direct[0], "self")

    points = {row.name: row.value for row in owner.rows()}
    assert (100.0, 100.0, 1.0) == (points["h#min"], points["h#max"], points["h#count"])
    assert (1.0, 26.75) == (points["h#q0.0"], points["h#median"])
    owner.close()


@engine_kinds
@pytest.mark.parametrize("coarse", [False, True])
def test_unions_of_small_sets_are_exact(kind: EngineKind, coarse: bool) -> None:
    """Members that several senders have count once, whether their hashes came or Veneur's keys."""
    owner = Owner(kind)
    for host in range(3):
        members = range(host * 200, host * 200 + 400)
        payloads, _ = encoded(kind, b"\n".join(b"s:%d|s" % i for i in members))
        owner.merge(payloads[0])
    if coarse:
        keys = [key_of(metro_hash64(b"%d" % i)) for i in range(600, 900)]
        owner.merge(in_list(metric(sketch(sparse_bytes(keys)), name=b"s", type_=SET)))

    assert [900.0 if coarse else 800.0] == [row.value for row in owner.rows()]
    owner.close()


@engine_kinds
def test_large_sets_lose_nothing(kind: EngineKind) -> None:
    """Registers that Veneur's 4 bits cut off arrive whole at our own."""
    lines = [b"s:%d|s" % i for i in range(40_000)]
    datagrams = [b"\n".join(lines[i : i + 700]) for i in range(0, len(lines), 700)]
    payloads, _ = encoded(kind, *datagrams)
    direct, again = Owner(kind), Owner(kind)
    direct.merge(payloads[0])
    for payload in direct.store.state(1, 1 << 20):
        again.merge(payload)

    assert direct.rows() == again.rows()
    assert pytest.approx(40_000, rel=0.02) == direct.rows()[0].value
    direct.close()
    again.close()


@needs_native
def test_percentiles_of_many_hosts() -> None:
    """Digests of a hundred hosts, merged, are within the rank error of docs/accuracy.md."""
    draw = random.Random(7)
    samples = [draw.lognormvariate(3, 1) for _ in range(100_000)]
    owner = Owner("native")
    for host in range(100):
        mine = samples[host * 1000 : host * 1000 + 1000]
        lines = [f"h:{value!r}|h".encode() for value in mine]
        datagrams = [b"\n".join(lines[i : i + 200]) for i in range(0, 1000, 200)]
        payloads, _ = encoded("native", *datagrams)
        owner.merge(payloads[0], f"host-{host}")

    samples.sort()
    points = {row.name: row.value for row in owner.rows()}
    for quantile in (0.01, 0.25, 0.5, 0.99):
        rank = bisect(samples, points[f"h#q{quantile}"]) / len(samples)
        assert abs(rank - quantile) <= 0.002
    assert (samples[0], samples[-1]) == (points["h#q0.0"], points["h#q1.0"])
    owner.close()


@engine_kinds
def test_only_touched_series(kind: EngineKind) -> None:
    """An amendment names the series that came since, with all that they have."""
    owner = Owner(kind)
    owner.merge(in_list(GOOD, metric(counter(1), name=b"other")))
    owner.store.forget_touched()
    assert [] == owner.rows(touched_only=True)

    owner.merge(in_list(GOOD))

    assert [("good", 2.0)] == [(row.name, row.value) for row in owner.rows(touched_only=True)]
    assert 2 == len(owner.rows())
    owner.close()


@engine_kinds
def test_full_store_merges_nothing(kind: EngineKind) -> None:
    """A batch without room is refused whole; a released store gives its memory back."""
    engine = open_engine(kind, EngineOptions(import_max_bytes=4 << 20), start_ms=START_MS)
    store = engine.open_import(START_MS)
    batches = [
        in_list(*(metric(counter(1), name=b"%d.%d" % (i, j)) for j in range(2000)))
        for i in range(40)
    ]

    merged = 0
    while merged < 40 and has_room(store, batches[merged]):
        merged += 1

    assert 0 < merged < 40
    assert 2000 * merged == store.series
    assert 0 < store.memory_bytes <= 4 << 20
    store.release()
    assert 0 == store.memory_bytes
    again = engine.open_import(START_MS)
    for batch in batches[:merged]:
        again.merge(batch, sender="x", received_ns=1)
    again.release()
    engine.close()


def has_room(store: ImportStore, batch: bytes) -> bool:
    try:
        store.merge(batch, sender="x", received_ns=1)
    except StoreFull:
        return False
    return True


@engine_kinds
def test_small_change_for_veneur(kind: EngineKind) -> None:
    """Integer counters are off by less than 1 after any number of intervals."""
    carry, sent = b"", 0.0
    owner = Owner(kind)
    for _ in range(30):
        payloads, carry = encoded(kind, b"c:0.3|c|#veneurglobalonly", foreign=True, carry=carry)
        sent += 0.3
        for payload in payloads:
            assert {} == owner.merge(payload, foreign=True).rejected
        merged = sum(row.value for row in owner.rows())
        assert merged == round(merged)
        assert abs(sent - merged) <= 0.5 + 1e-9
    _, rest = encoded(kind, foreign=True, carry=carry)
    assert bool(rest) == bool(carry)
    payloads, nothing = encoded(kind, carry=carry)
    owner.merge(payloads[0])
    assert (pytest.approx(9.0), b"") == (sum(row.value for row in owner.rows()), nothing)
    owner.close()


@engine_kinds
def test_tells_of_zeros(kind: EngineKind) -> None:
    """A sample of 0, which makes Veneur's sum of reciprocals infinite, makes a mean of 0."""
    owner = Owner(kind)
    infinite = double_field(5, float("inf"))
    value = digest((0.0, 1.0), (4.0, 1.0), tail=infinite)
    owner.merge(in_list(metric(value, type_=HISTOGRAM, scope=Scope.GLOBAL)))

    assert 0.0 == {row.name: row.value for row in owner.rows()}["m#hmean"]
    owner.close()
