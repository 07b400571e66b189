"""Members are found by name servers, in time, and stay known when these do not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from tests.nameserver import NameServer, nameserver
from tests.unit.discovery.following import Rig
from veneurpy.discovery.dns import DnsDiscovery
from veneurpy.testing import FakeClock

SERVICE = "_grpc._tcp.test"


@pytest.fixture
def server() -> Iterator[NameServer]:
    with nameserver() as found:
        yield found


class Asking:
    """A discovery under way: what it says, and what it does as time passes."""

    def __init__(self, server: NameServer, **wanted: Any) -> None:
        self.rig = Rig()
        self.clock: FakeClock = self.rig.clock
        self.known: list[dict[str, str]] = []
        """Each answer so far."""
        self._server = server
        self._discovery = DnsDiscovery(
            clock=self.clock,
            telemetry=self.rig.telemetry,
            nameservers=[(server.host, server.port)],
            **wanted,
        )
        self._task = asyncio.create_task(self._follow())

    async def settle(self) -> None:
        """Returns when it waits for time to pass."""
        await self.clock.sleepers(1)

    async def after(self, seconds: float) -> list[str]:
        """Which names it asks for when so much time has passed, whatever their kind, in order."""
        await self.settle()
        asked = len(self._server.asked)
        self.clock.advance(seconds)
        await asyncio.sleep(0)
        await self.settle()
        return sorted({name for name, _, _ in self._server.asked[asked:]})

    async def close(self) -> None:
        """Ends it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async with aclosing(self._discovery.addresses()) as answers:
            async for answer in answers:
                self.known.append(dict(answer))


Ask = Callable[..., Asking]


@pytest.fixture
async def ask(server: NameServer) -> AsyncIterator[Ask]:
    """Begins discoveries that end with the test."""
    begun: list[Asking] = []

    def begin(**wanted: Any) -> Asking:
        begun.append(Asking(server, **wanted))
        return begun[-1]

    yield begin
    for asking in begun:
        await asking.close()


async def test_hosts_are_asked_for_when_their_time_has_passed(server: NameServer, ask: Ask) -> None:
    """A and AAAA records are addresses; each name is asked for by its own TTL, and no sooner."""
    server.set("a.test 30 A 10.0.0.1", "b.test 60 AAAA fd00::1")
    asking = ask(hosts={"a": "a.test:8128", "b": "b.test:8129"})
    await asking.settle()
    server.set("a.test 30 A 10.0.0.2", "b.test 60 AAAA fd00::2")
    assert [] == await asking.after(29.9)
    assert ["a.test"] == await asking.after(0.1)
    assert ["a.test", "b.test"] == await asking.after(30)
    assert [
        {"a": "10.0.0.1:8128", "b": "[fd00::1]:8129"},
        {"a": "10.0.0.2:8128", "b": "[fd00::1]:8129"},
        {"a": "10.0.0.2:8128", "b": "[fd00::2]:8129"},
    ] == asking.known


@pytest.mark.parametrize(
    ("records", "again_s"),
    [
        pytest.param(["a.test 0 A 10.0.0.1"], 1, id="none"),
        pytest.param(["a.test 2147483647 A 10.0.0.1"], 300, id="huge"),
        pytest.param(["a.test 7 CNAME b.test", "b.test 200 A 10.0.0.1"], 7, id="alias"),
        pytest.param(
            ["a.test 200 CNAME b.test", "b.test 9 CNAME c.test", "c.test 200 A 10.0.0.1"],
            9,
            id="alias of an alias",
        ),
    ],
)
async def test_time_to_live(
    server: NameServer, ask: Ask, records: list[str], again_s: float
) -> None:
    """It is asked again after the shortest TTL on the way, but from 1 s to 5 min."""
    server.set(*records)
    asking = ask(hosts={"a": "A.Test:1"})
    assert [] == await asking.after(again_s - 0.5)
    assert ["a.test"] == [name.lower() for name in await asking.after(0.5)]
    assert [{"a": "10.0.0.1:1"}] == asking.known


async def test_a_name_that_fails_is_asked_for_more_and_more_rarely(
    server: NameServer, ask: Ask
) -> None:
    """It keeps its address, and the others are asked for as if it were not there."""
    server.set("a.test 30 A 10.0.0.1", "b.test 40 A 10.0.0.2")
    asking = ask(hosts={"a": "a.test:1", "b": "b.test:1"})
    await asking.settle()
    server.set("b.test 300 A 10.0.0.3")
    assert ["a.test"] == await asking.after(30)
    for pause_s in (1, 2, 4):
        assert [] == await asking.after(pause_s - 0.5)
        assert ["a.test"] == await asking.after(0.5)
    assert ["b.test"] == await asking.after(3)
    for pause_s in (5, 16, 30, 30):
        assert ["a.test"] == await asking.after(pause_s)
    server.set("a.test 30 A 10.0.0.4")
    assert ["a.test"] == await asking.after(30)
    assert [
        {"a": "10.0.0.1:1", "b": "10.0.0.2:1"},
        {"a": "10.0.0.1:1", "b": "10.0.0.3:1"},
        {"a": "10.0.0.4:1", "b": "10.0.0.3:1"},
    ] == asking.known
    assert {"no_name"} == set(asking.rig.failures())
    server.set()
    await asking.after(30)
    assert ["a.test"] == await asking.after(1), "after a success it begins with 1 s again"


async def test_addresses_are_not_asked_for(server: NameServer, ask: Ask) -> None:
    """Where a host is an address, it is taken as it is."""
    asking = ask(hosts={"a": "10.0.0.1:1", "b": "[fd00::1]:2"})
    assert [] == await asking.after(300)
    assert [{"a": "10.0.0.1:1", "b": "[fd00::1]:2"}] == asking.known
    assert ([], []) == (server.asked, asking.rig.failures())


async def test_nobody_is_known_yet(server: NameServer, ask: Ask) -> None:
    """Nothing is said before something is found; names without addresses are counted."""
    server.set("a.test 30 TXT nothing")
    asking = ask(hosts={"a": "a.test:1"})
    await asking.settle()
    assert ([], ["empty"]) == (asking.known, asking.rig.failures())
    server.set("a.test 30 A 10.0.0.1")
    await asking.after(1)
    assert [{"a": "10.0.0.1:1"}] == asking.known


async def test_a_service(server: NameServer, ask: Ask) -> None:
    """Its records name members by the first label of their target, each with its port."""
    server.set(
        f"{SERVICE} 30 SRV 0 0 8128 g-0.test",
        f"{SERVICE} 30 SRV 0 0 8129 G-1.test",
        "g-0.test 200 A 10.0.0.1",
        "g-1.test 90 AAAA fd00::1",
    )
    asking = ask(service=SERVICE)
    await asking.settle()
    server.set(
        f"{SERVICE} 200 SRV 0 0 8130 g-0.TEST",
        f"{SERVICE} 200 SRV 0 0 8129 g-1.test",
        "g-0.test 200 A 10.0.0.1",
        "g-1.test 200 AAAA fd00::2",
    )
    assert [SERVICE] == await asking.after(30)
    assert ["g-1.test"] == await asking.after(60)
    assert [
        {"g-0": "10.0.0.1:8128", "g-1": "[fd00::1]:8129"},
        {"g-0": "10.0.0.1:8130", "g-1": "[fd00::1]:8129"},
        {"g-0": "10.0.0.1:8130", "g-1": "[fd00::2]:8129"},
    ] == asking.known


async def test_one_target_that_is_not_found_holds_up_no_other(server: NameServer, ask: Ask) -> None:
    """The others are followed, and so is the port of the one whose address is not found."""
    server.set(
        f"{SERVICE} 30 SRV 0 0 1 a.test",
        f"{SERVICE} 30 SRV 0 0 1 b.test",
        "a.test 30 A 10.0.0.1",
        "b.test 30 A 10.0.0.2",
    )
    asking = ask(service=SERVICE)
    await asking.settle()
    server.set(
        f"{SERVICE} 30 SRV 0 0 2 a.test",
        f"{SERVICE} 30 SRV 0 0 1 b.test",
        f"{SERVICE} 30 SRV 0 0 1 c.test",
        "b.test 30 A 10.0.0.3",
    )
    await asking.after(30)
    assert {"a": "10.0.0.1:2", "b": "10.0.0.3:1"} == asking.known[-1]
    assert {"no_name"} == set(asking.rig.failures())


async def test_a_service_that_cannot_be_asked_for(server: NameServer, ask: Ask) -> None:
    """Its members stay, and the hosts that they had are followed meanwhile."""
    server.set(f"{SERVICE} 30 SRV 0 0 1 a.test", "a.test 30 A 10.0.0.1")
    asking = ask(service=SERVICE)
    await asking.settle()
    server.set("a.test 30 A 10.0.0.2")
    await asking.after(30)
    assert [{"a": "10.0.0.1:1"}, {"a": "10.0.0.2:1"}] == asking.known
    server.trouble = "SERVFAIL"
    await asking.after(30)
    assert [{"a": "10.0.0.1:1"}, {"a": "10.0.0.2:1"}] == asking.known
    assert {"no_name", "failed"} == set(asking.rig.failures())


async def test_the_order_of_records_changes_nothing(server: NameServer, ask: Ask) -> None:
    """Of several for one name the first by priority and weight counts; two hosts are told of."""
    records = [
        f"{SERVICE} 30 SRV 2 9 1 a.test",
        f"{SERVICE} 30 SRV 1 5 4 a.test",
        f"{SERVICE} 30 SRV 1 7 3 a.test",
        f"{SERVICE} 30 SRV 1 7 2 a.test",
        "a.test 30 A 10.0.0.2",
        "a.test 30 A 10.0.0.1",
    ]
    server.set(*records)
    asking = ask(service=SERVICE)
    await asking.settle()
    server.set(*reversed(records))
    await asking.after(30)
    assert ([{"a": "10.0.0.1:2"}], []) == (asking.known, asking.rig.failures())
    server.set(*records, f"{SERVICE} 30 SRV 3 0 1 a.else.test", "a.else.test 30 A 10.0.0.3")
    await asking.after(30)
    assert ([{"a": "10.0.0.1:2"}], ["ambiguous"]) == (asking.known, asking.rig.failures())


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("x.test 30 A 10.0.0.9", "no_name"),
        (f"{SERVICE} 30 TXT nothing", "empty"),
        (f"{SERVICE} 30 SRV 0 0 0 .", "empty"),
    ],
)
async def test_an_empty_service_takes_nothing_back(
    server: NameServer, ask: Ask, record: str, reason: str
) -> None:
    """No record, and the one that says there is no such service."""
    server.set(f"{SERVICE} 30 SRV 0 0 1 a.test", "a.test 3000 A 10.0.0.1")
    asking = ask(service=SERVICE)
    await asking.settle()
    server.set(record)
    await asking.after(30)
    assert ([{"a": "10.0.0.1:1"}], [reason]) == (asking.known, asking.rig.failures())


async def test_an_answer_may_lack_members(server: NameServer, ask: Ask) -> None:
    """A name that a service has no more keeps its address for an hour."""
    both = [f"{SERVICE} 300 SRV 0 0 1 {name}.test" for name in "ab"]
    hosts = ["a.test 300 A 10.0.0.1", "b.test 300 A 10.0.0.2"]
    server.set(*both, *hosts)
    asking = ask(service=SERVICE)
    await asking.settle()
    server.set(both[0], *hosts)
    for _ in range(12):
        assert [SERVICE, "a.test"] == await asking.after(300)
    assert [{"a": "10.0.0.1:1", "b": "10.0.0.2:1"}] == asking.known
    await asking.after(300)
    assert {"a": "10.0.0.1:1"} == asking.known[-1]
