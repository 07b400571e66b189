"""A node dies while the disk of its state takes nothing: what all its lives published."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from tests.engines import needs_native
from tests.unit.server.lives import INTERVAL_S, PunctualSink, World, born
from veneurpy.engine.unkept import unkept_in
from veneurpy.server.durable import RETRY_S

pytestmark = needs_native


@pytest.mark.parametrize("is_mended", [False, True])
async def test_a_full_disk_and_a_death_cost_nothing(world: World, is_mended: bool) -> None:
    """Whether the next process finds room on the disk or not: each interval is published once."""
    life = await born(world)
    for value in (1, 2):
        life.feed(value)
        await life.flush()
    world.break_disk(broken=True)
    for value in (3, 4):
        life.feed(value)
        await life.flush()
    for sink in world.sinks.values():
        sink.hang()
    for value in (5, 6, 7):
        life.feed(value)
        await life.flush()
    # In the call that hangs it is in doubt where a backend adds up.
    await life.die()
    for sink in world.sinks.values():
        sink.release()
    if is_mended:
        world.break_disk(broken=False)
    for _ in range(2):
        life = await born(world)
        while await life.durable.spool.owed():
            await life.deliver()
        await life.die()
    expected = {start: [value] for start, value in world.sent.items()}
    assert expected == world.published("safe")
    del expected[list(expected)[4]]
    assert expected == world.published("adds")
    assert 1 == world.in_doubt
    assert life.ledger.violations == 0


async def test_what_was_delivered_while_the_disk_is_full_is_not_sent_again(world: World) -> None:
    """Of intervals that the disk had taken before: that they went out is noted elsewhere."""
    life = await born(world)
    for sink in world.sinks.values():
        sink.hang()
    for value in (1, 2):
        life.feed(value)
        await life.flush()
    db = sqlite3.connect(world.folder / "state" / "spool.db")
    for verb in ("UPDATE", "DELETE"):
        trigger = f"CREATE TRIGGER no_{verb} BEFORE {verb} ON deliveries"
        db.execute(f"{trigger} BEGIN SELECT RAISE(FAIL, 'full'); END")
    db.close()
    for sink in world.sinks.values():
        sink.release()
    for _ in range(2):
        for _ in range(3):
            await life.deliver()
        expected = {start: [value] for start, value in world.sent.items()}
        assert expected == world.published("safe")
        assert expected == world.published("adds")
        await life.die()
        life = await born(world)
    await life.die()
    assert 0 == world.in_doubt


async def test_what_waits_for_the_disk_goes_there_by_itself(world: World) -> None:
    """Soon after it has room, flush or not; what waits is told meanwhile."""
    life = await born(world)
    job = asyncio.create_task(life.durable.run())
    world.break_disk(broken=True)
    for sink in world.sinks.values():
        sink.hang()
    life.feed(1)
    await life.flush()
    assert 1 == life.durable.status()["spare_intervals"]
    world.break_disk(broken=False)
    await world.clock.run(RETRY_S)
    await life.deliver()
    expected = {"intervals": 1, "spare_intervals": 0, "spare_bytes": 0}
    assert expected.items() <= life.durable.status().items()
    assert not (world.folder / "arenas" / "spool.db").exists()
    job.cancel()
    await life.die()


@pytest.mark.parametrize("resends", [False, True])
async def test_what_was_delivered_from_memory_is_doubtful(world: World, resends: bool) -> None:
    """A successor sends it again where that is safe; elsewhere it is in doubt, or as configured."""
    life = await born(world)
    world.break_disk(broken=True, spare=True)
    for sink in world.sinks.values():
        sink.hang()
    life.feed(5)
    await life.flush()
    assert 1 == len(unkept_in(world.folder / "arenas"))
    await life.die()
    world.break_disk(broken=False, spare=True)
    for sink in world.sinks.values():
        sink.release()
    life = await born(world, resends=resends)
    await life.deliver()
    expected = {start: [5.0] for start in world.sent}
    assert expected == world.published("safe")
    assert (expected if resends else {}) == world.published("adds")
    await life.die()
    assert (0 if resends else 1) == world.in_doubt
    assert set() == unkept_in(world.folder / "arenas")
    assert life.ledger.violations == 0


async def test_what_was_delivered_from_memory_to_the_end_is_over(world: World) -> None:
    """A successor does not hear of it."""
    life = await born(world)
    world.break_disk(broken=True, spare=True)
    life.feed(5)
    await life.flush()
    assert {"what": "commit"}.items() <= life.log.of("spool_failed")[0].items()
    assert [1] == [line["points"] for line in life.log.of("interval_unspooled")]
    await life.die()
    world.break_disk(broken=False, spare=True)
    life = await born(world)
    await life.deliver()
    assert {start: [5.0] for start in world.sent} == world.published("adds")
    await life.die()
    assert 0 == world.in_doubt


async def test_what_was_delivered_after_its_time_is_not_sent_again(world: World) -> None:
    """A call that came through in spite of its time-out has an answer, which counts."""
    world.sinks["safe"] = PunctualSink()
    world.sinks["safe"].hang()
    life = await born(world, flush_timeout_s=5)
    life.feed(1)
    await life.flush()
    await world.clock.run(5)
    await life.deliver()
    world.sinks["safe"].release()
    await world.clock.run(INTERVAL_S)
    await life.deliver()
    assert {start: [1.0] for start in world.sent} == world.published("safe")
    assert 1 == life.ledger.total.sinks["safe"].points.confirmed
    assert ["timeout"] == [line["kind"] for line in life.log.of("sink_failed")]
    await life.die()


async def test_a_late_commit_is_doubtful_too(world: World) -> None:
    """The disk took the interval after it had been given up, and the process died right then."""
    life = await born(world)
    for sink in world.sinks.values():
        sink.hang()
    life.feed(5)
    await life.flush()
    (uuid,) = {owed.uuid for owed in await life.durable.spool.owed()}
    await life.die()
    # As it stands when both a commit and a delivery from memory have begun.
    with sqlite3.connect(world.folder / "state" / "spool.db") as db:
        db.execute("UPDATE deliveries SET under_way = 0")
    db.close()
    (world.folder / "arenas" / f"{uuid}.unkept").touch()
    for sink in world.sinks.values():
        sink.release()
    life = await born(world)
    await life.deliver()
    assert {start: [5.0] for start in world.sent} == world.published("safe")
    assert {} == world.published("adds")
    await life.die()
    assert 1 == world.in_doubt
