"""The ways between the tiers of a chain: by proxies, with certificates, found by discovery."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner

from tests.engines import needs_native
from tests.integration.tiers import NewNode, Tiers, Traffic
from tests.nodes import Node, free_address, nodes
from tests.unit.discovery.emulators import Consul, served
from tests.waiting import wait_until
from veneurpy.cli.ring import ring

pytestmark = [needs_native, pytest.mark.timeout(120)]

LEAD_S = 10


@pytest.fixture
def new_node() -> Iterator[NewNode]:
    with nodes() as new:
        yield new


class Certificates:
    """Of every node its own, in files that can be replaced."""

    def __init__(self, folder: Path, relays: Mapping[str, list[str]]) -> None:
        """`relays` has the proxies that a node takes batches from."""
        self._folder, self._relays = folder, relays
        self._authority = trustme.CA()
        self._names: list[str] = []

    def settings(self, name: str) -> dict[str, Any]:
        """For mutual TLS on both ends."""
        (self._folder / name).mkdir()
        self._names.append(name)
        self._write(name)
        ca, certificate, key = (str(path) for path in self._files(name))
        server = {"authority": ca, "certificate": certificate, "key": key}
        both: dict[str, Any] = {"tls": {"ca_file": ca, "cert_file": certificate, "key_file": key}}
        if not name.startswith("h"):
            both["grpc_tls"] = {**server, "relays": self._relays.get(name, [])}
        return both

    def replace(self) -> None:
        """From now on there is another authority, and nobody has a certificate of the old one."""
        self._authority = trustme.CA()
        for name in self._names:
            self._write(name)

    def _files(self, name: str) -> list[Path]:
        return [self._folder / name / part for part in ("ca.pem", "certificate.pem", "key.pem")]

    def _write(self, name: str) -> None:
        ca, certificate, key = self._files(name)
        issued = self._authority.issue_cert("127.0.0.1", name)
        issued.private_key_pem.write_to_path(key)
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self._authority.cert_pem.write_to_path(ca)


def test_proxies_and_certificates(tmp_path: Path, new_node: NewNode) -> None:
    """Proxies before both tiers, mutual TLS on every link; they die, and all certificates change.

    Processes that go on show the new ones, and trust them, when they connect again.
    """
    relays = {"z1": ["p1"], "z2": ["p1"], "t1": ["p2"], "t2": ["p2"]}
    (tmp_path / "tls").mkdir()
    files = Certificates(tmp_path / "tls", relays)

    def more(name: str) -> dict[str, Any]:
        above = {"late_window": "11m"} if name.startswith("t") else {}
        return files.settings(name) | above

    tiers = Tiers(tmp_path, new_node, tops=["t1", "t2"], has_proxies=True, more=more)
    traffic = Traffic(tiers, seed=1)
    traffic.round()
    traffic.round()
    files.replace()
    for node in (*tiers.proxies, tiers.tops[0]):
        node.kill()
        traffic.round()
        node.start()
    traffic.round()
    traffic.check()
    for node in tiers.nodes:
        assert [] == node.daemon.logged("sender_forged")
    told = [line["key"] for zone in tiers.zones for line in zone.daemon.logged("window_short")]
    assert {"accept_window"} == set(told), "what owners above say comes through a proxy"


@contextmanager
def consul_of(service: str) -> Iterator[tuple[str, Any]]:
    """Consul, as far as it is asked, in a thread: its address, and what sets the instances."""
    emulated, loop = Consul(), asyncio.new_event_loop()
    ended = asyncio.Event()
    address: list[str] = []
    is_up = threading.Event()

    async def serve() -> None:
        async with served(emulated.handle) as found:
            address.append(found)
            is_up.set()
            await ended.wait()
            emulated.set()

    def tell(**at: str) -> None:
        instances = [
            {"node": name, "passing": True, "address": host, "port": int(port)}
            for name, (host, _, port) in ((n, a.rpartition(":")) for n, a in at.items())
        ]
        loop.call_soon_threadsafe(lambda: emulated.set(*instances))

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="consul")
    thread.start()
    is_up.wait()
    try:
        yield address[0], tell
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def is_found(node: Node) -> bool:
    """Whether it reaches all members of its ring."""
    page = node.daemon.get("/api/v1/ring")
    return all(said["agrees"] for said in page["members"].values())


def ask(node: Node, *words: str) -> str:
    """What `veneurpy ring` says of a node."""
    command, *rest = words
    result = CliRunner().invoke(ring, [command, "--address", node.daemon.http, *rest])
    assert 0 == result.exit_code, result.output
    return result.output


def test_owners_above_move_and_become_more(
    tmp_path: Path, new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discovery tells zones where owners are; an operator makes another one a member, in traffic.

    Zones learn it from those above, and know it after they were killed.
    """
    found_by = {"kind": "consul", "service": "top"}
    members = {"t1": "", "t2": ""}

    def more(name: str) -> dict[str, Any]:
        way = {"members": members, "discovery": found_by}
        return {"z": {"chain": way}, "t": {"forward": way}}.get(name[0], {})

    with consul_of("top") as (address, tell):
        monkeypatch.setenv("CONSUL_HTTP_ADDR", address)
        tiers = Tiers(tmp_path, new_node, tops=["t1", "t2", "t3"], more=more)
        at = {node.folder.name: node.status()["grpc"]["address"] for node in tiers.tops}
        tell(t1=at["t1"], t2=at["t2"])
        traffic = Traffic(tiers, seed=2)
        traffic.round()
        first, _, new = tiers.tops
        first.kill()
        at["t1"] = free_address()
        tell(**at)
        first.start(grpc_address=at["t1"])
        traffic.round()
        wait_until(lambda: all(is_found(node) for node in tiers.tops), "they find one another")
        assert "t2: agrees" in ask(first, "show")
        assert "t3:   0.0%" in ask(first, "plan", "t1", "t2", "t3")
        assert "epoch 2 begins" in ask(first, "apply", "--in", str(LEAD_S), "t1", "t2", "t3")
        while not all(zone.status()["chain"]["epoch"] == 2 for zone in tiers.zones):
            traffic.round()
        zone = tiers.zones[0]
        zone.kill()
        zone.start()
        assert ["t1", "t2", "t3"] == zone.status()["chain"]["members"]
        assert ["z1", "z2"] == zone.status()["forward"]["members"]
        traffic.round()
        traffic.check()
    assert new.latest()
