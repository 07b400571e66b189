"""Adds up what a fleet has published, and compares it with what it was sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.conservation import Verdict
from tests.chaos.fleet import Fleet
from tests.chaos.process import Node
from tests.chaos.workload import ALL, ECHO, MEMBERS, Workload

Series = tuple[str, tuple[str, ...]]
ESTIMATED_WITHIN = 0.02
"""Of the sum of many estimates of small sets."""
LARGEST_PER_DATAGRAM = 100
"""What one datagram adds to a sum at most."""
LOST_AT_MOST = 64
"""Datagrams that a node may have in hand when it is killed."""


@dataclass(slots=True)
class Published:
    """The highest revision of each (series, interval) of each file."""

    values: dict[Series, dict[tuple[str, int], float]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """By series, then by (file, start of the interval in ms)."""
    twice: list[str] = field(default_factory=list)
    """Rows of equal revision that differ, and revisions that were passed over."""

    @classmethod
    def of(cls, nodes: Iterable[Node], interval_ms: int) -> Published:
        """What the files of these nodes hold."""
        made = cls()
        for node in nodes:
            made._read(node, interval_ms)
        return made

    def sums(self) -> Counter[Series]:
        """Of each series over all intervals."""
        return Counter({series: sum(each.values()) for series, each in self.values.items()})

    def by_interval(self, series: Series) -> Counter[int]:
        """Of one series, over all files."""
        found: Counter[int] = Counter()
        for (_, start_ms), value in self.values[series].items():
            found[start_ms] += value
        return found

    def owners_of(self, series: Series) -> dict[int, set[str]]:
        """Whose files have an interval of a series."""
        found: dict[int, set[str]] = defaultdict(set)
        for name, start_ms in self.values[series]:
            found[start_ms].add(name)
        return found

    def _read(self, node: Node, interval_ms: int) -> None:
        highest: dict[tuple[Series, int], dict[int, float]] = defaultdict(dict)
        for row in node.rows():
            if row["kind"] != "point":
                continue
            series = (row["name"], tuple(row["tags"]))
            seen = highest[series, round(row["timestamp"] * 1000)]
            if seen.setdefault(row["revision"], row["value"]) != row["value"]:
                self.twice.append(f"{node.name}: {row}")
        for (series, start_ms), revisions in highest.items():
            # A piece that was cut short belongs to the interval that it starts in.
            key = (node.name, start_ms - start_ms % interval_ms)
            pieces = self.values[series]
            pieces[key] = pieces.get(key, 0.0) + revisions[max(revisions)]


@dataclass(slots=True)
class Named:
    """What the nodes themselves say is missing."""

    batches: int = 0
    samples: int = 0
    datagrams: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, fleet: Fleet, ledgers: Iterable[Mapping[str, Any]]) -> Named:
        """`ledgers` has the last that each life of each node has said of what it passes on."""
        made = cls()
        for forwarded in ledgers:
            for word in ("rejected", "given_up", "in_doubt"):
                for reason, sums in forwarded[word].items():
                    made.batches += sums["batches"]
                    made.samples += sums["samples"]
                    made.by_reason[f"{word}.{reason}"] += sums["batches"]
        made.datagrams = sum(node.lost_datagrams + node.drops for node in fleet.nodes)
        return made


def verdicts(fleet: Fleet, load: Workload, named: Named, interval_ms: int) -> Iterator[Verdict]:
    """What must hold of a fleet that has settled."""
    published = Published.of(fleet.nodes, interval_ms)
    yield from _totals(published, load, named)
    yield _per_interval(fleet, published, named)
    owners = {start: who for start, who in published.owners_of((ALL, ())).items() if len(who) > 1}
    yield Verdict("a series has one owner in each interval", not owners, f"{len(owners)} with more")
    yield Verdict(
        "rows of one revision are equal", not published.twice, f"{published.twice[:3] or 'all are'}"
    )
    kills = sum(node.kills for node in fleet.nodes)
    lost = sum(node.lost_datagrams for node in fleet.nodes)
    yield Verdict(
        f"no kill costs more than {LOST_AT_MOST} datagrams",
        lost <= LOST_AT_MOST * kills,
        f"{lost:,} by {kills:,} kills",
    )
    violated = [line for node in fleet.nodes for line in node.logged("ledger_violated")]
    yield Verdict("every ledger holds", not violated, f"{violated[:3] or 'all do'}")
    crashed = [
        line
        for node in fleet.nodes
        for line in node.log
        if line["event"] in ("task_crashed", "call_crashed", "text")
    ]
    died = {node.name: node.died for node in fleet.nodes if node.died}
    yield Verdict(
        "no node has ended by itself",
        not crashed and not died,
        f"{died or ''} {crashed[:5] or ''}".strip() or "none has",
    )


def _totals(published: Published, load: Workload, named: Named) -> Iterator[Verdict]:
    sums, wanted = published.sums(), load.expected()
    missing = {series: round(wanted[series] - sums[series]) for series in wanted}
    double = {series: -count for series, count in missing.items() if count < 0}
    yield Verdict("nothing is counted twice", not double, f"{double or 'nothing is'}")
    datagrams = missing[ALL, ()]
    bound = named.datagrams + named.samples
    figures = f"{sum(load.sent.values()):,} sent, {datagrams:,} missing, {named}"
    yield Verdict("what is missing is named", datagrams <= bound, figures)
    for name, each in (("count", 7), ("time.count", 1), ("time.sum", LARGEST_PER_DATAGRAM)):
        lacks = sum(count for (found, _), count in missing.items() if found == name)
        yield Verdict(f"what is missing of {name} is named", lacks <= bound * each, f"{lacks:,}")
    members, sent = sums[MEMBERS, ()], sum(load.sent.values())
    allowed = ESTIMATED_WITHIN * sent
    is_near = -allowed - bound <= members - sent <= allowed
    yield Verdict("unique members are counted", is_near, f"{members:,.0f} of {sent:,}")


def _per_interval(fleet: Fleet, published: Published, named: Named) -> Verdict:
    """What the owners have of an interval is what was received in it, sample by sample.

    The echo comes last in a datagram: a node that is killed in its midst has published none. That
    of an owner is in a batch to itself, which may be missing like any other.
    """
    received, owned = published.by_interval((ECHO, ())), published.by_interval((ALL, ()))
    kills = sum(node.kills for node in fleet.nodes)
    off = {start: round(owned[start] - received[start]) for start in {*received, *owned}}
    more = sum(count for count in off.values() if count > 0)
    less = -sum(count for count in off.values() if count < 0)
    holds = more <= kills + named.samples and less <= named.samples
    return Verdict(
        "every interval has what was received in it",
        holds,
        f"{len(received):,} intervals, {more} more and {less} less than received "
        f"({ {start: count for start, count in sorted(off.items()) if count} })"[:400],
    )
