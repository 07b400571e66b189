"""Name servers are asked one after the other, those of the configuration or of the system."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import dns.resolver
import pytest

from tests.nameserver import Trouble, has_ipv6, nameserver
from veneurpy.discovery import _resolver
from veneurpy.discovery._resolver import Resolver
from veneurpy.discovery._watch import LookupFailed

ZONE = ("a.test 30 A 10.0.0.1",)


async def address_of(name: str, resolver: Resolver) -> str:
    """The one address of a name."""
    (record,) = (await resolver.ask(name, "A")).data
    return str(record.address)


@pytest.mark.parametrize("trouble", ["silent", "SERVFAIL", "REFUSED"])
async def test_the_next_server_is_asked(trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one does not answer, or says that it cannot, whatever their number."""
    monkeypatch.setattr(_resolver, "PATIENCE_S", 0.5)
    monkeypatch.setattr(_resolver, "PATIENCE_EACH_S", 0.2)
    with nameserver() as first, nameserver(*ZONE) as second:
        first.trouble = trouble
        servers = [(first.host, first.port)] * 3 + [(second.host, second.port)]
        assert "10.0.0.1" == await address_of("a.test", Resolver(servers))
        assert (3, 1) == (len(first.asked), len(second.asked))


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("silent", "timeout"),
        ("SERVFAIL", "failed"),
        ("REFUSED", "failed"),
        ("NXDOMAIN", "no_name"),
    ],
)
async def test_reasons(trouble: Trouble, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why a look-up failed is one of few words."""
    assert trouble in get_args(Trouble)
    monkeypatch.setattr(_resolver, "PATIENCE_S", 0.2)
    monkeypatch.setattr(_resolver, "PATIENCE_EACH_S", 0.1)
    with nameserver(*ZONE) as server:
        server.trouble = trouble
        with pytest.raises(LookupFailed) as raised:
            await Resolver([(server.host, server.port)]).ask("a.test", "A")
    assert reason == raised.value.reason


async def test_what_was_cut_short_is_asked_for_by_tcp() -> None:
    """The whole answer is the one that counts."""
    with nameserver(*ZONE) as server:
        server.trouble = "truncated"
        assert "10.0.0.1" == await address_of("a.test", Resolver([(server.host, server.port)]))
        assert ["udp", "tcp"] == [protocol for _, _, protocol in server.asked]


@pytest.mark.parametrize(("number", "ways"), [(50, ["udp"]), (300, ["udp", "tcp"])])
async def test_long_answers(number: int, ways: list[str]) -> None:
    """One that is longer than of old, and fits into one packet of every network, comes by UDP."""
    zone = [f"a.test 30 A 10.0.{n // 100}.{n % 100}" for n in range(number)]
    with nameserver(*zone) as server:
        records = await Resolver([(server.host, server.port)]).ask("a.test", "A")
        assert number == len(records.data)
        assert ways == [protocol for _, _, protocol in server.asked]


async def test_aliases_in_a_circle() -> None:
    """They are a failure, and have an end."""
    with (
        nameserver("a.test 30 CNAME b.test", "b.test 30 CNAME a.test") as server,
        pytest.raises(LookupFailed) as raised,
    ):
        await Resolver([(server.host, server.port)]).ask("a.test", "A")
    assert "failed" == raised.value.reason


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on loopback")
async def test_a_server_at_an_ipv6_address() -> None:
    """It is asked at its port, by UDP and by TCP."""
    with nameserver(*ZONE, host="::1") as server:
        server.trouble = "truncated"
        assert "10.0.0.1" == await address_of("a.test", Resolver([(server.host, server.port)]))


async def test_the_file_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its domains are searched, and it is read again when it has changed."""
    file = tmp_path / "resolv.conf"
    monkeypatch.setattr(_resolver, "SYSTEM_FILE", str(file))
    resolver = Resolver()
    with pytest.raises(LookupFailed, match="cannot open"):
        await resolver.ask("a", "A")
    reset = dns.resolver.BaseResolver.reset
    with nameserver(*ZONE) as server:

        def reset_with_port(resolver: dns.resolver.BaseResolver) -> None:
            reset(resolver)
            resolver.port = server.port

        monkeypatch.setattr(dns.resolver.BaseResolver, "reset", reset_with_port)
        file.write_text(f"search else test\nnameserver {server.host}\n")
        assert "10.0.0.1" == await address_of("a", resolver)
        assert ["a.else", "a.test"] == [name for name, _, _ in server.asked]
