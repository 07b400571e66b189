"""How often a rewriter is asked."""

from __future__ import annotations

from collections import Counter

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

    def verdict(self, tag: bytes) -> int:
        self.asked[(tag,)] += 1
        return super().verdict(tag)

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
