"""The members change when all have agreed, and then everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from veneurpy.cli.ring import ring
from veneurpy.console.ring import add_ring_pages
from veneurpy.forward.answer import UNKNOWN, Answer
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.forward.ring_admin import RingAdmin, RingError
from veneurpy.forward.ring_plan import plan
from veneurpy.ports import PeerUnavailable
from veneurpy.testing import FakeClock

FIRST = Epoch(1, 0, ("a", "b"))
INTERVAL_MS = 10_000


class Node:
    """A member that keeps its lists in memory, and can be away or say no."""

    def __init__(self, name: str, *epochs: Epoch) -> None:
        self.name = name
        self.lists = EpochTable(epochs or [FIRST])
        self.away_for = 0
        self.is_late = False
        self.forbids = False

    async def deliver(self, batch: Batch) -> Answer:
        return UNKNOWN

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        return [UNKNOWN] * len(ids)

    async def table(self) -> EpochTable:
        self._answer()
        return self.lists

    async def adopt(self, epoch: Epoch) -> bool:
        self._answer()
        if self.forbids:
            raise PeerUnavailable("PERMISSION_DENIED", may_have_been_applied=False)
        if not self.is_late:
            self.lists = self.lists.plus(epoch)
        return not self.is_late

    def _answer(self) -> None:
        if self.away_for:
            self.away_for -= 1
            raise PeerUnavailable(f"{self.name} is away", may_have_been_applied=False)


class Own:
    """The same node as its own process sees it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def table(self) -> EpochTable:
        return self._node.lists

    async def adopt(self, epoch: Epoch) -> bool:
        return await self._node.adopt(epoch)


class Ring:
    """Nodes, administered at the first."""

    def __init__(self, *nodes: Node) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.clock = FakeClock()
        self.admin = RingAdmin(
            nodes[0].name,
            own=Own(nodes[0]),
            member=self.nodes.__getitem__,
            clock=self.clock,
            interval_ms=INTERVAL_MS,
        )

    def tables(self) -> set[EpochTable]:
        """The different lists that there are."""
        return {node.lists for node in self.nodes.values()}


async def test_old_and_new_members_adopt_the_same_epoch() -> None:
    """Afterwards all go by one list, which begins at a boundary of intervals in the future."""
    rig = Ring(Node("a"), Node("b"), Node("c"))
    now_ms = rig.clock.now_ns() // 1_000_000
    done = await rig.admin.apply(["b", "c"], lead_s=60)
    (table,) = rig.tables()
    assert (2, ("b", "c")) == (table.latest.number, table.latest.members)
    assert 0 == table.latest.from_ms % INTERVAL_MS
    assert now_ms + 60_000 <= table.latest.from_ms < now_ms + 60_000 + INTERVAL_MS
    assert ["a", "b", "c"] == done["adopted_by"]


async def test_nothing_changes_while_a_member_is_away() -> None:
    """An old member that cannot be asked keeps the whole change from happening."""
    rig = Ring(Node("a"), Node("b"), Node("c"))
    rig.nodes["b"].away_for = 1
    with pytest.raises(RingError, match="nothing was changed: b: b is away"):
        await rig.admin.apply(["a", "c"])
    assert {EpochTable([FIRST])} == rig.tables()


async def test_nothing_changes_where_a_member_does_not_allow_it() -> None:
    """Also not here: a list that others do not go by would leave batches waiting."""
    rig = Ring(Node("a"), Node("b"), Node("c"))
    rig.nodes["c"].forbids = True
    with pytest.raises(RingError, match="nothing was changed: c: PERMISSION_DENIED"):
        await rig.admin.apply(["a", "c"])
    assert {EpochTable([FIRST])} == rig.tables()


async def test_nothing_changes_between_contradicting_lists() -> None:
    """A member that goes by another list of the same number is named."""
    rig = Ring(Node("a"), Node("b", FIRST, Epoch(2, 5_000, ("b",))))
    with pytest.raises(RingError, match="b goes by other member lists"):
        await rig.admin.apply(["a"])


async def test_a_member_that_missed_a_change_is_told_of_it_first() -> None:
    """A half-made change is completed by the next."""
    second = Epoch(2, 5_000, ("a", "b"))
    rig = Ring(Node("a", FIRST, second), Node("b"))
    await rig.admin.apply(["a"])
    (table,) = rig.tables()
    assert [1, 2, 3] == [epoch.number for epoch in table.epochs]


async def test_a_member_that_comes_too_late_is_named() -> None:
    """A member that has taken intervals of that time already does not agree, and that is said."""
    rig = Ring(Node("a"), Node("b"))
    rig.nodes["b"].is_late = True
    applying = asyncio.create_task(rig.admin.apply(["a"]))
    await rig.clock.sleepers(1)
    await rig.clock.run(5.0)
    with pytest.raises(RingError, match="b: it has intervals from after that time"):
        await applying


@pytest.mark.parametrize("members", [[], ["a", "a"], [""]])
async def test_members_are_named_once(members: list[str]) -> None:
    """An empty list, a name twice and an empty name are refused."""
    with pytest.raises(RingError, match="name each member once"):
        await Ring(Node("a")).admin.apply(members)


def test_a_plan_moves_no_more_than_it_must() -> None:
    """A fourth member of a rendezvous ring takes a fourth, from all, and nothing else moves."""
    made = plan(["a", "b", "c"], "rendezvous", ["a", "b", "c", "d"], "rendezvous")
    assert made.moving == pytest.approx(0.25, abs=0.03)
    assert {("a", "d"), ("b", "d"), ("c", "d")} == set(made.moves)
    assert made.moving == pytest.approx(made.after["d"])
    assert 1.0 <= made.max_over_mean < 1.15


def test_a_plan_for_the_same_members_moves_nothing() -> None:
    """The order of the names does not matter to rendezvous hashing."""
    assert 0 == plan(["a", "b"], "rendezvous", ["b", "a"], "rendezvous").moving


@asynccontextmanager
async def admin_listener(admin: RingAdmin) -> AsyncIterator[str]:
    """The pages of the ring over HTTP."""
    app = web.Application()
    add_ring_pages(app, admin)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def command(*arguments: str) -> Result:
    """`veneurpy ring` in a thread, as its own process would call the node."""
    return await asyncio.to_thread(CliRunner().invoke, ring, arguments)


async def test_the_commands() -> None:
    """plan tells the shares, apply changes the members, show that all agree."""
    rig = Ring(Node("a"), Node("b"), Node("c"))
    async with admin_listener(rig.admin) as address:
        planned = await command("plan", "--address", address, "a", "b", "c")
        assert (0, True) == (planned.exit_code, "of the series get another owner" in planned.output)
        assert {EpochTable([FIRST])} == rig.tables()
        applied = await command("apply", "--address", address, "--in", "30", "a", "b", "c")
        assert "epoch 2 begins at" in applied.output
        shown = await command("show", "--address", address)
    assert 0 == shown.exit_code, shown.output
    assert ["a: agrees", "b: agrees", "c: agrees"] == shown.output.splitlines()[-3:]


async def test_show_tells_who_disagrees() -> None:
    """A member without the last list, and one without an answer, make it exit with 1."""
    rig = Ring(Node("a", FIRST, Epoch(2, 5_000, ("a", "b", "c"))), Node("b"), Node("c"))
    rig.nodes["c"].away_for = 1
    async with admin_listener(rig.admin) as address:
        shown = await command("show", "--address", address)
    assert 1 == shown.exit_code
    assert "b: DISAGREES" in shown.output
    assert "c: NO ANSWER  c is away" in shown.output


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        pytest.param(b'{"members":["a"]}', "text/plain", 415, id="not JSON by its type"),
        pytest.param(b"{", "application/json", 400, id="not JSON"),
        pytest.param(b'{"members":"a"}', "application/json", 400, id="no list"),
        pytest.param(b'{"members":["a"],"hash":"md5"}', "application/json", 400, id="no such hash"),
        pytest.param(b'{"members":["a"],"lead_s":1}', "application/json", 409, id="too soon"),
    ],
)
async def test_what_is_asked_wrongly_changes_nothing(body: bytes, kind: str, status: int) -> None:
    """A request that is not what it should be is refused with its reason."""
    import aiohttp

    rig = Ring(Node("a"), Node("b"))
    async with admin_listener(rig.admin) as address, aiohttp.ClientSession() as session:
        url, headers = f"http://{address}/api/v1/ring/apply", {"Content-Type": kind}
        async with session.post(url, data=body, headers=headers) as answer:
            assert status == answer.status
    assert {EpochTable([FIRST])} == rig.tables()
