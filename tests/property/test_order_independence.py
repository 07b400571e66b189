"""Where and in which order samples arrive changes nothing that is promised."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines import NOW_NS, Datagram, Outcome, engine_kinds, run
from tests.property.compare import PLAN, QUANTILES, differences, weights
from tests.property.traffic import READERS, datagrams, lines
from veneurpy.engine import EngineKind, EngineOptions

OPTIONS = EngineOptions(store_max_bytes=1 << 23)
MANY = 5000
RANK_ERROR = 0.01
"""How far the rank of a quantile may be off once samples are no longer kept as such."""

# An event's place in the side log and a gauge's last write are the order of arrival.
unordered = lines.filter(lambda line: b"|g" not in line and b"\n" not in line)


@engine_kinds
@given(st.lists(unordered, max_size=20), st.integers(1, 4), st.randoms(use_true_random=False))
def test_any_order_and_any_reader(
    kind: EngineKind, sent: list[bytes], readers: int, rng: random.Random
) -> None:
    """Any permutation and any split over readers gives the same points and the same totals."""
    ordered = [Datagram(line) for line in sent]
    shuffled = [datagram._replace(reader=rng.randrange(readers)) for datagram in ordered]
    rng.shuffle(shuffled)

    together = run(kind, ordered, PLAN, OPTIONS)
    apart = run(kind, shuffled, PLAN, OPTIONS, readers)

    assert [] == differences(together, apart, weights(ordered, OPTIONS))
    assert together.total == apart.total
    assert together.series == apart.series


@engine_kinds
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(-5, 5)), min_size=1, max_size=20),
    st.randoms(use_true_random=False),
)
def test_gauges_go_by_time(
    kind: EngineKind, writes: list[tuple[int, int]], rng: random.Random
) -> None:
    """Over readers the latest write wins; of two at one time, that of the higher reader."""
    writes = sorted(set(writes))
    sent = [
        Datagram(b"a:%d|g" % value, rng.randrange(READERS), now_ns=NOW_NS + 1000 * time)
        for time, value in dict(writes).items()
    ]
    tie = sent[-1]._replace(data=b"a:99|g", reader=READERS)

    assert [float(writes[-1][1])] == [
        row.value for row in run(kind, sent, PLAN, OPTIONS, READERS).rows
    ]
    assert [99.0] == [row.value for row in run(kind, [tie, *sent], PLAN, OPTIONS, READERS + 1).rows]


@engine_kinds
@given(datagrams, st.randoms(use_true_random=False))
def test_any_cut_into_datagrams(
    kind: EngineKind, traffic: list[Datagram], rng: random.Random
) -> None:
    """Whole lines may be put into datagrams in any way."""
    whole = [datagram._replace(truncated=False) for datagram in traffic]
    cut = [
        datagram._replace(data=piece) for datagram in whole for piece in _cut(datagram.data, rng)
    ]

    once, again = run(kind, whole, PLAN, OPTIONS, READERS), run(kind, cut, PLAN, OPTIONS, READERS)

    assert once.rows == again.rows
    assert once.side_log == again.side_log
    assert _lines(once) == _lines(again)


@engine_kinds
@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize("arrival", ["ascending", "descending", "shuffled"])
def test_quantiles_of_many(kind: EngineKind, arrival: str, readers: int) -> None:
    """Quantiles of many samples lie within the digest's error, however they arrive."""
    rng = random.Random(1)
    samples = sorted(round(rng.expovariate(0.01), 3) for _ in range(MANY))
    sent = list(reversed(samples)) if arrival == "descending" else list(samples)
    if arrival == "shuffled":
        rng.shuffle(sent)
    traffic = [
        Datagram(b"a:%s|ms" % b":".join(b"%.3f" % x for x in sent[i : i + 100]), i // 100 % readers)
        for i in range(0, MANY, 100)
    ]
    found = {row.name: row.value for row in run(kind, traffic, PLAN, OPTIONS, readers).rows}

    assert MANY == found["a#count"]
    assert (samples[0], samples[-1]) == (found["a#min"], found["a#max"])
    assert sum(samples) == pytest.approx(found["a#sum"], rel=1e-12)
    estimates = [found[f"a#q{q}"] for q in QUANTILES]
    assert sorted(estimates) == estimates
    assert (samples[0], samples[-1]) == (estimates[0], estimates[-1])
    for quantile, estimate in zip(QUANTILES, estimates, strict=True):
        below = bisect_left(samples, estimate) / MANY
        up_to = bisect_right(samples, estimate) / MANY
        assert below - RANK_ERROR <= quantile <= up_to + RANK_ERROR


def _cut(data: bytes, rng: random.Random) -> list[bytes]:
    """Pieces of whole lines that make up the data again."""
    pieces = [b""]
    for line in _with_ends(data):
        if rng.random() < 0.5:
            pieces.append(b"")
        pieces[-1] += line
    return pieces


def _with_ends(data: bytes) -> list[bytes]:
    *ended, last = data.split(b"\n")
    return [line + b"\n" for line in ended] + [last]


def _lines(outcome: Outcome) -> list[object]:
    """The accounts without those that count datagrams."""
    return [replace(accounts, datagrams=0, bytes=0, whole=0) for _, accounts in outcome.accounts]
