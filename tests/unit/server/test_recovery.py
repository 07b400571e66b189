"""What a node publishes of what dead ones have left, and when."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.engines import needs_native
from tests.unit.server.lives import INTERVAL_S, World, born
from veneurpy.engine.arena_dir import boot_id
from veneurpy.errors import VeneurpyError

pytestmark = needs_native


async def test_an_open_interval_goes_on(world: World) -> None:
    """Its time is not over: what both processes took is one point of it."""
    life = await born(world)
    life.feed(1)
    await life.die()
    world.clock.advance(3)
    life = await born(world)
    assert life.recovered
    assert life.recovered.resumed
    life.feed(2)
    await life.flush()
    assert {start: [3.0] for start in world.sent} == world.published("safe")
    await life.die()


async def test_an_arena_of_another_user_stays(world: World) -> None:
    """The start says whose it has to be, rather than to lose it or to end in a traceback."""
    life = await born(world)
    life.feed(1)
    await life.die()
    other = world.folder / "arenas" / "z.arena"
    other.symlink_to(other)
    with pytest.raises(VeneurpyError, match=r"z\.arena cannot be read: .*chown"):
        await born(world)
    other.unlink()


async def test_copied_arenas_are_published_apart(world: World) -> None:
    """Their interval is not gone on with, for the original may be; here it counts once."""
    life = await born(world)
    life.feed(1)
    await life.die()
    arenas = world.folder / "arenas"
    for path in arenas.glob("*.arena"):
        copied = path.with_suffix(".copy")
        shutil.copyfile(path, copied)
        copied.replace(path)
    world.clock.advance(3)
    for samples, is_resumed in (1, False), (0, True):
        life = await born(world)
        assert life.recovered
        assert (samples, is_resumed) == (life.recovered.samples, life.recovered.resumed)
        await life.deliver()
        await life.die()
    assert {start: [1.0] for start in world.sent} == world.published("adds")


async def test_an_interval_that_is_over_is_published_under_its_start(world: World) -> None:
    """And a later one under its own."""
    life = await born(world)
    life.feed(1)
    await life.die()
    world.clock.advance(2.5 * INTERVAL_S)
    life = await born(world)
    life.feed(2)
    await life.deliver()
    await life.flush()
    assert {start: [value] for start, value in world.sent.items()} == world.published("adds")
    await life.die()


@pytest.mark.parametrize("back_s", [0.5, 7, 35, 300])
@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_clock_set_back_between_lives(back_s: float, is_killed: bool, world: World) -> None:
    """No time is published twice: the successor goes on where the one before it was."""
    life = await born(world)
    for value in (1, 2, 3):
        life.feed(value)
        await life.flush()
    life.feed(4)
    await (life.die() if is_killed else life.stop())
    world.clock.jump(-back_s)
    life = await born(world)
    assert is_killed == bool(life.recovered)
    for value in (5, 6, 7):
        life.feed(value)
        await world.clock.run(2 * INTERVAL_S)
        await life.flusher.flush(await life.ticker.wait())
        await life.deliver()
    published = world.published("safe")
    assert {1} == {len(values) for values in published.values()}
    assert 28.0 == sum(value for values in published.values() for value in values)
    assert sorted(published) == list(published)
    await life.die()


@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_time_far_ahead_is_not_gone_on_with(is_killed: bool, world: World) -> None:
    """A clock that was wrong by more than an hour, and is right now, is believed."""
    world.clock.jump(7200)
    life = await born(world)
    life.feed(1)
    await (life.die() if is_killed else life.stop())
    world.clock.jump(-7200)
    life = await born(world)
    assert is_killed == bool(life.recovered)
    assert life.recovered is None or not life.recovered.resumed
    assert world.clock.now_ns() // 10**6 == life.ticker.start_ms
    await life.die()


async def test_what_was_committed_is_not_published_again(world: World) -> None:
    """However often a process dies after it."""
    life = await born(world)
    life.feed(1)
    await life.flush()
    for _ in range(3):
        await life.die()
        world.clock.advance(2 * INTERVAL_S)
        life = await born(world)
        await life.deliver()
    assert {start: [1.0] for start in world.sent} == world.published("adds")
    await life.die()


async def test_what_is_damaged_is_said(world: World) -> None:
    """An arena that is mended is published and warned about, one that cannot be is named."""
    life = await born(world)
    life.feed(5)
    await life.die()
    arenas = world.folder / "arenas"
    (path,) = [path for path in arenas.glob("*.arena") if path.read_bytes()[8:12] == b"OPEN"]
    content = bytearray(path.read_bytes())
    content[content.index(boot_id())] ^= 1
    path.write_bytes(content)
    (arenas / "other.arena").write_bytes(b"\xff" * 16384)
    world.clock.advance(2 * INTERVAL_S)
    life = await born(world)
    await life.deliver()
    warned = life.log.of("arena_unreadable")
    assert ["other", "interval"] == [Path(line["what"].split()[0]).stem for line in warned]
    assert {start: [5.0] for start in world.sent} == world.published("safe")
    await life.die()


@pytest.mark.parametrize("seed", range(12))
async def test_any_course_of_lives(seed: int, world: World) -> None:
    """Whatever fails, whenever it dies: all arrives where that is safe, else once or in doubt."""
    rng = random.Random(seed)
    life = await born(world)
    is_broken = is_hanging = False
    for _ in range(60):
        step = rng.choice(["feed", "feed", "feed", "flush", "flush", "die", "disk", "sink"])
        if is_broken and is_hanging and step == "flush":
            await life.flush()
            # From the next flush on such an interval would be in memory only.
            step = "die"
        elif step == "flush":
            await life.flush()
        if step == "feed":
            life.feed(rng.randrange(1, 100))
        elif step == "disk":
            is_broken = not is_broken
            world.break_disk(broken=is_broken)
        elif step == "sink":
            is_hanging = not is_hanging
            for sink in world.sinks.values():
                sink.hang() if is_hanging else sink.release()
            await life.deliver()
        elif step == "die":
            await life.die()
            if is_broken:
                world.break_disk(broken=False)
            for sink in world.sinks.values():
                sink.release()
            is_broken = is_hanging = False
            world.clock.advance(rng.choice([0, 1, 15]))
            life = await born(world)
            await life.deliver()
    if is_broken:
        world.break_disk(broken=False)
    for sink in world.sinks.values():
        sink.release()
    await life.flush()
    await life.die()
    sent = dict(world.sent)
    assert sent == {start: values[-1] for start, values in world.published("safe").items()}
    added = world.published("adds")
    assert all(sent[start] == value for start, (value,) in added.items())
    assert len(sent) - len(added) <= world.in_doubt
