"""Restoring beside the thread of a real owner, with the engine and the spool that a daemon has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from tests.fleet import INTERVAL_MS, Fleet, batch
from veneurpy.engine import EngineOptions, open_engine
from veneurpy.forward.answer import Kind
from veneurpy.forward.encode import Encoder
from veneurpy.spool.database import Database
from veneurpy.testing import START_MS

SERIES = 300
_T = TypeVar("_T")


@pytest.fixture(params=["native", "python"])
async def fleet(request: pytest.FixtureRequest) -> AsyncIterator[Fleet]:
    """An owner that has published an interval, which it restores in many steps."""
    made = Fleet(engine=request.param)
    await made.start()
    desk = made.owners["o0"]._desk
    desk.options = replace(desk.options, at_once_bytes=0, restore_bytes=1)
    yield made
    await made.close()


def payload(fleet: Fleet, value: int) -> bytes:
    """What another host has for all of the series."""
    engine = open_engine("python", EngineOptions(), start_ms=START_MS)
    reader = engine.open_reader("test")
    for number in range(SERIES):
        reader.feed(f"a{number}:{value}|c|#veneurglobalonly".encode())
    interval = engine.rotate(START_MS + INTERVAL_MS)
    encoder = Encoder("h1", INTERVAL_MS, owns=False)
    (made,) = encoder.outgoing(interval, table=fleet.table, carry=b"").batches
    engine.close()
    return made.payload


async def published(fleet: Fleet) -> None:
    """Another host was in time."""
    owner = fleet.owners["o0"]
    assert Kind.HELD is (await owner.deliver(batch(payload(fleet, 1), uuid=77))).kind
    await fleet.until(lambda: owner.status()["sealed"] == 1)


async def test_a_sender_comes_back_by_itself(fleet: Fleet) -> None:
    """And what it has is in the next revision, with all that was published before."""
    fleet.wires["o0"].is_cut = True
    await fleet.flush("a7:5|c|#veneurglobalonly")
    await published(fleet)
    fleet.wires["o0"].is_cut = False
    await fleet.until(lambda: not fleet.pending)
    kept = fleet.kept["o0"]
    assert (1, 6.0) == kept.rows["a7", START_MS]
    assert [SERIES, 1] == [len(record.columns) for record in kept.records]
    assert [1.0] == list(kept.records[1].before.values())
    assert 2 == len(fleet.wires["o0"].delivered)
    assert 0 == fleet.owners["o0"].status()["restoring"]


async def test_a_shutdown_does_not_wait_for_it(fleet: Fleet) -> None:
    """It ends after the step that it is at, and its memory is free."""
    await published(fleet)
    owner = fleet.owners["o0"]
    answer = await owner.deliver(batch(payload(fleet, 2), uuid=78))
    assert (Kind.BUSY, "restoring") == (answer.kind, answer.reason)
    desk, loop = owner._desk, asyncio.get_running_loop()
    known, seen = desk.restorations[START_MS], desk.run
    is_midway, is_closing = asyncio.Event(), threading.Event()

    def run(work: Callable[[Database], _T]) -> _T:
        if known.memory_bytes:
            loop.call_soon_threadsafe(is_midway.set)
            assert is_closing.wait(20)
        return seen(work)

    desk.run = run
    ticking = asyncio.create_task(owner.tick())
    await asyncio.wait_for(is_midway.wait(), 20)
    closing = asyncio.create_task(owner.close())
    await asyncio.sleep(0)
    is_closing.set()
    await closing
    assert (False, 0, {}) == (known.is_ready, known.memory_bytes, desk.restorations)
    ticking.cancel()
    await asyncio.wait({ticking})
    assert 1 == len(fleet.kept["o0"].records)
