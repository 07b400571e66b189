"""A host finds its owners by name servers: they move, and the servers fail, amid real traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from datadog.dogstatsd.base import DogStatsd

from tests.engines import needs_native
from tests.integration.tiers import LOSSES, NAMES, NewNode
from tests.nameserver import NameServer, Trouble, has_ipv6, nameserver
from tests.nodes import Node, free_address, nodes
from tests.waiting import wait_until

pytestmark = [needs_native, pytest.mark.timeout(120)]

SERVICE = "_grpc._tcp.test"


@pytest.fixture
def new_node() -> Iterator[NewNode]:
    with nodes() as new:
        yield new


class Fleet:
    """A host and two owners that are found by name servers, under the official client."""

    def __init__(
        self, folder: Path, new_node: NewNode, at: Mapping[str, str], ring: Mapping[str, Any]
    ) -> None:
        """`at` has where the owners listen."""
        with ThreadPoolExecutor() as pool:
            owners = {
                name: pool.submit(new_node, folder / name, grpc_address=address, forward=ring)
                for name, address in at.items()
            }
            self.host = new_node(folder / "h", forward=ring)
            self.owners = {name: started.result() for name, started in owners.items()}
        self._client = DogStatsd(
            "127.0.0.1",
            self.host.daemon.port,
            disable_telemetry=True,
            disable_buffering=True,
            constant_tags=["veneurglobalonly"],
        )
        self._sent = 0

    @property
    def nodes(self) -> list[Node]:
        """Who sends first."""
        return [self.host, *self.owners.values()]

    def send(self) -> None:
        """One more of every counter, and an interval of the host with them."""
        before = self.host.ledger()["intervals"]
        for name in NAMES:
            self._client.increment(name)
        self._client.close_socket()
        self._sent += 1
        wait_until(lambda: self.host.ledger()["intervals"] > before, "an interval closes")

    def check(self) -> None:
        """Waits until the owners have published all that was sent: no more, and nothing is lost."""
        wait_until(
            lambda: min(self._sums()) >= self._sent and all(node.is_idle for node in self.nodes),
            f"{self._sent} of each counter arrive",
        )
        assert [self._sent] * len(NAMES) == self._sums()
        for node in self.nodes:
            page = node.status()["forward"]
            assert [] == [word for word in LOSSES if page["accounts"][word]]
            assert (1, ["g1", "g2"]) == (page["epoch"], page["members"])

    def move(self, name: str, address: str, tell: Callable[[], None]) -> None:
        """An owner dies, name servers are told, and it starts at another address, amid traffic."""
        self.owners[name].kill()
        self.send()
        tell()
        self.owners[name].start(grpc_address=address)
        self.send()

    def send_while(self, server: NameServer, trouble: Trouble, reason: str) -> None:
        """A name server fails until the host has said so; what is sent meanwhile arrives."""
        server.trouble = trouble
        while reason not in self.failures():
            self.send()
        self.check()
        server.trouble = ""

    def failures(self) -> set[str]:
        """Why the host could not look up."""
        return {line["reason"] for line in self.host.daemon.logged("discovery_failed")}

    def _sums(self) -> list[float]:
        return [sum(owner.sum(name) for owner in self.owners.values()) for name in NAMES]


def test_owners_at_hosts(tmp_path: Path, new_node: NewNode) -> None:
    """Their records change; the one name server says there are none, and falls silent."""
    ports = [free_address().rpartition(":")[2] for _ in range(2)]
    members = {name: f"{name}.test:{port}" for name, port in zip(("g1", "g2"), ports, strict=True)}
    second = "g2.test 1 AAAA ::1" if has_ipv6() else "g2.test 1 A 127.0.0.1"
    at = {"g1": f"127.0.0.1:{ports[0]}", "g2": f"{host_of(second)}:{ports[1]}"}
    with nameserver("g1.test 1 A 127.0.0.1", second) as server:
        found_by = {"kind": "dns", "nameservers": [server.address]}
        fleet = Fleet(tmp_path, new_node, at, {"members": members, "discovery": found_by})
        fleet.send()
        fleet.check()
        fleet.send_while(server, "NXDOMAIN", "no_name")
        server.trouble, asked = "silent", len(server.asked)
        moved = partial(server.set, "g1.test 0 CNAME g.test", "g.test 9 A 127.0.0.2", second)
        fleet.move("g1", f"127.0.0.2:{ports[0]}", moved)
        wait_until(lambda: len(server.asked) > asked, "it is asked in vain")
        server.trouble = ""
        fleet.check()


def test_owners_of_a_service(tmp_path: Path, new_node: NewNode) -> None:
    """Their SRV records change, lack one and have a stranger; servers fail or cut them short."""
    at = {name: free_address() for name in ("g1", "g2")}
    ring: dict[str, Any] = {"members": dict.fromkeys(at, "")}
    with nameserver(*zone_of(at)) as first, nameserver(*zone_of(at)) as second:
        servers = [server.address for server in (first, second)]
        ring["discovery"] = {"kind": "dns", "service": SERVICE, "nameservers": servers}
        fleet = Fleet(tmp_path, new_node, at, ring)
        fleet.send()
        fleet.check()
        first.trouble = "SERVFAIL"
        fleet.send_while(second, "SERVFAIL", "failed")
        first.trouble, second.trouble = "silent", "truncated"
        moved = {name: free_address() for name in ("g1", "g9")}
        fleet.move("g1", moved["g1"], lambda: second.set(*zone_of(moved)))
        fleet.check()
        assert "tcp" in {protocol for _, _, protocol in second.asked}


def host_of(record: str) -> str:
    """Of an address record, as addresses have it."""
    host = record.split()[-1]
    return f"[{host}]" if ":" in host else host


def zone_of(at: Mapping[str, str]) -> list[str]:
    """The records of a service whose members are there."""
    zone = []
    for name, address in at.items():
        host, _, port = address.rpartition(":")
        zone += [f"{SERVICE} 1 SRV 0 0 {port} {name}.test", f"{name}.test 1 A {host}"]
    return zone
