"""How often a rewriter is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.engines import Datagram, needs_native, run
from veneurpy.engine import EngineOptions, MetricType, Plan
from veneurpy.engine.rewriting import Choice, Rewrite
from veneurpy.engine.tag_patterns import TagMatch, TagPattern
from veneurpy.rules import Filter, FilterRewriter, Filters

FILTERS = Filters(
    (
        Filter("prefix", "a", tags=(TagPattern(TagMatch.REGEX, b"^v:1"),), added=("old",)),
        Filter("prefix", "a", stripped=(TagPattern(TagMatch.REGEX, b"^tmp"),)),
        Filter("prefix", "a", unwanted=(TagPattern(TagMatch.GLOB, b"never"),)),
        Filter("prefix", "b", added=("b",)),
    )
)


class Counting(FilterRewriter):
    """Remembers what it was asked."""

    def __init__(self, filters: Filters) -> None:
        super().__init__(filters)
        self.asked: Counter[tuple[object, ...]] = Counter()

    def verdicts(self, tags: Sequence[bytes]) -> Sequence[int]:
        self.asked.update((tag,) for tag in tags)
        return super().verdicts(tags)

    def of(self, name: bytes, type_: MetricType) -> Rewrite | Choice | None:
        self.asked[name, type_] += 1
        return super().of(name, type_)

    def chosen(self, name: bytes, type_: MetricType, held: int) -> Rewrite | None:
        self.asked[name, type_, held] += 1
        return super().chosen(name, type_, held)


@needs_native
def test_it_is_asked_once() -> None:
    """About each name and type, each tag that regular expressions may be of, and each choice."""
    rewriter = Counting(FILTERS)
    lines = [
        *(b"a:1|c|#v:%d,i:%d,tmp:x" % (i % 3, i % 10) for i in range(60)),
        *(b"b:1|c|#x:%d" % i for i in range(10)),
        b"a:1|g",
        b"c:1|c|#y",
    ]
    traffic = [Datagram(line, i % 2) for i, line in enumerate(lines)]
    run("native", traffic, Plan(), EngineOptions(rewriter=rewriter), readers=2)
    tags = [*(b"v:%d" % i for i in range(3)), *(b"i:%d" % i for i in range(10)), b"tmp:x"]
    counter, gauge = MetricType.COUNTER, MetricType.GAUGE
    names = [(b"a", counter), (b"b", counter), (b"c", counter), (b"a", gauge)]
    choices = [(b"a", counter, 0), (b"a", counter, 1), (b"a", gauge, 0)]
    assert Counter([*((tag,) for tag in tags), *names, *choices]) == rewriter.asked


@needs_native
@pytest.mark.parametrize("count", [999, 1000, 1001, 2500])
def test_any_number_of_tags_has_verdicts(count: int) -> None:
    """Each has its own, in however many questions they are asked about."""
    rewriter = Counting(Filters((Filter(unwanted=(TagPattern(TagMatch.REGEX, b"7$"),)),)))
    traffic = [Datagram(b"a:1|c|#i:%d" % i) for i in range(count)]
    result = run("native", traffic, Plan(), EngineOptions(rewriter=rewriter))
    assert [i for i in range(count) if i % 10 != 7] == sorted(
        int(row.tags[0].removeprefix("i:")) for row in result.rows
    )
    assert count == sum(key[0][:2] == b"i:" for key in rewriter.asked)  # type: ignore[index]


class Short(FilterRewriter):
    """Leaves out the last one."""

    def verdicts(self, tags: Sequence[bytes]) -> Sequence[int]:
        return super().verdicts(tags)[:-1]


@needs_native
def test_verdicts_that_are_missing_are_an_error() -> None:
    """Nothing is made of what a rewriter has not said."""
    rewriter = Short(FILTERS)
    with pytest.raises(ValueError, match="2 tags and 1 verdicts"):
        run("native", [Datagram(b"a:1|c|#v:1,i:2")], Plan(), EngineOptions(rewriter=rewriter))
