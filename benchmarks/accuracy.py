"""How exact percentiles and set counts are, beside digests of equal size: docs/accuracy.md."""

from __future__ import annotations

import argparse
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import fastdigest
import numpy as np
import tdigest
from numpy.typing import NDArray

from benchmarks.accuracy_page import page
from veneurpy.engine.native.hll import HyperLogLog
from veneurpy.engine.native.tdigest import TDigest

Values = NDArray[np.float64]
QUANTILES = (0.5, 0.9, 0.99, 0.999)
PARTS = 100
PAGE = Path(__file__).parent.parent / "docs" / "accuracy.md"
TDIGEST_DELTAS = {"whole": 0.0432, "merged": 0.0372}
"""Give the `tdigest` package about as many centroids as ours has."""

DATA: dict[str, Callable[[np.random.Generator, int], Values]] = {
    "uniform": lambda rng, n: rng.random(n),
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(sigma=1.5, size=n),
    "bimodal": lambda rng, n: np.where(
        rng.random(n) < 0.7, rng.normal(10, 1, n), rng.normal(100, 5, n)
    ),
    "sorted": lambda rng, n: np.sort(rng.normal(size=n)),
    "reversed": lambda rng, n: np.sort(rng.normal(size=n))[::-1].copy(),
    "constant": lambda rng, n: np.full(n, 42.5),
    "pareto": lambda rng, n: rng.pareto(1.1, n) + 1,
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
}


@dataclass(frozen=True)
class Scale:
    """How much is run."""

    sizes: tuple[int, ...]
    seeds: int
    slow_size: int
    slow_seeds: int


FULL = Scale(
    sizes=(10, 100, 1_000, 10_000, 100_000, 1_000_000), seeds=20, slow_size=10_000, slow_seeds=20
)
QUICK = Scale(sizes=(10, 100, 1_000, 10_000, 100_000), seeds=4, slow_size=2_000, slow_seeds=2)


@dataclass
class Results:
    """Rank errors by (digest, "whole" or "merged", data, n): one row of quantiles a seed.

    Numbers of centroids by (digest, "whole" or "merged", n), constant data apart.
    """

    errors: dict[tuple[str, str, str, int], list[Values]] = field(
        default_factory=lambda: defaultdict(list)
    )
    centroids: dict[tuple[str, str, int], list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )
    sets: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))


def rank_errors(ordered: Values, estimates: Iterable[float]) -> Values:
    """The distance of each quantile from the ranks that its estimate has in the sorted data."""
    found = np.array(list(estimates))
    wanted = np.array(QUANTILES)
    below = np.searchsorted(ordered, found, "left") / len(ordered)
    up_to = np.searchsorted(ordered, found, "right") / len(ordered)
    errors: Values = np.maximum(0.0, np.maximum(below - wanted, wanted - up_to))
    return errors


def ours(parts: Iterable[Values]) -> TDigest:
    """Our digest of each part, all merged in turn: its last samples are compacted too."""
    whole = TDigest()
    for part in parts:
        made = TDigest()
        made.extend(part.tolist())
        whole.merge(made)
    return whole


def fast_at_once(values: Values, size: int) -> fastdigest.TDigest:
    """`fastdigest`, given all samples in one go."""
    return fastdigest.TDigest.from_values(values.tolist(), max_centroids=size)


def fast_streamed(values: Values, size: int) -> fastdigest.TDigest:
    """`fastdigest`, given the samples as they arrive: 216 at a time, as ours takes them."""
    made = fastdigest.TDigest(max_centroids=size)
    for start in range(0, len(values), 216):
        made.batch_update(values[start : start + 216].tolist())
    return made


def fast_merged(parts: Iterable[Values], size: int) -> fastdigest.TDigest:
    """`fastdigest` of each part, merged in turn."""
    made = fastdigest.TDigest(max_centroids=size)
    for part in parts:
        made.merge_inplace(fast_at_once(part, size))
    return made


def slow(parts: Iterable[Values], delta: float) -> tdigest.TDigest:
    """The `tdigest` package's digest of each part, merged in turn."""
    made = tdigest.TDigest(delta=delta)
    for i, part in enumerate(parts):
        one = made if i == 0 else tdigest.TDigest(delta=delta)
        for value in part.tolist():
            one.update(value)
        made = one if i == 0 else made + one
    made.compress()
    return made


def measure(results: Results, name: str, values: Values, with_slow: bool) -> None:
    """Adds the errors of every digest on one set of values."""
    ordered = np.sort(values)
    splits = {"whole": [values], "merged": np.array_split(values, min(PARTS, len(values)))}
    for way, parts in splits.items():

        def put(digest: str, size: int, estimates: Iterable[float], way: str = way) -> None:
            results.errors[digest, way, name, len(values)].append(rank_errors(ordered, estimates))
            if name != "constant":
                results.centroids[digest, way, len(values)].append(size)

        digest = ours(parts)
        size = len(digest.centroids())
        put("veneurpy", size, digest.quantiles(QUANTILES))
        if digest.is_exact:
            continue
        if way == "whole":
            others = {
                "fastdigest, at once": fast_at_once(values, size),
                "fastdigest, streamed": fast_streamed(values, size),
            }
        else:
            others = {"fastdigest": fast_merged(parts, size)}
        for other, made in others.items():
            put(other, made.n_centroids, made.quantile_vec(list(QUANTILES)))
        if with_slow:
            packaged = slow(parts, TDIGEST_DELTAS[way])
            put("tdigest", len(packaged), (packaged.percentile(100 * q) for q in QUANTILES))


def measure_sets(results: Results, sizes: tuple[int, ...], seeds: int) -> None:
    """Adds the relative errors of sets of random hashes."""
    for seed in range(seeds):
        hashes = np.random.default_rng(seed).integers(0, 2**64, sizes[-1], dtype=np.uint64)
        made = HyperLogLog()
        done = 0
        for n in sizes:
            for h in hashes[done:n].tolist():
                made.add_hash(h)
            done = n
            results.sets[n].append(made.estimate() / n - 1)


def run(scale: Scale) -> Results:
    """Measures everything."""
    random.seed(0)  # the `tdigest` package draws from it
    results = Results()
    for n in scale.sizes:
        for name, make in DATA.items():
            for seed in range(scale.seeds):
                values = make(np.random.default_rng([seed, n]), n)
                with_slow = n == scale.slow_size and seed < scale.slow_seeds
                measure(results, name, values, with_slow)
        print(f"{n:>9,} samples done", file=sys.stderr)
    if scale.slow_size not in scale.sizes:
        for name, make in DATA.items():
            for seed in range(scale.slow_seeds):
                values = make(np.random.default_rng([seed, scale.slow_size]), scale.slow_size)
                measure(results, name, values, with_slow=True)
    measure_sets(results, (1_536, 1_600, 5_000, 20_000, 50_000, 100_000, 1_000_000), scale.seeds)
    return results


def main() -> int:
    """Prints the page. The full run also writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer and smaller runs; writes nothing"
    )
    quick = parser.parse_args().quick
    scale = QUICK if quick else FULL
    results = run(scale)
    text, met = page(results.errors, results.centroids, results.sets, scale.seeds, scale.slow_seeds)
    print(text)
    if not quick:
        PAGE.write_text(text, encoding="utf-8")
    if not met:
        print("not every target was met", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
