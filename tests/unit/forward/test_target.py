"""What a proxy does with batches that are for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.fleet import Fleet, batch
from veneurpy.forward.answer import DONE, Answer, Kind
from veneurpy.forward.arrivals import Arrivals
from veneurpy.forward.batch import Batch
from veneurpy.forward.epochs import ANYBODY, Epoch, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.forward.target import NodeTarget, Relay
from veneurpy.ports import PeerUnavailable
from veneurpy.spool.database import Database
from veneurpy.testing import START_MS


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    """Two owners."""
    made = Fleet(names=["o0", "o1"])
    await made.start()
    made.clock.advance(10)
    yield made
    await made.close()


@pytest.fixture
async def proxy(fleet: Fleet) -> AsyncIterator[NodeTarget]:
    """In front of them."""
    arrivals = Arrivals(fleet.engine, clock=fleet.clock, telemetry=fleet.telemetry)
    yield NodeTarget(
        "p",
        owner=None,
        relay=Relay(lambda name: fleet.wires[name]),
        arrivals=arrivals,
        membership=Membership(fleet.table),
        spool=fleet.spool,
    )
    await arrivals.close()


async def test_the_owner_s_answer_is_the_answer(fleet: Fleet, proxy: NodeTarget) -> None:
    """Unchanged, and the batch as well."""
    given = [
        batch(owner="o0", uuid=1),
        batch(owner="o1", uuid=2),
        batch(b"\xff", owner="o1", uuid=3),
    ]
    kinds = [(await proxy.deliver(each)).kind for each in given]
    assert [Kind.HELD, Kind.HELD, Kind.REJECTED] == kinds
    assert [given[1], given[2]] == fleet.wires["o1"].delivered
    ids = [each.id for each in given]
    asked = [ids[2], ids[1], ids[0]]
    answers = [answer.kind for answer in await proxy.confirm(asked)]
    assert [Kind.UNKNOWN, Kind.HELD, Kind.HELD] == answers


async def test_an_owner_that_is_away_is_no_answer(fleet: Fleet, proxy: NodeTarget) -> None:
    """The sender keeps the batch."""
    fleet.wires["o0"].is_cut = True
    with pytest.raises(PeerUnavailable):
        await proxy.deliver(batch())


async def test_a_disk_that_keeps_no_member_list_is_no_crash(
    fleet: Fleet, proxy: NodeTarget
) -> None:
    """A proxy and an owner whose disk is full say that they are not available: ask again."""

    def set_read_only(database: Database) -> None:
        database.connection.execute("PRAGMA query_only = ON")

    epoch = Epoch(2, START_MS + 60_000, ("o1",))
    for node, spool in ((proxy, fleet.spool), (fleet.owners["o0"], fleet.spools[0])):
        await spool.do(set_read_only)
        with pytest.raises(PeerUnavailable, match="the disk: "):
            await node.adopt(epoch)
        assert epoch not in node.table().epochs


async def test_a_proxy_owns_nothing(proxy: NodeTarget) -> None:
    """A batch that names it is refused, with the table."""
    answer = await proxy.deliver(replace(batch(), owner="p"))
    assert (Kind.REFUSED, proxy.table()) == (answer.kind, answer.table)


async def test_who_knows_an_address_only_is_told_the_members(proxy: NodeTarget) -> None:
    """By the epoch that stands for whoever is there."""
    answer = await proxy.deliver(replace(batch(), owner="10.0.0.1:8128", epoch=ANYBODY))
    assert (Kind.REFUSED, proxy.table()) == (answer.kind, answer.table)


async def test_an_owner_passes_on_what_is_for_another(fleet: Fleet) -> None:
    """A host may know the address of one owner only; each batch has the answer of its own."""
    arrivals = Arrivals(fleet.engine, clock=fleet.clock, telemetry=fleet.telemetry)
    target = NodeTarget(
        "o0",
        owner=fleet.owners["o0"],
        relay=Relay(lambda name: fleet.wires[name]),
        arrivals=arrivals,
        membership=Membership(fleet.table),
        spool=fleet.spool,
    )
    given = [batch(owner="o0", uuid=1), batch(owner="o1", uuid=2)]
    assert [Kind.HELD, Kind.HELD] == [(await target.deliver(each)).kind for each in given]
    assert [given[1]] == fleet.wires["o1"].delivered
    asked = [given[1].id, given[0].id, batch(uuid=3).id]
    answers = [answer.kind for answer in await target.confirm(asked)]
    assert [Kind.HELD, Kind.HELD, Kind.UNKNOWN] == answers
    stranger = await target.deliver(batch(owner="o7", uuid=4))
    assert Kind.REFUSED == stranger.kind
    await arrivals.close()


async def test_a_circle_of_addresses_comes_to_an_end() -> None:
    """Where the way to an owner leads back here, the sender is told to wait."""

    class Circle:
        name = "o0"

        async def deliver(self, batch: Batch) -> Answer:
            return await relay.deliver(batch)

    relay = Relay(lambda name: Circle())  # type: ignore[arg-type, return-value]
    for _ in range(2):
        assert Answer(Kind.BUSY, "relay", 1.0) == await relay.deliver(batch())


class AVeneur:
    """Keeps no names of batches, and answers when it is told to."""

    name = "v0"
    is_forgetful = True

    def __init__(self) -> None:
        self.delivered: list[Batch] = []
        self.answers = asyncio.Event()

    async def deliver(self, batch: Batch) -> Answer:
        self.delivered.append(batch)
        await self.answers.wait()
        return DONE


async def test_a_veneur_is_sent_nothing_twice() -> None:
    """Whoever missed its answer is told what it was, or that nobody knows it."""
    veneur = AVeneur()
    relay = Relay(lambda name: veneur)  # type: ignore[arg-type, return-value]
    cut_off, answered = batch(uuid=1), batch(uuid=2)
    under_way = asyncio.create_task(relay.deliver(cut_off))
    await asyncio.sleep(0)
    under_way.cancel()
    await asyncio.wait({under_way})
    veneur.answers.set()
    assert [DONE, DONE] == [await relay.deliver(answered) for _ in range(2)]
    assert Answer(Kind.IN_DOUBT, "no_answer") == await relay.deliver(cut_off)
    assert [cut_off, answered] == veneur.delivered


async def test_a_proxy_before_a_proxy_passes_everything_on(fleet: Fleet) -> None:
    """It knows an address only, and goes by what is said there."""
    arrivals = Arrivals(fleet.engine, clock=fleet.clock, telemetry=fleet.telemetry)
    newer = fleet.table.plus(Epoch(2, START_MS + 10_000, ("o1",)))
    await fleet.owners["o1"].adopt(newer.latest)
    before = NodeTarget(
        "p",
        owner=None,
        relay=Relay(lambda name: fleet.wires["o1"]),
        arrivals=arrivals,
        membership=Membership(EpochTable([Epoch(ANYBODY, -1, ("there:1",))])),
        spool=fleet.spool,
    )
    answer = await before.deliver(replace(batch(), owner="there:1", epoch=ANYBODY))
    assert (Kind.REFUSED, newer) == (answer.kind, answer.table)
    assert newer.latest == before.table().latest
    await arrivals.close()


async def test_a_proxy_learns_of_a_change(proxy: NodeTarget) -> None:
    """It takes nothing itself, so that no list comes too late."""
    epoch = Epoch(2, START_MS - 10_000, ("o1",))
    assert await proxy.adopt(epoch)
    assert epoch == proxy.table().latest
