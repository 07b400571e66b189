"""Hosts, owners and a proxy as real processes on loopback, each way between them a link.

With zones, owners of their own stand between the hosts and the owners.
"""

from __future__ import annotations

import shutil
import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from tests.chaos.links import Link, Network, network
from tests.chaos.process import Node
from tests.waiting import wait_until

INTERVAL_S = 0.2
SETTLE_S = 90.0
SHM = Path("/dev/shm")

Way = Literal["ring", "proxy", "owner"]
"""A host sends to each owner itself, all through the proxy, or all to the first owner's address."""
WAYS: tuple[Way, ...] = ("ring", "proxy", "owner", "proxy")


@dataclass(frozen=True, slots=True)
class Shape:
    """How many nodes of each kind; `zones` has how many owners each zone has."""

    hosts: int
    owners: int
    proxies: int
    zones: tuple[int, ...] = ()


class Fleet:
    """Nodes `h0`…, `g0`… and, if wanted, the proxy `p`, through which some hosts send.

    The owners of zones are `a0`…, `b0`…: hosts are dealt out to the zones, and it is the last zone
    that sends through the proxy.
    """

    def __init__(
        self,
        folder: Path,
        arenas: Path,
        net: Network,
        *,
        shape: Shape,
        settings: Mapping[str, Any],
    ) -> None:
        self.net = net
        self.links: dict[tuple[str, str], Link] = {}
        self._folder, self._arenas, self._settings = folder, arenas, settings
        self._shape = shape
        self._members = [f"g{i}" for i in range(shape.owners)]
        self.owners = [self._node(name, self._owner(name)) for name in self._members]
        self.others: list[Node] = []
        self.proxies = [self._node("p", self._proxy("p")) for _ in range(shape.proxies)]
        self.zones = [self._zone(number) for number in range(len(shape.zones))]
        self.hosts = [self._node(f"h{i}", self._host(i)) for i in range(shape.hosts)]

    @property
    def nodes(self) -> list[Node]:
        """All of them; who sends stands before who receives it."""
        return [*self.hosts, *self.zone_owners, *self.proxies, *self.owners, *self.others]

    @property
    def zone_owners(self) -> list[Node]:
        """The owners of all zones."""
        return [node for zone in self.zones for node in zone]

    @property
    def rings(self) -> list[list[Node]]:
        """Nodes that are members of one ring, which can be changed."""
        return [ring for ring in (self.owners, *self.zones) if ring]

    @property
    def upward(self) -> list[Link]:
        """The ways from the owners of zones to the next tier."""
        names = {node.name for node in self.zone_owners}
        above = {"p", *self._members}
        return [
            link for (here, there), link in self.links.items() if here in names and there in above
        ]

    def add_standalone(self, name: str) -> Node:
        """One more node, which forwards nothing and owns nothing."""
        self.others.append(self._node(name, {}))
        return self.others[-1]

    def begin(self) -> None:
        """Starts every node that has no process, and waits until all take traffic."""
        for node in self.nodes:
            if not node.is_alive:
                node.begin()
        for node in self.nodes:
            node.wait_until_started()
        self.lead()

    def lead(self) -> None:
        """Leads the links to where the nodes listen now."""
        for (_, there), link in self.links.items():
            if port := self.named(there).grpc_port:
                self.net.lead(link, port)

    def named(self, name: str) -> Node:
        """A node by its name."""
        return next(node for node in self.nodes if node.name == name)

    def settle(self) -> None:
        """Returns when all that was received is published. Raises TimeoutError if it is not."""

        def read() -> bool:
            return not any(node.queued_bytes for node in self.nodes)

        def settled() -> bool:
            return all(is_settled(node, closed[node.name]) for node in self.nodes)

        wait_until(read, "every node reads what it was sent", SETTLE_S)
        # One interval may be closing just now; the next one to close holds the rest.
        closed = {node.name: node.get("/api/v1/ledger")["intervals"] + 2 for node in self.nodes}
        wait_until(settled, "every node settles", SETTLE_S)
        # What a host sent meanwhile may have come to an owner that had settled before.
        wait_until(settled, "every node stays settled", SETTLE_S)

    def close(self) -> None:
        """Ends every process."""
        for node in self.nodes:
            node.close()

    def keep(self, folder: Path) -> None:
        """Copies what the nodes have left on disk, for a person: logs, rows, spools."""
        shutil.copytree(self._folder, folder, ignore=shutil.ignore_patterns("ballast"))

    def _node(self, name: str, settings: Mapping[str, Any]) -> Node:
        folder = self._folder / name
        folder.mkdir()
        sink = {"kind": "localfile", "config": {"flush_file": str(folder / "points.jsonl")}}
        is_proxy = name == "p"
        common = {
            "interval": f"{INTERVAL_S * 1000:g}ms",
            "percentiles": [0.5, 0.99],
            "aggregates": ["min", "max", "count", "sum"],
            "forward_timeout": "2s",
            "metric_sinks": [] if is_proxy else [sink],
        }
        return Node(name, folder, self._arenas / name, {**common, **settings, **self._settings})

    def _owner(self, name: str) -> dict[str, Any]:
        # Owners of zones hold an interval first.
        hold_s = 3 * INTERVAL_S if self._shape.zones else INTERVAL_S
        return {
            "grpc_address": "127.0.0.1:0",
            "global_hold": f"{hold_s * 1000:g}ms",
            "forward": {"members": self._addresses(name, self._members)},
        }

    def _zone(self, number: int) -> list[Node]:
        names = self._zone_members(number)
        is_last = number + 1 == len(self._shape.zones)
        return [
            self._node(
                name,
                {
                    "grpc_address": "127.0.0.1:0",
                    "global_hold": f"{INTERVAL_S * 1000:g}ms",
                    "forward": {"members": self._addresses(name, names)},
                    "chain": {"members": self._above(name, by_proxy=is_last)},
                },
            )
            for name in names
        ]

    def _zone_members(self, number: int) -> list[str]:
        return [f"{string.ascii_lowercase[number]}{i}" for i in range(self._shape.zones[number])]

    def _proxy(self, name: str) -> dict[str, Any]:
        members = self._addresses(name, self._members)
        return {"grpc_address": "127.0.0.1:0", "forward": {"members": members}}

    def _host(self, number: int) -> dict[str, Any]:
        name = f"h{number}"
        if self.zones:
            members = self._zone_members(number % len(self.zones))
            # Every second host of a zone knows one address only.
            if number // len(self.zones) % 2:
                return {"forward_address": f"127.0.0.1:{self._link(name, members[0]).port}"}
            return {"forward": {"members": self._addresses(name, members)}}
        way = WAYS[number % len(WAYS)] if self.proxies else "ring"
        if way == "owner":
            return {"forward_address": f"127.0.0.1:{self._link(name, self._members[0]).port}"}
        return {"forward": {"members": self._above(name, by_proxy=way == "proxy")}}

    def _above(self, name: str, *, by_proxy: bool) -> dict[str, str]:
        """The owners, each where it is, or all at the proxy if there is one."""
        if not (by_proxy and self.proxies):
            return self._addresses(name, self._members)
        return dict.fromkeys(self._members, f"127.0.0.1:{self._link(name, 'p').port}")

    def _addresses(self, name: str, members: Sequence[str]) -> dict[str, str]:
        return {there: f"127.0.0.1:{self._link(name, there).port}" for there in members}

    def _link(self, here: str, there: str) -> Link:
        if (here, there) not in self.links:
            self.links[here, there] = self.net.add(f"{here}-{there}")
        return self.links[here, there]


def is_settled(node: Node, intervals: int) -> bool:
    """Whether nothing that came before a number of closed intervals is on its way."""
    try:
        ledger, status = node.get("/api/v1/ledger"), node.get("/api/v1/status")
    except OSError:
        return False
    if ledger["intervals"] < intervals:
        return False
    owner = status["owner"]
    ways = [status[way] for way in ("forward", "chain") if status[way]]
    if any(way["accounts"]["pending"]["batches"] for way in ways):
        return False
    if owner and (owner["open"] or owner["late"]):
        return False
    waits = status["spool"]["intervals"] or any(sink["pending_points"] for sink in status["sinks"])
    return not waits


@contextmanager
def fleet(
    *,
    hosts: int,
    owners: int,
    proxy: bool,
    zones: Sequence[int] = (),
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Fleet]:
    """A fleet that is ready to `begin`, in directories of its own; gone with the block."""
    with (
        TemporaryDirectory(prefix="veneurpy-chaos-") as folder,
        TemporaryDirectory(prefix="veneurpy-chaos-", dir=SHM if SHM.is_dir() else None) as arenas,
        network() as net,
    ):
        made = Fleet(
            Path(folder),
            Path(arenas),
            net,
            shape=Shape(hosts, owners, int(proxy), tuple(zones)),
            settings=settings or {},
        )
        try:
            yield made
        finally:
            made.close()
