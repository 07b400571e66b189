"""Hosts, owners of zones that pass on, and owners above them, in processes of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.engines import needs_native
from tests.nodes import INTERVAL, Node, free_address, nodes
from tests.waiting import wait_until
from veneurpy.config.quantity import parse_duration

pytestmark = [needs_native, pytest.mark.timeout(120)]

NewNode = Callable[..., Node]
NAMES = [f"c{number}" for number in range(12)]
UNITS = ("batches", "samples")
INTERVAL_S = parse_duration(INTERVAL)


@pytest.fixture
def new_node() -> Iterator[NewNode]:
    with nodes() as new:
        yield new


class Tiers:
    """Two hosts, two owners of their zone, one or two owners above."""

    def __init__(self, folder: Path, new_node: NewNode, *, tops: Sequence[str]) -> None:
        above = {name: free_address() for name in tops}
        zone = {name: free_address() for name in ("z1", "z2")}
        self.tops = [
            new_node(
                folder / name,
                grpc_address=address,
                forward={"members": above},
                global_hold="1500ms",
            )
            for name, address in above.items()
        ]
        ring = {"members": zone}
        chain = {"members": above}
        self.zones = [
            new_node(folder / name, grpc_address=address, forward=ring, chain=chain)
            for name, address in zone.items()
        ]
        self.hosts = [new_node(folder / f"h{i}", forward=ring) for i in range(2)]
        self.nodes = [*self.hosts, *self.zones, *self.tops]

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


def broken(tiers: Tiers) -> list[object]:
    """Equations of their ledgers that do not hold."""
    return [
        equation
        for node in tiers.nodes
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


def test_three_tiers_say_what_was_sent(tmp_path: Path, new_node: NewNode) -> None:
    """Each series once, by the upper tier; what hosts and zones received of their own stays there.

    The samples that a tier has sealed are those that the tier below has sent.
    """
    tiers = Tiers(tmp_path, new_node, tops=["t1", "t2"])
    for host in tiers.hosts:
        host.send("t:1|ms", "t:5|ms", "t:9|ms", "u:a|s", f"u:{host.folder.name}|s", "here:1|c")
        host.send(*(f"{name}:1|c|#veneurglobalonly" for name in NAMES))
    tiers.zones[0].send("c0:1|c|#veneurglobalonly", "here:1|c", "t:5|ms")
    wait_until(
        lambda: (
            all(tiers.sum(name) >= 2 for name in NAMES[1:])
            and tiers.sum("c0") == 3
            and tiers.is_settled
        ),
        "it did not arrive",
    )
    assert [2] * 11 == [tiers.sum(name) for name in NAMES[1:]]
    above = {series.name for node in tiers.tops for series in node.latest()}
    assert above >= {"t.50percentile", "u", *NAMES}
    assert "here" not in above
    assert [{"here", "t.max", "t.min", "t.count"}, set()] == [
        {series.name for series in zone.latest()} for zone in tiers.zones
    ]
    assert [] == broken(tiers)
    for unit in UNITS:
        sealed = [each["sealed"][unit] for each in tiers.accounts(tiers.zones, "owner")]
        sent = [
            each["encoded"][unit]
            for each in tiers.accounts([*tiers.hosts, *tiers.zones], "forward")
        ]
        assert sum(sent) == sum(sealed)
        passed_on = [each["encoded"][unit] for each in tiers.accounts(tiers.zones, "chain")]
        taken = [each["sealed"][unit] for each in tiers.accounts(tiers.tops, "owner")]
        own = [each["encoded"][unit] for each in tiers.accounts(tiers.tops, "forward")]
        assert sum(passed_on) + sum(own) == sum(taken)
    samples = [each["encoded"]["samples"] for each in tiers.accounts(tiers.zones, "chain")]
    assert sum(samples) == sum(
        each["sealed"]["samples"] for each in tiers.accounts(tiers.zones, "owner")
    )


def test_deaths_in_the_middle_lose_nothing(tmp_path: Path, new_node: NewNode) -> None:
    """Owners of the zone and one above are killed while it goes through them, one of them twice.

    Each interval has what was received in it, at its own time.
    """
    tiers = Tiers(tmp_path, new_node, tops=["t1"])
    lines = ["here:1|c", *(f"{name}:1|c|#veneurglobalonly" for name in NAMES)]
    sent = 0
    for dying in (tiers.zones[0], tiers.tops[0], tiers.zones[1], tiers.zones[0]):
        for _ in range(10):
            for host in tiers.hosts:
                host.send("\n".join(lines))
            sent += len(tiers.hosts)
        before = sum(each["encoded"]["batches"] for each in tiers.accounts(tiers.hosts, "forward"))
        wait_until(
            lambda before=before: (
                sum(each["encoded"]["batches"] for each in tiers.accounts(tiers.hosts, "forward"))
                > before
            ),
            "nothing was encoded",
        )
        dying.kill()
        dying.start()
    wait_until(
        lambda: all(tiers.sum(name) >= sent for name in NAMES) and tiers.is_settled,
        f"not {sent}",
        60,
    )
    assert [sent] * len(NAMES) == [tiers.sum(name) for name in NAMES]
    received = by_interval(tiers.hosts, "here")
    assert [received] * len(NAMES) == [by_interval(tiers.tops, name) for name in NAMES]
    assert [] == broken(tiers)
    for accounts in tiers.accounts([*tiers.hosts, *tiers.zones], "forward"):
        assert [{}] * 3 == [accounts[word] for word in ("rejected", "given_up", "in_doubt")]
    for accounts in tiers.accounts(tiers.zones, "chain"):
        assert [{}] * 3 == [accounts[word] for word in ("rejected", "given_up", "in_doubt")]
