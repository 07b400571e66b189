"""Hosts, owners and a proxy as real processes on loopback, each way between them a link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


class Fleet:
    """Nodes `h0`…, `g0`… and, if wanted, the proxy `p`, through which some hosts send."""

    def __init__(
        self,
        folder: Path,
        arenas: Path,
        net: Network,
        *,
        shape: tuple[int, int, int],
        settings: Mapping[str, Any],
    ) -> None:
        """`shape` is how many hosts, owners and proxies (0 or 1)."""
        hosts, owners, proxies = shape
        self.net = net
        self.links: dict[tuple[str, str], Link] = {}
        self._folder, self._arenas, self._settings = folder, arenas, settings
        self._members = [f"g{i}" for i in range(owners)]
        self.owners = [self._node(name, self._owner(name)) for name in self._members]
        self.others: list[Node] = []
        self.proxies = [self._node("p", self._proxy("p")) for _ in range(proxies)]
        self.hosts = [
            self._node(f"h{i}", self._host(f"h{i}", WAYS[i % len(WAYS)] if proxies else "ring"))
            for i in range(hosts)
        ]

    @property
    def nodes(self) -> list[Node]:
        """All of them."""
        return [*self.owners, *self.proxies, *self.hosts, *self.others]

    @property
    def members(self) -> list[str]:
        """The names of the owners."""
        return list(self._members)

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
        return {
            "grpc_address": "127.0.0.1:0",
            "global_hold": f"{INTERVAL_S * 1000:g}ms",
            "forward": {"members": self._addresses(name)},
        }

    def _proxy(self, name: str) -> dict[str, Any]:
        return {"grpc_address": "127.0.0.1:0", "forward": {"members": self._addresses(name)}}

    def _host(self, name: str, way: Way) -> dict[str, Any]:
        if way == "ring":
            return {"forward": {"members": self._addresses(name)}}
        if way == "owner":
            return {"forward_address": f"127.0.0.1:{self._link(name, self._members[0]).port}"}
        port = self._link(name, "p").port
        return {"forward": {"members": dict.fromkeys(self._members, f"127.0.0.1:{port}")}}

    def _addresses(self, name: str) -> dict[str, str]:
        return {there: f"127.0.0.1:{self._link(name, there).port}" for there in self._members}

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
    forward, owner = status["forward"], status["owner"]
    if forward and forward["accounts"]["pending"]["batches"]:
        return False
    if owner and (owner["open"] or owner["late"]):
        return False
    waits = status["spool"]["intervals"] or any(sink["pending_points"] for sink in status["sinks"])
    return not waits


@contextmanager
def fleet(
    *, hosts: int, owners: int, proxy: bool, settings: Mapping[str, Any] | None = None
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
            shape=(hosts, owners, int(proxy)),
            settings=settings or {},
        )
        try:
            yield made
        finally:
            made.close()
