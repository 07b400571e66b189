"""An owner that ends in the middle of a seal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, batch
from tests.spooled import stray
from veneurpy.engine import Columns, Engine, ImportStore, Plan
from veneurpy.forward.answer import Kind
from veneurpy.testing import START_MS

PATIENCE_S = 20.0


class Slow:
    """A store whose rows take until they are let go."""

    def __init__(
        self, store: ImportStore, begun: threading.Event, goes_on: threading.Event
    ) -> None:
        self._store = store
        self._begun = begun
        self._goes_on = goes_on

    def columns(self, plan: Plan, *, touched_only: bool = False) -> Columns:
        """As of the store."""
        self._begun.set()
        assert self._goes_on.wait(PATIENCE_S)
        return self._store.columns(plan, touched_only=touched_only)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Rig:
    """An owner that is at the seal of an interval of one series."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.owner = fleet.owners["o0"]
        self.spool = fleet.spools[0]
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.owner._desk.engine = self  # type: ignore[assignment]

    def open_import(self, start_ms: int) -> Slow:
        """As of the engine."""
        engine: Engine = self.fleet.engine
        return Slow(engine.open_import(start_ms), self.begun, self.goes_on)

    async def begin(self) -> asyncio.Task[None]:
        """Returns when it is in the midst of it."""
        await self.fleet.flush("a:3|c|#veneurglobalonly")
        await self.fleet.until(lambda: bool(self.owner._desk.open))
        self.fleet.clock.advance(30.0)
        ticking = asyncio.create_task(self.owner.tick())
        assert await asyncio.to_thread(self.begun.wait, PATIENCE_S)
        return ticking

    @property
    def rows(self) -> dict[tuple[str, int], tuple[int, float]]:
        """What it has published."""
        return self.fleet.kept["o0"].rows


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Closed in the end."""
    fleet = Fleet(tmp_path)
    made = Rig(fleet)
    await fleet.start()
    yield made
    made.goes_on.set()
    await fleet.close()


async def test_the_end_waits_for_a_seal_that_has_begun(rig: Rig) -> None:
    """As long as it may; then all is as if nothing had been asked."""
    ticking = await rig.begin()
    ending = asyncio.create_task(rig.owner.finish(PATIENCE_S))
    await asyncio.sleep(0)
    assert not ending.done()
    rig.goes_on.set()
    await ending
    await ticking
    assert {("a", START_MS): (0, 3.0)} == rig.rows
    assert [] == rig.fleet.log.of("seal_left")


async def test_a_seal_that_takes_too_long_is_left(rig: Rig) -> None:
    """It is told of, nothing of it counts, and its senders still have it."""
    ticking = await rig.begin()
    await rig.owner.finish(0.0)
    rig.goes_on.set()
    await ticking
    assert [START_MS] == [each["start_ms"] for each in rig.fleet.log.of("seal_left")]
    await rig.owner.close()
    assert ({}, 1) == (rig.rows, rig.fleet.pending)
    assert set() == await rig.spool.do(stray)


async def test_nothing_is_begun_at_the_end(rig: Rig) -> None:
    """What is due is left to the next process."""
    rig.goes_on.set()
    assert Kind.HELD == (await rig.owner.deliver(batch(b""))).kind
    await rig.owner.finish(0.0)
    rig.fleet.clock.advance(60.0)
    await rig.owner.tick()
    assert (0, 1) == (rig.owner.status()["sealed"], len(rig.owner.status()["open"]))
    assert [] == rig.fleet.log.of("seal_left")


async def test_an_end_without_an_end_of_the_step(rig: Rig) -> None:
    """It does not wait for ever: what the step works on stays, and goes with the process."""
    ticking = await rig.begin()
    await rig.owner.close()
    assert not rig.goes_on.is_set()
    with pytest.raises(asyncio.CancelledError):
        await ticking
    assert {} == rig.rows
    assert ["a seal"] == [each["what"] for each in rig.fleet.log.of("stop_failed")]
