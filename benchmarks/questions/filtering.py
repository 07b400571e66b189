"""What do filters cost when an interval ends?"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target
from benchmarks.c_loop import machine_speed
from benchmarks.feeding import native_engine, rotate
from benchmarks.load import Load, write_lines
from benchmarks.questions.interval_to_columns import PLAN
from veneurpy.config.filters import filters_of
from veneurpy.config.loader import parse_config
from veneurpy.rules import FilterRewriter

SERIES = 50_000
LINES_EACH = 50
INTERVALS = 3

CASES = {
    "by name": (
        "[{name: {prefix: shop.}, rename: s.$1}, {name: {prefix: debug.}, drop: true}]",
        Target("<=", 0.2),
    ),
    "by tags": (
        '[{name: {prefix: shop.}, tags: ["env:prod*"], rename: s.$1}, {drop_tags: ["env:dev*"]}]',
        Target("<=", 0.3),
    ),
    "by regular expressions on tags": (
        r"""[{name: {prefix: shop.}, tags: [{regex: '^env:pro\w'}], rename: s.$1},
             {drop_tags: [{regex: '^env:dev'}]}]""",
        Target("<=", 0.8),
    ),
}

METHOD = f"""\
{SERIES:,} counters of 100 names and four tags, one of them of each series alone, are fed and the
interval is closed: CPU time of the thread that asks for its accounts and its columns, for each
series, less that of an engine without filters just before; scaled to a machine on which
`c_loop` takes 20 M lines/s. In the end each series has a new name. The last of {INTERVALS}
intervals, in which names and tags are known."""


def _traffic() -> list[bytes]:
    lines = [
        b"shop.calls%d:1|c|#env:prod,host:h%d,id:%d,region:eu" % (i % 100, i % 50, i)
        for i in range(SERIES)
    ]
    return [b"\n".join(lines[i : i + LINES_EACH]) for i in range(0, SERIES, LINES_EACH)]


def _spent_s(rewriter: FilterRewriter | None, traffic: list[bytes]) -> float:
    """CPU seconds of the end of the last interval."""
    spent_s = 0.0
    with native_engine(rewriter=rewriter) as engine:
        reader = engine.open_reader("bench")
        for _ in range(INTERVALS):
            for datagram in traffic:
                reader.feed(datagram)
            interval = rotate(engine)
            start_s = time.thread_time()
            aggregated = sum(sum(each.aggregated.values()) for _, each in interval.accounts)
            columns = interval.columns(PLAN)
            spent_s = time.thread_time() - start_s
            if not SERIES == aggregated == len(columns):
                raise RuntimeError(f"{SERIES} series fed, {aggregated} aggregated")
            interval.release()
    return spent_s


def measure(rounds: int) -> Answer:
    """Answers it."""
    more_us: dict[str, list[float]] = defaultdict(list)
    traffic = _traffic()
    with TemporaryDirectory() as folder:
        lines = Path(folder, "lines")
        write_lines(Load(mix="counters"), lines, 1_000_000)
        for _ in range(rounds):
            for what, (filters, _) in CASES.items():
                scale = machine_speed(lines)
                plain_s = _spent_s(None, traffic)
                config = parse_config(f"filters: {filters}").config
                rewriter = FilterRewriter(filters_of(config.filters))
                more_s = _spent_s(rewriter, traffic) - plain_s
                more_us[what].append(1e6 * more_s * scale / SERIES)
    figures = [
        Figure(what, "µs a series more than without", tuple(more_us[what]), target)
        for what, (_, target) in CASES.items()
    ]
    return Answer("Filters", METHOD, tuple(figures))
