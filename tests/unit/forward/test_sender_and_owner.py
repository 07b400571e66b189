"""A host and its owners, with the engine and the spools that a daemon has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fleet import INTERVAL_MS, Fleet, batch
from veneurpy.engine import EngineOptions, Output, Plan, PointType, Statistic, open_engine
from veneurpy.forward.batch import Batch
from veneurpy.forward.encode import Encoder
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import FORWARD
from veneurpy.telemetry import metrics
from veneurpy.testing import START_MS

TABLE = EpochTable([Epoch(1, 0, ("o0",))])
LATER_MS = START_MS + INTERVAL_MS


@pytest.fixture(params=["native", "python"])
async def fleet(request: pytest.FixtureRequest) -> AsyncIterator[Fleet]:
    """One host, one owner, in memory."""
    made = Fleet(engine=request.param)
    await made.start()
    yield made
    await made.close()


def keep(database: Database, batches: list[Batch]) -> None:
    """As an interval's commit does."""
    with database.transaction() as db:
        FORWARD.keep(db, batches)


def holds(fleet: Fleet) -> None:
    """Every equation on both sides."""
    owners = [owner.accounts for owner in fleet.owners.values()]
    equations = [e for each in (fleet.sender.accounts, *owners) for e in each.equations()]
    assert [] == [str(equation) for equation in equations if not equation.holds]


async def test_what_is_sent_is_published_once(fleet: Fleet) -> None:
    """The seal is what rids the host of its batches."""
    await fleet.flush("a:3|c|#veneurglobalonly", "a:4|c|#veneurglobalonly")
    assert 1 == fleet.pending
    await fleet.until(lambda: not fleet.pending)
    assert {("a", START_MS): (0, 7.0)} == fleet.kept["o0"].rows
    assert 1 == fleet.sender.accounts.done.batches
    labels = {"outbox": "forward", "owner": "o0", "fate": "done"}
    await fleet.until(lambda: fleet.telemetry.value(metrics.BATCHES_FORWARDED, **labels) == 1)
    assert 1 == fleet.telemetry.value(metrics.BATCHES_ENCODED, outbox="forward")
    assert (1, 1) == (
        fleet.owners["o0"].status()["hosts_in"],
        fleet.owners["o0"].status()["sealed"],
    )
    holds(fleet)


async def test_what_waits_from_before_another_interval_is_in_nobodys_way(fleet: Fleet) -> None:
    """It is older than all that comes, and is refused for as long as it is kept."""
    left = replace(batch(uuid=99), start_ms=START_MS - 15_000, length_ms=5_000)
    await fleet.spool.do(lambda db: keep(db, [left]))
    await fleet.flush("a:3|c|#veneurglobalonly")
    await fleet.until(lambda: bool(fleet.kept["o0"].rows))
    assert {("a", START_MS): (0, 3.0)} == fleet.kept["o0"].rows
    assert ["length"] == [each["reason"] for each in fleet.log.of("owner_refuses")]


async def test_a_seal_that_has_begun_is_ended(fleet: Fleet) -> None:
    """Also where whoever asked for it is cancelled, and the owner is closed at once."""
    await fleet.flush("a:3|c|#veneurglobalonly")
    owner = fleet.owners["o0"]
    await fleet.until(lambda: bool(owner.status()["open"]))
    fleet.clock.advance(INTERVAL_MS / 1000 + 60)
    ticking = asyncio.create_task(owner.tick())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ticking.cancel()
    await owner.close()
    assert ticking.cancelled()
    assert {("a", START_MS): (0, 3.0)} == fleet.kept["o0"].rows
    holds(fleet)


async def test_percentiles_are_the_owner_s() -> None:
    """A mixed timer's digest is merged and published where it is owned."""
    plan = Plan((Output(".50percentile", Statistic.QUANTILE, PointType.GAUGE, 0.5),))
    fleet = Fleet(plan=plan)
    await fleet.start()
    await fleet.flush("t:1|ms", "t:2|ms", "t:3|ms")
    await fleet.until(lambda: not fleet.pending)
    assert {("t.50percentile", START_MS): (0, 2.0)} == fleet.kept["o0"].rows
    await fleet.close()


async def test_an_outage_leaves_no_gap(fleet: Fleet) -> None:
    """Every interval arrives under its own time, and nothing that was not sent is in doubt."""
    fleet.wires["o0"].is_cut = True
    for _ in range(6):
        await fleet.flush("a:1|c|#veneurglobalonly")
    assert 6 == fleet.pending
    fleet.wires["o0"].is_cut = False
    await fleet.until(lambda: not fleet.pending)
    times = [START_MS + i * INTERVAL_MS for i in range(6)]
    assert {("a", time_ms): (0, 1.0) for time_ms in times} == fleet.kept["o0"].rows
    assert [] == list(fleet.sender.accounts.named)
    assert "peer_failed" in fleet.log.names
    holds(fleet)


async def test_a_lost_answer_counts_nothing_twice(fleet: Fleet) -> None:
    """The batch is sent again and known again."""
    fleet.wires["o0"].loses_answers = True
    await fleet.flush("a:1|c|#veneurglobalonly")
    await fleet.until(lambda: len(fleet.wires["o0"].delivered) >= 3)
    fleet.wires["o0"].loses_answers = False
    await fleet.until(lambda: not fleet.pending)
    assert {("a", START_MS): (0, 1.0)} == fleet.kept["o0"].rows


async def test_an_owner_that_never_answers_gives_up_by_age(fleet: Fleet) -> None:
    """What was sent is in doubt, what never left the host is given up; both are named."""
    fleet.wires["o0"].loses_answers = True
    await fleet.flush("a:1|c|#veneurglobalonly")
    await fleet.until(lambda: bool(fleet.wires["o0"].delivered))
    fleet.wires["o0"].is_cut = True
    await fleet.flush("a:1|c|#veneurglobalonly")
    fleet.clock.advance(7 * 3600)
    await fleet.sender.tick()
    named = [(loss.word, loss.start_ms) for loss in fleet.sender.accounts.named]
    assert [("in_doubt", START_MS), ("given_up", LATER_MS)] == named
    assert 0 == fleet.pending
    assert {"in_doubt", "given_up"} == {line["fate"] for line in fleet.log.of("batches_lost")}
    holds(fleet)


async def test_a_change_of_the_ring_moves_what_was_cut_before(fleet: Fleet) -> None:
    """A host that had not heard of it is told by the refusal, and cuts anew."""
    await fleet.close()
    fleet = Fleet(names=["o0", "o1"])
    await fleet.start()
    epoch = Epoch(2, LATER_MS, ("o1",))
    for owner in fleet.owners.values():
        assert await owner.adopt(epoch)
    lines = [f"a{i}:1|c|#veneurglobalonly" for i in range(20)]
    await fleet.flush(*lines)
    await fleet.flush(*lines)
    await fleet.until(lambda: not fleet.pending)
    assert {LATER_MS} == {time_ms for _, time_ms in fleet.kept["o1"].rows} - {START_MS}
    assert {START_MS} == {time_ms for _, time_ms in fleet.kept["o0"].rows}
    rows = fleet.kept["o0"].rows | fleet.kept["o1"].rows
    assert 40 == len(rows)
    assert {(0, 1.0)} == set(rows.values())
    assert fleet.sender.accounts.divided.batches
    holds(fleet)
    await fleet.close()


async def test_batches_outlive_the_host(tmp_path: Path) -> None:
    """The next process sends what this one could not."""
    fleet = Fleet(tmp_path)
    await fleet.start()
    fleet.wires["o0"].is_cut = True
    await fleet.flush("a:1|c|#veneurglobalonly")
    await fleet.close()
    again = Fleet(tmp_path, clock=fleet.clock)
    await again.start()
    assert 1 == again.sender.accounts.restored.batches
    await again.until(lambda: not again.pending)
    assert {("a", START_MS): (0, 1.0)} == again.kept["o0"].rows
    await again.close()


async def test_what_rounding_leaves_over_outlives_the_host(tmp_path: Path) -> None:
    """A Veneur gets integers, whose sum over time is that of what was received."""
    clock, totals = None, list[float]()
    for _ in range(2):
        fleet = Fleet(tmp_path, clock=clock)
        fleet.encoder = replace(fleet.encoder, veneur_owners=frozenset({"o0"}))
        await fleet.start()
        await fleet.flush("a:1.5|c|#veneurglobalonly")
        await fleet.until(lambda fleet=fleet: not fleet.pending)  # type: ignore[misc]
        totals += [value for _, value in fleet.kept["o0"].rows.values()]
        await fleet.close()
        clock = fleet.clock
    assert 3.0 == sum(totals)
    assert all(total.is_integer() for total in totals)


async def test_an_owner_s_death_costs_nothing(tmp_path: Path) -> None:
    """What it held is unknown to its successor, and delivered again."""
    fleet = Fleet(tmp_path)
    await fleet.start()
    await fleet.flush("a:1|c|#veneurglobalonly")
    await fleet.until(lambda: bool(fleet.wires["o0"].delivered))
    await fleet.close()
    again = Fleet(tmp_path, clock=fleet.clock)
    await again.start()
    await again.until(lambda: not again.pending)
    assert {("a", START_MS): (0, 1.0)} == again.kept["o0"].rows
    await again.close()


async def test_what_ends_with_the_process_is_drained_or_named(fleet: Fleet) -> None:
    """Without a disk, a shutdown waits as long as it may, and says what it leaves."""
    fleet.wires["o0"].is_cut = True
    await fleet.flush("a:1|c|#veneurglobalonly")
    draining = asyncio.create_task(fleet.sender.drain(5.0))
    await fleet.until(draining.done)
    assert not draining.result()
    await fleet.sender.close(is_durable=False)
    assert ["shutdown"] == [loss.reason for loss in fleet.sender.accounts.named]
    assert 0 == fleet.pending
    holds(fleet)


async def test_a_disk_that_fails_holds_batches_back(fleet: Fleet) -> None:
    """They are sent when the disk has them, not before."""
    await fleet.spool.do(lambda db: db.connection.execute("PRAGMA query_only = 1"))
    await fleet.flush("a:1|c|#veneurglobalonly")
    await fleet.sender.tick()
    assert [] == fleet.wires["o0"].delivered
    assert 1 == fleet.pending
    assert "batches_unspooled" in fleet.log.names
    holds(fleet)
    await fleet.spool.do(lambda db: db.connection.execute("PRAGMA query_only = 0"))
    await fleet.until(lambda: not fleet.pending)
    assert {("a", START_MS): (0, 1.0)} == fleet.kept["o0"].rows
    holds(fleet)


async def test_batches_that_no_disk_takes_outlive_the_process(tmp_path: Path) -> None:
    """They wait beside the arenas, also through a death, and are sent when the disk has them."""
    fleet = Fleet(tmp_path)
    await fleet.start()
    await read_only(fleet, True)
    await fleet.flush("a:1|c|#veneurglobalonly")
    await fleet.sender.tick()
    await fleet.flush("a:2|c|#veneurglobalonly")
    await fleet.sender.tick()
    assert 2 == fleet.pending
    assert [] == fleet.wires["o0"].delivered
    holds(fleet)
    await fleet.close()
    again = Fleet(tmp_path, clock=fleet.clock)
    await again.start()
    assert 2 == again.sender.accounts.restored.batches
    await again.until(lambda: not again.pending)
    rows = {("a", START_MS): (0, 1.0), ("a", START_MS + INTERVAL_MS): (0, 2.0)}
    assert rows == again.kept["o0"].rows
    holds(again)
    await again.close()


async def test_batches_that_no_disk_takes_are_bounded(tmp_path: Path) -> None:
    """The oldest are given up, and named; the rest is sent."""
    fleet = Fleet(tmp_path)
    await fleet.start()
    await read_only(fleet, True)
    name = 300 * "a"
    for value in (1, 2, 3, 4):
        await fleet.flush(f"{name}:{value}|c|#veneurglobalonly")
    await fleet.sender.tick()
    lost = [(each.word, each.reason, each.start_ms) for each in fleet.sender.accounts.named]
    assert [("given_up", "disk", START_MS)] == lost
    assert ["given_up"] == [each["fate"] for each in fleet.log.of("batches_lost")]
    assert 3 == fleet.pending
    holds(fleet)
    await read_only(fleet, False)
    await fleet.spool.retry()
    await fleet.until(lambda: not fleet.pending)
    values = {value for _, value in fleet.kept["o0"].rows.values()}
    assert {2.0, 3.0, 4.0} == values
    holds(fleet)
    await fleet.close()


async def read_only(fleet: Fleet, is_so: bool) -> None:
    """The host's disk takes nothing, or does again."""
    pragma = f"PRAGMA query_only = {int(is_so)}"
    await fleet.spool.do(lambda db: db.connection.execute(pragma))


def digest_of(*values: int) -> bytes:
    """A batch's payload with a mixed timer, as another host would send it."""
    engine = open_engine("python", EngineOptions(), start_ms=START_MS)
    engine.open_reader("test").feed(f"t:{':'.join(map(str, values))}|ms|#veneurglobalonly".encode())
    interval = engine.rotate(START_MS + INTERVAL_MS)
    encoder = Encoder("h1", INTERVAL_MS, owns=False)
    (made,) = encoder.outgoing(interval, table=TABLE, carry=b"").batches
    engine.close()
    return made.payload


async def test_a_late_digest_amends_the_published_one() -> None:
    """The revision is of all samples; of the count it says what was there before."""
    outputs = [Output(".50percentile", Statistic.QUANTILE, PointType.GAUGE, 0.5)]
    outputs.append(Output(".count", Statistic.COUNT, PointType.COUNTER))
    fleet = Fleet(plan=Plan(tuple(outputs)))
    await fleet.start()
    fleet.clock.advance(INTERVAL_MS / 1000)
    owner, rows = fleet.owners["o0"], fleet.kept["o0"]
    await owner.deliver(batch(digest_of(1, 2, 3), uuid=1))
    await fleet.until(lambda: len(rows.records) == 1)
    await owner.deliver(batch(digest_of(4, 5, 6, 7), uuid=2))
    await fleet.until(lambda: len(rows.records) == 2)
    assert {("t.50percentile", START_MS): (1, 4.0), ("t.count", START_MS): (1, 7.0)} == rows.rows
    assert [3.0] == list(rows.records[1].before.values())
    holds(fleet)
    await fleet.close()
