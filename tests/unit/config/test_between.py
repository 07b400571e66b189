"""What the settings of forwarding and owning demand of one another."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Complain, Load
from veneurpy.config.ring import Ring

OWNER = "grpc_address: :8128\n"
DISK = "state_dir: /s\narena_dir: /a\n"
CHAIN = OWNER + DISK + "chain: {members: {t1: 'b:1'}}\n"


def test_roles(load: Load) -> None:
    """Sinks tell an owner from a proxy; who only forwards is neither."""
    proxy = "grpc_address: :1\nforward_address: a:1"
    owner, host = load(OWNER).config, load("forward_address: a:1").config
    assert (True, False) == (owner.owns, owner.forwards)
    assert (False, True) == (host.owns, host.forwards)
    assert load(proxy).config.owns
    assert not load(proxy, bare=True).config.owns
    assert [] == load(proxy, bare=True).warnings


def test_a_chain_is_an_owner_without_sinks(load: Load) -> None:
    """Alone, and with owners beside it, where it would be a proxy otherwise."""
    for ring in ("", "forward: {members: {z1: 'a:1', z2: 'a:2'}}"):
        found = load(CHAIN + ring, bare=True)
        assert found.config.owns
        assert [] == found.warnings


def test_the_hold_follows_the_interval(load: Load) -> None:
    """Half of it, but at least 2 s, if it is not given."""
    assert 5.0 == load(OWNER).config.global_hold_s
    assert 2.0 == load(OWNER + "interval: 1s").config.global_hold_s
    assert 0.2 == load(OWNER + "interval: 200ms\nglobal_hold: 200ms").config.global_hold_s


def test_tags_may_be_written_shortly(load: Load) -> None:
    """As a key, or as the beginning of one."""
    ring = load('forward: {members: {g1: "a:1"}, ignore_tags: [pod, "shard*"]}').config.forward
    assert ring is not None
    assert [("exact", "pod"), ("prefix", "shard")] == [(t.kind, t.value) for t in ring.ignore_tags]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("forward_address: a", 'expected "host:port"', id="no port"),
        pytest.param("forward_address: :1", "expected a host and a port", id="no host"),
        pytest.param("forward_address: a:0", "expected a host and a port", id="port 0"),
        pytest.param(
            "forward_address: a:1\nforward: {members: {g1: 'a:1'}}", "two ways", id="two ways"
        ),
        pytest.param("forward: {epoch: 2}", '"forward" needs "members"', id="no members"),
        pytest.param("forward: {members: {}}", "at least one member", id="empty members"),
        pytest.param("forward: {members: {g1: }}", 'g1: expected "host:port"', id="no address"),
        pytest.param(
            "forward: {members: {g1: }, discovery: {kind: consul}}", 'needs "service"', id="service"
        ),
        pytest.param("forward: {members: {'a b': 'a:1'}}", "without spaces", id="name"),
        pytest.param("node_name: a,b", "without spaces and commas", id="node name"),
        pytest.param("forward_address: a:1\ntls: {cert_file: /c}", "go together", id="client"),
        pytest.param(OWNER + "grpc_tls: {authority: /a}", '"certificate" and "key"', id="server"),
        pytest.param(
            OWNER + "grpc_tls: {certificate: /a, key: /b, ring_admins: [g1]}",
            '"ring_admins" needs "authority"',
            id="admins without certificates",
        ),
        pytest.param(OWNER + "global_hold: 31s", "31s is more than three", id="hold"),
        pytest.param(OWNER + "interval: 200ms", "2s is more than three", id="default hold"),
        pytest.param("forward_address: a:1\ninterval: 10.5ms", "whole milliseconds", id="ms"),
        pytest.param("chain: {epoch: 2}", '"chain" needs "members"', id="no members of the chain"),
        pytest.param(CHAIN.replace(OWNER, ""), 'needs "grpc_address"', id="chain of a host"),
        pytest.param(CHAIN.replace(DISK, ""), 'needs "state_dir"', id="no disk"),
        pytest.param(
            CHAIN + "forward_address: a:1", '"forward_address" out', id="no ring of its own"
        ),
        pytest.param(CHAIN + "node_name: t1", "t1: it belongs to this node's own", id="to itself"),
        pytest.param(
            CHAIN + "forward: {members: {z1: 'a:1', t1: 'a:2'}}", "t1: it belongs", id="to its tier"
        ),
        pytest.param("grpc_address: 8128", '"0.0.0.0:8128"', id="a number"),
    ],
)
def test_contradictions_are_mistakes(text: str, says: str, complain: Complain) -> None:
    """Each is said with its place and what was expected."""
    assert says.strip('"') in complain(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tls: {ca_file: /a}", '"tls" has no effect without "forward_address"'),
        ("grpc_tls: {certificate: /a, key: /b}", '"grpc_tls" has no effect without "grpc_address"'),
    ],
)
def test_what_secures_nothing_is_warned_about(text: str, says: str, load: Load) -> None:
    """Certificates where nothing is sent or received."""
    assert [f"f.yaml:3:1: {says}"] == load(text).warnings


DNS = """\
forward:
  members: {g1: "a:1"}
  discovery:
    kind: dns
    nameservers: [%s]
"""


def test_nameservers(load: Load) -> None:
    """IPv4 and IPv6 addresses, with the port of DNS if there is none."""
    ring = load(DNS % '"127.0.0.1:8600", "[::1]:8600", 10.0.0.2, "[fd00::2]"').config.forward
    assert ring is not None
    assert ["127.0.0.1:8600", "[::1]:8600", "10.0.0.2:53", "[fd00::2]:53"] == [
        str(server) for server in ring.discovery.nameservers
    ]
    assert () == Ring().discovery.nameservers


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("consul:8600", "expected the IP address of a name server"),
        ("10.0.0.300:53", "expected the IP address of a name server"),
        ("127.0.0.1:", "expected the IP address of a name server"),
        (":53", "expected the IP address of a name server"),
        ("[fe80::1%eth0]:53", "expected the IP address of a name server"),
        ("[10.0.0.1]:53", "expected the IP address of a name server"),
        ("8600", "expected the IP address of a name server"),
        ("::1", "an IPv6 address needs brackets"),
        ("::1:8600", "an IPv6 address needs brackets"),
        ("10.0.0.1:0", "expected a port from 1 to 65535"),
        ("[::1]:65536", "expected a port from 1 to 65535"),
    ],
)
def test_what_is_no_nameserver(server: str, says: str, complain: Complain) -> None:
    """It is said where in the list it stands; a name would have to be looked up itself."""
    where = "forward.discovery.nameservers[1]"
    assert f"f.yaml:7:32: {where}: {says}" in complain(DNS % f'"127.0.0.1", "{server}"')


def test_nameservers_of_another_discovery(load: Load) -> None:
    """Only DNS asks them."""
    text = DNS.replace("kind: dns", "kind: consul\n    service: global") % "127.0.0.1"
    said = 'forward.discovery: "nameservers" has no effect without `kind: dns`'
    assert [f"f.yaml:8:5: {said}"] == load(text).warnings
