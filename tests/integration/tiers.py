"""A chain of real processes, and traffic for it whose totals are known."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.nodes import INTERVAL, Node, Series, free_address
from tests.waiting import wait_until
from veneurpy.config.quantity import parse_duration

NewNode = Callable[..., Node]

INTERVAL_S = parse_duration(INTERVAL)
NAMES = [f"c{number}" for number in range(12)]
QUANTILES = (0.5, 0.99)
TIMES = 100
"""Samples of a timer that a host is sent in a round."""
RANK_ERROR = 0.01
LOSSES = ("rejected", "given_up", "in_doubt")


def _nothing(name: str) -> dict[str, Any]:
    return {}


class Tiers:
    """Two hosts, two owners of their zone, owners above; proxies between them if wanted."""

    def __init__(
        self,
        folder: Path,
        new_node: NewNode,
        *,
        tops: Sequence[str],
        has_proxies: bool = False,
        more: Callable[[str], Mapping[str, Any]] = _nothing,
    ) -> None:
        """`more` has settings of a node, by its name, that go on top."""
        at = {name: free_address() for name in (*tops, "z1", "z2", "p1", "p2")}
        above, zone = {name: at[name] for name in tops}, {name: at[name] for name in ("z1", "z2")}
        way_in, way_up = zone, above
        if has_proxies:
            way_in, way_up = dict.fromkeys(zone, at["p1"]), dict.fromkeys(above, at["p2"])

        def new(name: str, **settings: Any) -> Node:
            if name in at:
                settings["grpc_address"] = at[name]
            return new_node(folder / name, **(settings | dict(more(name))))

        self.tops = [
            new(name, forward={"members": above}, global_hold="1500ms", percentiles=QUANTILES)
            for name in tops
        ]
        self.proxies = [
            new(name, forward={"members": members}, metric_sinks=[])
            for name, members in (("p1", zone), ("p2", above))
            if has_proxies
        ]
        self.zones = [
            new(name, forward={"members": zone}, chain={"members": way_up}) for name in zone
        ]
        self.hosts = [new(f"h{i}", forward={"members": way_in}) for i in range(2)]

    @property
    def nodes(self) -> list[Node]:
        """All of them; who sends stands before who receives it."""
        return [*self.hosts, *self.zones, *self.proxies, *self.tops]

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits anywhere, from the hosts upward."""
        return all(node.is_idle for node in self.nodes)

    def sum(self, name: str) -> float:
        """What the upper tier has published of a counter."""
        return sum(node.sum(name) for node in self.tops)

    def accounts(self, tier: Sequence[Node], of: str) -> list[dict[str, Any]]:
        """Those accounts of each node of a tier."""
        return [node.status()[of]["accounts"] for node in tier]

    def losses(self) -> list[dict[str, Any]]:
        """What any node has named as not come through."""
        said = self.accounts([*self.hosts, *self.zones, *self.tops], "forward")
        said += self.accounts(self.zones, "chain")
        return [each[word] for each in said for word in LOSSES if each[word]]

    def broken(self) -> list[object]:
        """Equations of their ledgers that do not hold."""
        return [
            equation
            for node in self.nodes
            for accounts in node.ledger()["between_nodes"].values()
            for equation in accounts["equations"]
            if not equation["holds"]
        ]


def by_interval(tier: Sequence[Node], name: str) -> dict[float, float]:
    """What nodes have published of a counter, by the multiple of the interval that it began in."""
    found: defaultdict[float, float] = defaultdict(float)
    for node in tier:
        for series, value in node.latest().items():
            if series.name == name:
                found[series.timestamp // INTERVAL_S * INTERVAL_S] += value
    return found


class Traffic:
    """Rounds of samples to the hosts of a chain."""

    def __init__(self, tiers: Tiers, seed: int) -> None:
        print(f"seed {seed}")
        self._tiers = tiers
        self._rng = random.Random(seed)
        self._times: list[list[float]] = []

    def round(self) -> None:
        """Sends to all hosts, then returns when each has closed an interval."""
        tag, times = f"round:{len(self._times)}", []
        for host in self._tiers.hosts:
            own = [round(self._rng.lognormvariate(3, 1), 3) for _ in range(TIMES)]
            lines = ["here:1|c", *(f"{name}:1|c|#veneurglobalonly" for name in NAMES)]
            host.send("\n".join(lines))
            host.send("\n".join(f"t:{time}|ms|#veneurglobalonly,{tag}" for time in own[::2]))
            host.send("\n".join(f"t:{time}|ms|#veneurglobalonly,{tag}" for time in own[1::2]))
            times += own
        self._times.append(sorted(times))
        before = [host.ledger()["intervals"] for host in self._tiers.hosts]
        wait_until(
            lambda: all(
                host.ledger()["intervals"] > known
                for host, known in zip(self._tiers.hosts, before, strict=True)
            ),
            "an interval closes",
        )

    def check(self) -> None:
        """Waits until everything is published above; it is what was sent, once, in its time."""
        check_counters(self._tiers, len(self._times) * len(self._tiers.hosts))
        self._check_times()

    def _check_times(self) -> None:
        """Every sample is counted; percentiles are those of rounds that one interval has whole."""
        whole = 0
        for number, times in enumerate(self._times):
            found = list(self._published(f"round:{number}"))
            counts = [value for series, value in found if series.name == "t.count"]
            assert len(times) == sum(counts)
            if len(counts) == 1:
                whole += 1
                values = {series.name: value for series, value in found}
                for quantile in QUANTILES:
                    said = values[f"t.{quantile * 100:g}percentile"]
                    low, high = (
                        side(times, said) / len(times) for side in (bisect_left, bisect_right)
                    )
                    assert low - RANK_ERROR <= quantile <= high + RANK_ERROR, (number, quantile)
        assert whole

    def _published(self, tag: str) -> Iterator[tuple[Series, float]]:
        for node in self._tiers.tops:
            for series, value in node.latest().items():
                if tag in series.tags:
                    yield series, value


def check_counters(tiers: Tiers, sent: int) -> None:
    """Waits until so much of each counter is published above: no more, and each in its time."""
    wait_until(
        lambda: all(tiers.sum(name) >= sent for name in NAMES) and tiers.is_settled,
        f"{sent} of each counter arrive",
        60,
    )
    assert [sent] * len(NAMES) == [tiers.sum(name) for name in NAMES]
    received = by_interval(tiers.hosts, "here")
    assert [received] * len(NAMES) == [by_interval(tiers.tops, name) for name in NAMES]
    assert [] == tiers.broken()
    assert [] == tiers.losses()
