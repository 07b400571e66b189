"""The t-digest: exact while small, within its error beyond, never out of bounds."""

from __future__ import annotations

import json
import math
import random
from bisect import bisect_left, bisect_right
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("veneurpy.engine.native.tdigest", reason="the native engine is not built")

from veneurpy.engine.native.tdigest import TDigest

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "sketches.json").read_text())
GRID = [0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0]
COMPRESSION = 100
MOST = 2 * COMPRESSION + 2
"""The most centroids of a digest of that compression."""
KEPT = 12
"""How many samples on each side such a digest never folds."""
TAIL = 216
"""The most raw samples that a digest keeps beside its centroids."""
numbers = st.floats(-1e290, 1e290)
samples = st.lists(st.tuples(numbers, st.floats(1e-3, 1e6)), max_size=1500)


def digest(values: list[float]) -> TDigest:
    """A digest of values of weight 1."""
    made = TDigest(COMPRESSION)
    made.extend(values)
    return made


def merged(parts: list[list[float]]) -> TDigest:
    """A digest of each part, merged in turn."""
    made = TDigest(COMPRESSION)
    for part in parts:
        made.merge(digest(part))
    return made


def rank_error(ordered: list[float], q: float, estimate: float) -> float:
    """How far q is from the ranks that the estimate has in the sorted values."""
    low = bisect_left(ordered, estimate) / len(ordered)
    high = bisect_right(ordered, estimate) / len(ordered)
    return max(0.0, low - q, q - high)


def normal(n: int, seed: int = 1) -> list[float]:
    """Normally distributed numbers, always the same."""
    rng = random.Random(seed)
    return [rng.gauss(0, 1) for _ in range(n)]


def assert_sound(made: TDigest, weight: float) -> None:
    """What holds of every digest."""
    centroids = made.centroids()
    means = [mean for mean, _ in centroids]
    assert sorted(means) == means
    assert math.isclose(weight, math.fsum(w for _, w in centroids), rel_tol=1e-9)
    if means:
        assert made.min <= means[0]
        assert means[-1] <= made.max
        answers = made.quantiles(GRID)
        assert [made.min, made.max] == [answers[0], answers[-1]]
        assert all(a <= b for a, b in pairwise(answers))
    if not made.is_exact:
        assert len(centroids) <= MOST + TAIL


@pytest.mark.parametrize("case", GOLDEN["quantiles"], ids=lambda case: f"{len(case['values'])}")
def test_few_samples_give_veneurs_quantiles(case: dict[str, object]) -> None:
    """While every sample is kept, quantiles are Veneur's to the last bit."""
    made = digest(case["values"])

    assert case["quantiles"] == {q: made.quantile(float(q)) for q in case["quantiles"]}
    assert case["sum"] == made.sum


def test_quantiles_of_five_samples() -> None:
    """A quantile lies between the midpoints around its sample."""
    assert [2.25, 6.0, 42.375, 97.7] == pytest.approx(
        digest([100, 1, 8, 2, 7]).quantiles([0.25, 0.5, 0.75, 0.99])
    )


def test_a_weight_is_as_many_samples() -> None:
    """A sample of weight w has w times the share of one."""
    made = TDigest()
    made.add(10.0, 3.0)
    made.add(20.0, 1.0)

    assert [4.0, 50.0, 2] == [made.weight, made.sum, made.count]
    assert [(10.0, 3.0), (20.0, 1.0)] == made.centroids()
    assert 15.0 == made.quantile(0.75)


def test_reciprocal_sum_is_weighted() -> None:
    """The harmonic mean can be had from the sum of weight / value."""
    made = TDigest()
    made.add(4.0, 2.0)
    made.add(-8.0)

    assert 0.375 == made.reciprocal_sum


def test_an_empty_digest_knows_nothing() -> None:
    """Without samples there are no quantiles."""
    made = TDigest()

    assert math.isnan(made.quantile(0.5))
    assert [math.inf, -math.inf, 0.0, 0] == [made.min, made.max, made.weight, made.count]


@pytest.mark.parametrize(
    ("value", "weight"),
    [
        pytest.param(math.nan, 1.0, id="nan"),
        pytest.param(math.inf, 1.0, id="infinity"),
        pytest.param(-math.inf, 1.0, id="minus infinity"),
        pytest.param(1.0, 0.0, id="no weight"),
        pytest.param(1.0, -1.0, id="negative weight"),
        pytest.param(1.0, math.nan, id="weight nan"),
        pytest.param(1.0, math.inf, id="infinite weight"),
    ],
)
def test_what_is_no_sample_is_refused(value: float, weight: float) -> None:
    """Only finite values with a positive, finite weight are samples."""
    made = TDigest()

    with pytest.raises(ValueError, match="not a sample"):
        made.add(value, weight)
    assert 0 == made.count


@pytest.mark.parametrize("compression", [9.9, 1001.0, math.nan])
def test_compression_is_bounded(compression: float) -> None:
    """A compression that makes no sense or takes too much memory is refused."""
    with pytest.raises(ValueError, match="compression"):
        TDigest(compression)


@pytest.mark.parametrize("qs", [[0.9, 0.5], [-0.1], [1.1], [math.nan]], ids=str)
def test_quantiles_are_asked_in_order(qs: list[float]) -> None:
    """Quantiles are ascending numbers from 0 to 1."""
    with pytest.raises(ValueError, match="quantile"):
        digest([1.0]).quantiles(qs)


def test_the_512th_sample_is_the_last_kept() -> None:
    """Up to 512 samples are kept as they came; one more, and the digest begins."""
    made = digest(normal(512))

    assert made.is_exact
    made.add(0.0)
    assert not made.is_exact


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 100, 255, 256, 511, 512])
def test_samples_are_sorted(n: int) -> None:
    """Any number of samples comes out in ascending order, none lost, none twice."""
    rng = random.Random(n)
    values = [
        rng.choice([0.0, 1.5, -2.5, 1e300, -1e300, 5e-324, rng.gauss(0, 9)]) for _ in range(n)
    ]

    assert [(v, 1.0) for v in sorted(values)] == digest(values).centroids()


def test_a_zero_has_no_sign() -> None:
    """The order is total: there is one zero only."""
    signs = [math.copysign(1, mean) for mean, _ in digest([0.0, -0.0, 0.0, -0.0]).centroids()]

    assert [1, 1, 1, 1] == signs


@given(st.lists(numbers, max_size=600))
def test_every_order_is_sorted(values: list[float]) -> None:
    """Sorting is right for any finite doubles."""
    if len(values) <= 512:
        assert sorted(values) == [mean for mean, _ in digest(values).centroids()]
    assert_sound(digest(values), len(values))


@given(samples)
def test_weights_are_conserved(pairs: list[tuple[float, float]]) -> None:
    """Whatever comes in, the weight stays; means and quantiles ascend within the extremes."""
    made = TDigest(COMPRESSION)
    for value, weight in pairs:
        made.add(value, weight)

    assert_sound(made, sum(weight for _, weight in pairs))


@given(st.lists(samples, max_size=4), st.randoms(use_true_random=False))
def test_merging_commutes(parts: list[list[tuple[float, float]]], rng: random.Random) -> None:
    """The order of a merge changes neither extremes nor count, and sums only by rounding."""

    def merge(order: list[list[tuple[float, float]]]) -> TDigest:
        whole = TDigest(COMPRESSION)
        for part in order:
            made = TDigest(COMPRESSION)
            for value, weight in part:
                made.add(value, weight)
            whole.merge(made)
        return whole

    one, other = merge(parts), merge(rng.sample(parts, len(parts)))

    assert [one.min, one.max, one.count] == [other.min, other.max, other.count]
    size = sum(abs(value) * weight for part in parts for value, weight in part)
    assert one.sum == pytest.approx(other.sum, abs=1e-12 * size + 1e-300)
    assert_sound(one, other.weight)
    if one.is_exact:
        assert one.centroids() == other.centroids()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([float(i) for i in range(40_000)], id="sorted"),
        pytest.param([-float(i) for i in range(40_000)], id="reversed"),
        pytest.param([7.25] * 40_000, id="equal"),
        pytest.param([float(i % 2) for i in range(40_000)], id="two values"),
        pytest.param([10.0 ** (i % 580 - 290) for i in range(40_000)], id="all magnitudes"),
        pytest.param([float(i * (-1) ** i) for i in range(40_000)], id="from the middle outwards"),
    ],
)
def test_no_order_of_arrival_breaks_the_bounds(values: list[float]) -> None:
    """No data, whole or from 100 sorted parts, takes more than the capacity or costs the order."""
    step = len(values) // 100
    parts = [values[i : i + step] for i in range(0, len(values), step)]
    for made in (digest(values), merged(parts), merged(parts[::-1])):
        assert len(values) == made.count
        assert_sound(made, len(values))


@pytest.mark.parametrize("compression", [10, 50, 100, 200, 1000])
def test_capacity_holds_for_any_compression(compression: float) -> None:
    """Merging 100 sorted parts leaves at most 2 * compression + 2 centroids."""
    whole = TDigest(compression)
    for part in range(100):
        made = TDigest(compression)
        made.extend(part + i / 3000 for i in range(3000))
        whole.merge(made)

    assert len(whole.centroids()) <= 2 * compression + 2


def test_weights_of_all_magnitudes_stay_within_the_bounds() -> None:
    """Heavy and light samples in turn, which fold worst, never take more than the capacity."""
    made = TDigest(COMPRESSION)
    for i in range(20_000):
        made.add(float(i), 10.0 ** (i * 7 % 18))
    whole = TDigest(COMPRESSION)
    whole.merge(made)
    whole.merge(made)

    assert len(whole.centroids()) <= MOST
    assert_sound(whole, 2 * made.weight)


def test_equal_samples_give_that_value() -> None:
    """A digest of one value answers with that value, exactly."""
    assert [0.1] * len(GRID) == digest([0.1] * 30_000).quantiles(GRID)


def test_a_digest_merges_with_itself() -> None:
    """The other digest may be the same one."""
    made = digest(normal(1000))
    made.merge(made)

    assert 2000 == made.count
    assert_sound(made, 2000)


def test_merging_leaves_the_other_as_it_was() -> None:
    """What is merged in can be used on."""
    other = digest(normal(5000))
    before = other.centroids()
    digest(normal(700, seed=2)).merge(other)

    assert before == other.centroids()


def test_the_same_input_gives_the_same_digest() -> None:
    """Nothing in a digest is random."""
    parts = [normal(900, seed=seed) for seed in range(10)]

    assert merged(parts).centroids() == merged(parts).centroids()


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("parts", [1, 100])
def test_rank_error_is_small(q: float, parts: int) -> None:
    """Whole or merged from 100 parts, ranks are right to half a per cent, finer at the tail."""
    values = normal(50_000)
    made = merged([values[i::parts] for i in range(parts)])
    bound = 0.002 if q >= 0.99 else 0.005

    assert rank_error(sorted(values), q, made.quantile(q)) <= bound


@pytest.mark.parametrize("parts", [1, 100])
@pytest.mark.parametrize("n", [513, 1_000, 10_000, 40_000])
def test_the_outermost_samples_are_never_folded(n: int, parts: int) -> None:
    """The smallest and the largest samples stay as they came, however they were merged."""
    values = normal(n)
    ordered = [(value, 1.0) for value in sorted(values)]
    centroids = merged([values[i::parts] for i in range(parts)]).centroids()

    assert ordered[:KEPT] == centroids[:KEPT]
    assert ordered[-KEPT:] == centroids[-KEPT:]
    assert len(centroids) < n


@pytest.mark.parametrize("parts", [1, 100])
def test_a_quantile_among_the_outermost_samples_is_exact(parts: int) -> None:
    """A quantile between two samples that were kept is between them."""
    values = normal(10_000)
    ordered = sorted(values)
    made = merged([values[i::parts] for i in range(parts)])

    for rank in range(1, KEPT):
        low, high = made.quantiles([rank / 10_000, 1 - rank / 10_000])
        assert ordered[rank - 1] < low < ordered[rank]
        assert ordered[-rank - 1] < high < ordered[-rank]


def test_shows_its_state() -> None:
    """A digest tells how it stands."""
    assert "<TDigest count=2 min=1.0 max=3.0 centroids=0 raw=2>" == repr(digest([3.0, 1.0]))
