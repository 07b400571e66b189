"""Hosts, owners and proxies in processes of their own, on the loopback interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
import trustme

from tests.engines import needs_native
from tests.interop.veneurs import Repeated, needs_veneur, veneur_global, veneur_host
from tests.nodes import Node, free_address, nodes
from tests.waiting import wait_until

pytestmark = needs_native

NewNode = Callable[..., Node]


@pytest.fixture
def new_node() -> Iterator[NewNode]:
    with nodes() as new:
        yield new


def broken(*all_nodes: Node) -> list[object]:
    """Equations of their ledgers that do not hold."""
    return [
        equation
        for node in all_nodes
        for accounts in node.ledger()["between_nodes"].values()
        for equation in accounts["equations"]
        if not equation["holds"]
    ]


def settled(*all_nodes: Node) -> bool:
    return all(node.is_idle for node in all_nodes)


def test_a_host_forwards_to_an_owner(tmp_path: Path, new_node: NewNode) -> None:
    """What concerns several hosts is published by the owner, the rest where it came in."""
    owner = new_node(tmp_path / "g1", grpc_address="127.0.0.1:0")
    host = new_node(tmp_path / "h1", forward_address=owner.status()["grpc"]["address"])
    host.send(*(f"t:{value}|ms" for value in range(1, 6)))
    host.send("c:2.5|c|#veneurglobalonly", "u:a|s", "u:b|s", "here:1|c")
    wait_until(lambda: owner.sum("u") == 2 and settled(host, owner), "it did not arrive")
    ours = {series.name: value for series, value in owner.latest().items()}
    assert {"t.50percentile": 3, "c": 2.5, "u": 2} == ours
    theirs = {series.name: value for series, value in host.latest().items()}
    assert {"t.max": 5, "t.min": 1, "t.count": 5, "here": 1} == theirs
    assert [] == broken(host, owner)


def test_an_owner_publishes_its_own_samples_with_those_of_others(
    tmp_path: Path, new_node: NewNode
) -> None:
    """There is one space of keys: a counter that both count is one point an interval."""
    owner = new_node(tmp_path / "g1", grpc_address="127.0.0.1:0")
    host = new_node(tmp_path / "h1", forward_address=owner.status()["grpc"]["address"])
    host.send("c:1|c|#veneurglobalonly")
    owner.send("c:2|c|#veneurglobalonly", "here:1|c")
    wait_until(lambda: owner.sum("c") == 3 and settled(host, owner), "it did not arrive")
    assert 1 == owner.sum("here")
    assert [] == broken(host, owner)


def test_deaths_lose_nothing_and_count_nothing_twice(tmp_path: Path, new_node: NewNode) -> None:
    """An owner dies in the midst of it, then a host: what was aggregated is published once."""
    owner = new_node(tmp_path / "g1", grpc_address=free_address())
    host = new_node(tmp_path / "h1", forward_address=owner.status()["grpc"]["address"])
    sent = 0
    for dying in (owner, host, owner):
        for _ in range(20):
            host.send("c:1|c|#veneurglobalonly")
            sent += 1
        wait_until(lambda: host.ledger()["total"]["listeners"] != {}, "nothing was read")
        wait_until(lambda: host.status()["forward"]["accounts"]["encoded"]["batches"] > 0, "encode")
        dying.kill()
        dying.start()
    wait_until(lambda: owner.sum("c") == sent and settled(host, owner), f"not {sent}")
    assert [] == broken(host, owner)


def test_a_ring_behind_a_proxy(tmp_path: Path, new_node: NewNode) -> None:
    """A host that knows the proxy only reaches every owner, each with its share of the series."""
    addresses = {name: free_address() for name in ("g1", "g2")}
    ring = {"members": addresses}
    owners = [
        new_node(tmp_path / name, grpc_address=address, forward=ring)
        for name, address in addresses.items()
    ]
    proxy = new_node(tmp_path / "p1", grpc_address="127.0.0.1:0", forward=ring, metric_sinks=[])
    host = new_node(tmp_path / "h1", forward_address=proxy.status()["grpc"]["address"])
    names = [f"c{number}" for number in range(40)]
    host.send(*(f"{name}:1|c|#veneurglobalonly" for name in names))

    def published() -> int:
        return sum(len(owner.latest()) for owner in owners)

    wait_until(lambda: published() == len(names) and settled(host, proxy, *owners), "not all")
    assert all(owner.latest() for owner in owners)
    assert names == sorted(
        (series.name for owner in owners for series in owner.latest()), key=lambda n: int(n[1:])
    )
    assert [] == broken(host, proxy, *owners)


def test_the_ring_grows_in_traffic(tmp_path: Path, new_node: NewNode) -> None:
    """A new member gets its share from an agreed interval on, and every count arrives once."""
    addresses = {name: free_address() for name in ("g1", "g2")}
    ring = {"members": {"g1": addresses["g1"]}, "addresses": {"g2": addresses["g2"]}}
    old, new = (
        new_node(tmp_path / name, grpc_address=address, forward=ring)
        for name, address in addresses.items()
    )
    names = [f"c{number}" for number in range(20)]
    old.send(*(f"{name}:1|c|#veneurglobalonly" for name in names))
    page = old.post("/api/v1/ring/apply", {"members": ["g1", "g2"], "lead_s": 10})
    assert 2 == page["epoch"]["number"]
    wait_until(lambda: new.status()["forward"]["epoch"] == 2, "the epoch did not begin")
    for node in (old, new):
        node.send(*(f"{name}:1|c|#veneurglobalonly" for name in names))
    wait_until(lambda: all(old.sum(n) + new.sum(n) == 3 for n in names), "not all arrived")
    assert new.latest()
    assert [] == broken(old, new)


@needs_veneur
def test_a_veneur_forwards_to_an_owner(tmp_path: Path, new_node: NewNode) -> None:
    """Its percentiles, sets and global counters are published here with the right values."""
    owner = new_node(tmp_path / "g1", grpc_address="127.0.0.1:0")
    with veneur_host(tmp_path, owner.status()["grpc"]["address"]) as host:
        host.send(*(f"t:{value}|ms" for value in (1, 2, 7, 8, 100)))
        host.send("c:3|c|#veneurglobalonly", "u:a|s", "u:b|s")
        wait_until(
            lambda: {"t.50percentile", "c", "u"} <= {s.name for s in owner.latest()},
            "it did not arrive",
        )
    values = {series.name: value for series, value in owner.latest().items()}
    assert {"t.50percentile": 6, "c": 3, "u": 2} == values
    assert [] == broken(owner)


@needs_veneur
def test_a_host_forwards_to_a_veneur(tmp_path: Path, new_node: NewNode) -> None:
    """It is found out to be one, and publishes what was sent."""
    sink = Repeated()
    with veneur_global(tmp_path, sink) as there:
        host = new_node(tmp_path / "h1", forward_address=there.grpc_address)
        host.send("c:3|c|#veneurglobalonly", *(f"t:{value}|ms" for value in (1, 2, 7, 8, 100)))
        lines = sink.until("c", "t.50percentile")
        wait_until(lambda: host.is_idle, "it still waits")
    sink.close()
    assert {"c:3|c|#", "t.50percentile:6|g|#"} <= lines
    assert [] == broken(host)


def test_who_keeps_nothing_waits_at_the_end(tmp_path: Path, new_node: NewNode) -> None:
    """Without `state_dir` a host that is stopped ends when its owner has committed everything."""
    in_memory = {"state_dir": "", "arena_dir": ""}
    owner = new_node(tmp_path / "g1", grpc_address="127.0.0.1:0", **in_memory)
    address = owner.status()["grpc"]["address"]
    host = new_node(tmp_path / "h1", forward_address=address, interval="500ms", **in_memory)
    host.send("c:7|c|#veneurglobalonly")
    wait_until(lambda: host.daemon.get("/api/v1/top")["names"] != [] or owner.sum("c") > 0, "read")
    assert 0 == host.daemon.stop()
    assert [] == host.daemon.logged("batches_lost")
    wait_until(lambda: owner.sum("c") == 7, "it did not arrive")
    assert [] == broken(owner)


def certified(folder: Path, authority: trustme.CA, name: str) -> dict[str, str]:
    """The files of a node on the loopback interface with a certificate of its name."""
    shown = {part: folder / f"{name}-{part}.pem" for part in ("ca", "cert", "key")}
    issued = authority.issue_cert("127.0.0.1", name)
    authority.cert_pem.write_to_path(shown["ca"])
    issued.private_key_pem.write_to_path(shown["key"])
    shown["cert"].write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return {part: str(path) for part, path in shown.items()}


def test_mutual_tls(tmp_path: Path, new_node: NewNode) -> None:
    """A host with a certificate of its name is taken; without one, or with another's, it is not."""
    files = certified(tmp_path, trustme.CA(), "h1")
    owner = new_node(
        tmp_path / "g1",
        grpc_address="127.0.0.1:0",
        grpc_tls={
            "certificate": files["cert"],
            "key": files["key"],
            "authority": files["ca"],
        },
    )
    address = owner.status()["grpc"]["address"]
    nobody = new_node(tmp_path / "h0", forward_address=address, tls={"ca_file": files["ca"]})
    known = {"ca_file": files["ca"], "cert_file": files["cert"], "key_file": files["key"]}
    host = new_node(tmp_path / "h1", forward_address=address, tls=known)
    liar = new_node(tmp_path / "h2", forward_address=address, tls=known)
    nobody.send("c:100|c|#veneurglobalonly")
    liar.send("c:10|c|#veneurglobalonly")
    host.send("c:1|c|#veneurglobalonly")
    wait_until(lambda: owner.sum("c") > 0, "it did not arrive")
    wait_until(lambda: nobody.daemon.logged("peer_failed") != [], "it was not refused")
    wait_until(lambda: liar.daemon.logged("owner_refuses") != [], "it was not refused")
    assert {("127.0.0.1,h1", "h2")} == {
        (line["certificate"], line["sender"]) for line in owner.daemon.logged("sender_forged")
    }
    assert 1 == owner.sum("c")


def test_only_admins_change_the_ring(tmp_path: Path, new_node: NewNode) -> None:
    """A member that is not named changes nothing, not even at itself; one that is does."""
    authority = trustme.CA()
    addresses = {name: free_address() for name in ("g1", "g2")}

    def member(name: str) -> Node:
        files = certified(tmp_path, authority, name)
        asked = {"certificate": files["cert"], "key": files["key"], "authority": files["ca"]}
        return new_node(
            tmp_path / name,
            grpc_address=addresses[name],
            forward={"members": addresses},
            grpc_tls=asked | {"ring_admins": ["g1"]},
            tls={"ca_file": files["ca"], "cert_file": files["cert"], "key_file": files["key"]},
        )

    admin, other = member("g1"), member("g2")
    change = {"members": ["g1"], "lead_s": 10}
    with pytest.raises(HTTPError) as refused:
        other.post("/api/v1/ring/apply", change)
    assert "nothing was changed: g1: " in (said := refused.value.read().decode())
    assert "PERMISSION_DENIED" in said
    wait_until(lambda: admin.daemon.logged("ring_change_refused") != [], "it was not told of")
    (told,) = admin.daemon.logged("ring_change_refused")
    assert "127.0.0.1,g2" == told["certificate"]
    assert [1, 1] == [len(node.daemon.get("/api/v1/ring")["epochs"]) for node in (admin, other)]
    assert ["g1", "g2"] == admin.post("/api/v1/ring/apply", change)["adopted_by"]
    assert [2, 2] == [len(node.daemon.get("/api/v1/ring")["epochs"]) for node in (admin, other)]
