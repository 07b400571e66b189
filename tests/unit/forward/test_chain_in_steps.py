"""What is passed on is written in steps, and waits for the next tier as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.model.chain import TOP
from tests.model.nodes import Crash
from tests.model.stores import contents_of, payload_of
from tests.spooled import stray
from tests.unit.forward.owners import batch, dying, nearly_full
from tests.unit.forward.test_chain import Rig
from veneurpy.forward import deliver as deliver_module
from veneurpy.forward.answer import DONE
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import CHAIN
from veneurpy.testing import START_MS

NAMES = {f"series.{number}": float(number) for number in range(40)}
_T = TypeVar("_T")


def passed_on(rig: Rig) -> dict[str, float]:
    """The sum of what waits for the next tier, each batch of which is whole."""
    found: dict[str, float] = {}
    for each in rig.waiting:
        assert each.is_whole
        for name, value in contents_of(each.payload)[0].items():
            found[name] = found.get(name, 0.0) + value
    return found


def swept(rig: Rig) -> set[int]:
    """What is left over when all has been swept."""
    while rig.zone.database.sweep():
        pass
    return stray(rig.zone.database)


def pieces(rig: Rig) -> int:
    """How many payloads are in the file."""
    db = rig.zone.database.connection
    return int(db.execute("SELECT count(*) FROM pieces").fetchone()[0])


def sealing(rig: Rig, run: Callable[..., object]) -> None:
    """One interval with many series is taken and sealed, by way of `run`."""
    rig.deliver(batch(payload=payload_of(NAMES)))
    rig.zone.desk.run = run  # type: ignore[assignment]
    rig.seal()


def calls_of_a_seal() -> list[tuple[int, int]]:
    """For each time that it asks for the disk: the payloads by then, and what waits."""
    rig = Rig()
    found: list[tuple[int, int]] = []
    seen = rig.zone.desk.run

    def run(work: Callable[[Database], _T]) -> _T:
        found.append((pieces(rig), len(rig.waiting)))
        return seen(work)

    sealing(rig, run)
    return found


def test_payloads_are_written_ahead_of_the_seal() -> None:
    """Up to the last transaction nothing waits, and nothing can be sent."""
    rig = Rig()
    sealing(rig, rig.zone.desk.run)
    ahead = [count for count, waits in calls_of_a_seal() if not waits]
    assert len(ahead) > 2
    assert 0 < ahead[-1] < len(rig.waiting)
    assert (NAMES, set()) == (passed_on(rig), swept(rig))


@pytest.mark.parametrize("at", range(len(calls_of_a_seal())))
def test_a_death_between_the_steps_neither_loses_nor_doubles(at: int) -> None:
    """Whichever it is: nothing waits of what did not count, and the next process passes it on."""
    rig = Rig()
    seen = rig.zone.desk.run
    with pytest.raises(Crash):
        sealing(rig, dying(seen, at))
    is_sealed = bool(rig.waiting)
    rig.zone.desk.run = seen
    rig.zone.database._ahead.clear()
    rig.zone.start()
    assert is_sealed == bool(rig.waiting)
    assert set() == swept(rig)
    assert len(rig.waiting) == pieces(rig)
    rig.clock.advance(3.0)
    assert ("done" if is_sealed else "held") == rig.deliver(batch(payload=payload_of(NAMES)))
    rig.seal()
    assert (NAMES, set()) == (passed_on(rig), swept(rig))
    assert 1 == len({each.id.uuid for each in rig.waiting})
    assert "done" == rig.deliver(batch(payload=payload_of(NAMES)))


@pytest.mark.parametrize("steps", range(3))
def test_a_disk_that_is_nearly_full_is_written_to_at_once(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From whichever step on: all of it is there then, in its order."""
    was_refused = nearly_full(monkeypatch, steps)
    rig = Rig()
    sealing(rig, rig.zone.desk.run)
    assert ("", NAMES, set()) == (rig.zone.desk.failure, passed_on(rig), swept(rig))
    assert was_refused()


def test_a_disk_that_fails_between_the_steps_costs_nothing() -> None:
    """What was written is swept, and the interval is passed on when there is room."""
    rig = Rig()
    database, seen, calls = rig.zone.database, rig.zone.desk.run, [0]

    def run(work: Callable[[Database], _T]) -> _T:
        calls[0] += 1
        database.is_full = calls[0] > 1
        return seen(work)

    sealing(rig, run)
    assert ({}, True) == (passed_on(rig), bool(rig.zone.desk.failure))
    database.is_full = False
    assert (set(), 0) == (swept(rig), pieces(rig))
    rig.zone.desk.run = seen
    rig.seal()
    assert (NAMES, set()) == (passed_on(rig), swept(rig))


def test_what_is_done_above_is_swept() -> None:
    """Its payload goes apart from it."""
    rig = Rig()
    sealing(rig, rig.zone.desk.run)
    dispatch, database = rig.zone.dispatch, rig.zone.database
    for each in rig.waiting:
        dispatch.answered(database, each, DONE)
    assert {} == CHAIN.waiting(database.connection)
    assert (set(), 0) == (swept(rig), pieces(rig))


def test_what_is_refused_between_the_steps_stays_refused() -> None:
    """A bound that rose meanwhile is not lowered by the seal."""
    rig = Rig()
    rig.deliver(batch(payload=payload_of(NAMES)))
    rig.clock.advance(1.5)
    rig.zone.tick(most=2)
    later = START_MS + 1000
    deliver_module._refuse_up_to(rig.zone.desk, later)
    assert [] == rig.waiting
    rig.zone.tick()
    assert NAMES == passed_on(rig)
    assert later + 1 == rig.zone.desk.bounds.refused_before_ms
    rig.zone.start()
    assert later + 1 == rig.zone.desk.bounds.refused_before_ms


def test_every_batch_is_for_a_member_above() -> None:
    """And its identity is a part of the seal's."""
    rig = Rig()
    sealing(rig, rig.zone.desk.run)
    ids = [each.id for each in rig.waiting]
    assert list(range(len(ids))) == [id.part for id in ids]
    assert {len(ids)} == {id.of for id in ids}
    assert {each.owner for each in rig.waiting} <= set(TOP.latest.members)
