"""docs/accuracy.md: the errors as tables, every figure that has a target beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Errors = Mapping[tuple[str, str, str, int], Sequence[Values]]
LABELS = ("p50", "p90", "p99", "p99.9")
MOST_RATIO = 1.25
MOST_P99 = 0.002
MOST_BYTES = 5_000
TAIL = 216
"""The most raw samples beside the centroids of a digest."""
MOST_SET_ERROR = 1.04 / 128
OURS = "veneurpy"

INTRODUCTION = """\
# Accuracy

Written by `python -m benchmarks.accuracy`; every figure on this page is of one run.

## Percentiles

A timer or histogram of up to 512 samples keeps them: its percentiles are exact, interpolated as
Veneur does. Beyond that it is a t-digest. The error of an estimate x of the quantile q is its *rank
error*: the distance of q from [F(x-), F(x)], F being the distribution of the data that came in. An
error of 0.1 % at p99 means that the answer is the true p98.9 or p99.1.

Data: {data};
compression 100 (the default), {seeds} seeds each, n from {smallest:,} to {largest:,}. *Whole*: one
digest took all samples one by one. *Merged*: the samples were dealt to 100 digests in the order
they came, which were then merged in turn. The others are as large as ours is then, in centroids
(ours with everything compacted: the up to 216 raw samples beside its centroids would flatter it):

* [`fastdigest`](https://pypi.org/project/fastdigest/) *at once* sorts all samples in memory and
  compacts them a single time, which no stream can do; *streamed*, it takes 216 at a time, as ours
  does.
* [`tdigest`](https://pypi.org/project/tdigest/) takes some 30 us a sample, so it is run for
  n = {slow_n:,} and {slow_seeds} seeds only. Its `delta` is chosen, once for whole and once for
  merged, so that its mean size is ours (see "Size").

Means are over data sets, seeds and n. Constant data are left out of the means over data sets: there
an answer that rounding moved by its last bit counts as an error of up to 50 %, which happens to
`fastdigest`.
"""


class Page:
    """The tables, and whether all targets were met."""

    def __init__(self, errors: Errors) -> None:
        self._errors = errors
        self.met = True
        self.lines: list[str] = []

    def mean(
        self,
        digest: str,
        way: str,
        *,
        data: str | None = None,
        n: int | None = None,
        seeds: int | None = None,
    ) -> Values:
        """The mean error by quantile over what is not named, or NaN if there is none."""
        rows = [
            row
            for (of, how, name, size), found in self._errors.items()
            if (of, how) == (digest, way)
            and (name == data if data else name != "constant")
            and (size == n if n else size > 512)
            for row in found[:seeds]
        ]
        return np.mean(rows, axis=0) if rows else np.full(len(LABELS), np.nan)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Adds a table; the first column is text."""
        self.lines += ["", f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|"]
        self.lines += [f"| {' | '.join(row)} |" for row in rows]

    def verdict(self, met: bool, target: str) -> str:
        """The cell of a target."""
        self.met &= met
        return f"{target}: {'met' if met else 'MISSED'}"


def percent(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.4f} %"


def ratios(
    page: Page,
    others: Mapping[str, Sequence[str]],
    n: int | None = None,
    seeds: int | None = None,
) -> None:
    """Ours beside the others, as means over everything (or of one n) by quantile."""
    rows = []
    for way, names in others.items():
        mine = page.mean(OURS, way, n=n, seeds=seeds)
        means = {name: page.mean(name, way, n=n, seeds=seeds) for name in names}
        best = np.min(list(means.values()), axis=0)
        for i, label in enumerate(LABELS):
            ratio = mine[i] / best[i] if best[i] else 1.0 if mine[i] == 0 else np.inf
            verdict = page.verdict(bool(ratio <= MOST_RATIO), f"<= {MOST_RATIO}")
            beside = "; ".join(f"{name} {percent(mean[i])}" for name, mean in means.items())
            rows.append((f"{way}, {label}", percent(mine[i]), beside, f"{ratio:.2f}", verdict))
    page.table(("", "ours", "others", "ours ÷ best other", "target"), rows)


def worst(page: Page, errors: Errors) -> None:
    """The largest error of all seeds and data sets."""
    rows = []
    for n in sorted({n for of, _, _, n in errors if of == OURS and n > 512}):
        for way in ("whole", "merged"):
            found = [e for (of, w, _, size), e in errors.items() if (of, w, size) == (OURS, way, n)]
            most = np.max(np.concatenate(found), axis=0)
            verdict = page.verdict(bool(most[2] <= MOST_P99), "p99 <= 0.2 %") if n >= 10_000 else ""
            rows.append((f"{n:,}, {way}", *map(percent, most), verdict))
    page.table(("n", *LABELS, "target"), rows)


def by_data(page: Page, errors: Errors, way: str, names: Sequence[str]) -> None:
    """Means by data set."""
    rows = []
    for data in dict.fromkeys(data for _, _, data, _ in errors):
        rows += [(data, name, *map(percent, page.mean(name, way, data=data))) for name in names]
    page.table((way, "digest", *LABELS), rows)


def sizes_of(page: Page, centroids: Mapping[tuple[str, str, int], Sequence[int]], n: int) -> None:
    """How many centroids each digest has, of `n` samples and of the largest number it was given."""
    rows = []
    for of, way in dict.fromkeys((of, way) for of, way, _ in centroids):
        largest = max(size for o, w, size in centroids if (o, w) == (of, way))
        found = (centroids[of, way, n], centroids[of, way, largest])
        cells = [cell for x in found for cell in (f"{np.mean(x):.0f}", f"{max(x)}")]
        rows.append((f"{of}, {way}", *cells[:2], *(cells[2:] if largest > n else ("", ""))))
    page.table(("digest", f"n = {n:,}: mean", "most", "largest n: mean", "most"), rows)
    bytes_used = 8 * TAIL + 16 * max(
        max(found) for (of, _, size), found in centroids.items() if of == OURS and size >= n
    )
    verdict = page.verdict(bytes_used <= MOST_BYTES, f"<= {MOST_BYTES:,}")
    page.lines += [
        "",
        f"Largest digest with {TAIL} raw samples beside it: {bytes_used:,} bytes ({verdict}).",
    ]


def by_n(page: Page, errors: Errors, others: Mapping[str, Sequence[str]]) -> None:
    """Ours beside the best of the others for each n."""
    rows = []
    for n in sorted({n for of, _, _, n in errors if of == OURS and n > 512}):
        for way, names in others.items():
            mine = page.mean(OURS, way, n=n)
            best = np.min([page.mean(name, way, n=n) for name in names], axis=0)
            cells = [
                f"{m / b:.2f}" if b else "both 0" if m == 0 else "inf"
                for m, b in zip(mine, best, strict=True)
            ]
            rows.append((f"{n:,}, {way}", *cells))
    page.table(("ours ÷ best", *LABELS), rows)


def sets(page: Page, found: Mapping[int, Sequence[float]]) -> None:
    """The errors of set counts."""
    rows = []
    for n, errors in found.items():
        rms = float(np.sqrt(np.mean(np.square(errors))))
        bound = MOST_SET_ERROR * (1 + 3 / np.sqrt(2 * len(errors)))
        target = "exact" if n <= 1_536 else f"<= {percent(bound)}"
        met = rms == 0.0 if n <= 1_536 else rms <= bound
        mean, most = float(np.mean(errors)), float(np.max(np.abs(errors)))
        rows.append((f"{n:,}", *map(percent, (mean, rms, most)), page.verdict(met, target)))
    page.table(("members", "mean", "root mean square", "largest", "target (rms)"), rows)


def page(
    errors: Errors,
    centroids: Mapping[tuple[str, str, int], Sequence[int]],
    set_errors: Mapping[int, Sequence[float]],
    seeds: int,
    slow_seeds: int,
) -> tuple[str, bool]:
    """The text of the page, and whether every target was met."""
    made = Page(errors)
    sizes = sorted({n for _, _, _, n in errors})
    slow_n = next(n for of, _, _, n in errors if of == "tdigest")
    data = ", ".join(dict.fromkeys(data for _, _, data, _ in errors))
    made.lines = INTRODUCTION.format(
        data=data,
        seeds=seeds,
        smallest=sizes[0],
        largest=sizes[-1],
        slow_n=slow_n,
        slow_seeds=slow_seeds,
    ).splitlines()
    fast = {"whole": ["fastdigest, at once", "fastdigest, streamed"], "merged": ["fastdigest"]}
    made.lines += ["", "### Mean error, all data sets and n > 512"]
    ratios(made, fast)
    made.lines += ["", *BY_N.splitlines()]
    by_n(made, errors, fast)
    made.lines += ["", f"### Mean error, n = {slow_n:,}, beside the `tdigest` package"]
    ratios(made, {way: ["tdigest"] for way in fast}, slow_n, slow_seeds)
    made.lines += ["", *TAILS.splitlines()]
    made.lines += ["", "### Largest error of any seed and data set"]
    worst(made, errors)
    made.lines += ["", "### Mean error by data set"]
    for way, names in fast.items():
        by_data(made, errors, way, [OURS, *names])
    made.lines += ["", "### Size (constant data apart)"]
    sizes_of(made, centroids, slow_n)
    made.lines += SETS.splitlines()
    sets(made, set_errors)
    return "\n".join(made.lines) + "\n", made.met


BY_N = """\
The mean over n is mostly that of small n, where errors are largest. For each n alone:
"""

TAILS = """\
Both keep single samples at the tails. At this n, p99.9 is the tenth sample from the top, which ours
never folds and `tdigest` seldom does; one sample is 0.01 %.
"""

SETS = """
## Sets

Up to 1,536 distinct members a set is counted (as 64-bit hashes); beyond that it is estimated from
16,384 HyperLogLog registers with Ertl's improved estimator. LogLog-Beta was tried beside it: both
have the same error at every size, and Ertl's needs neither fitted coefficients nor logarithms, so
that the Python engine gets the same answer to the last bit. The error is the relative one, of
random hashes; the target is the 0.8125 % of the theory (1.04 / sqrt(16,384)) and three standard
errors for this number of seeds.
"""
