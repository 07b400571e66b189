"""A seal that is written in steps counts as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.model.nodes import Crash
from tests.model.stores import payload_of
from tests.spooled import stray
from tests.unit.forward.owners import Rig, batch, dying, nearly_full
from veneurpy.forward import deliver as deliver_module
from veneurpy.forward.steps import Outcome, Steps, attempt, resume
from veneurpy.spool.database import Database
from veneurpy.testing import START_MS

NAMES = {f"series.{number}": float(number) for number in range(40)}
_T = TypeVar("_T")


def calls_of_a_seal() -> list[bool]:
    """For each time that a seal asks for the disk, whether some is written ahead by then."""
    rig = Rig()
    found: list[bool] = []
    seen = rig.node.desk.run

    def run(work: Callable[[Database], _T]) -> _T:
        found.append(bool(rig.node.database.connection.execute("SELECT * FROM loose").fetchall()))
        return seen(work)

    sealing(rig, run)
    return found


def sealing(rig: Rig, run: Callable[..., object]) -> None:
    """One interval with many series is taken and sealed, by way of `run`."""
    rig.deliver(batch(payload=payload()))
    rig.node.desk.run = run  # type: ignore[assignment]
    rig.tick(1.5)


def payload() -> bytes:
    return payload_of(NAMES)


def test_a_large_seal_takes_steps() -> None:
    """Or none of what follows would be about anything."""
    assert calls_of_a_seal().count(True) > 3


@pytest.mark.parametrize("at", range(len(calls_of_a_seal())))
def test_a_death_between_the_steps_neither_loses_nor_doubles(at: int) -> None:
    """Whichever it is: the next process has nothing of it left, takes it again and seals it."""
    rig = Rig()
    seen = rig.node.desk.run
    with pytest.raises(Crash):
        sealing(rig, dying(seen, at))
    rig.node.desk.run = seen
    rig.node.database._ahead.clear()
    rig.node.start()
    rig.clock.advance(3.0)
    answer = rig.deliver(batch(payload=payload()))
    rig.tick(1.5)
    assert answer in ("held", "done")
    assert [(0, 0, NAMES)] == rig.rows
    assert "done" == rig.deliver(batch(payload=payload()))
    while rig.node.database.sweep():
        pass
    assert set() == stray(rig.node.database)


@pytest.mark.parametrize("most", range(1, 12))
def test_a_death_within_a_transaction_of_it_leaves_nothing(most: int) -> None:
    """Whichever steps were done before it: what they wrote is swept, and it is sealed once."""
    rig = Rig()
    rig.deliver(batch(payload=payload()))
    rig.clock.advance(1.5)
    rig.node.tick(most)
    rig.node.database.is_dying = True
    with pytest.raises(Crash):
        rig.node.tick()
    rig.node.start()
    rig.clock.advance(3.0)
    assert "held" == rig.deliver(batch(payload=payload()))
    rig.tick(1.5)
    assert [(0, 0, NAMES)] == rig.rows
    while rig.node.database.sweep():
        pass
    assert set() == stray(rig.node.database)


@pytest.mark.parametrize("steps", range(4))
def test_a_disk_that_is_nearly_full_is_written_to_at_once(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From whichever step on: all of it is there then, in its order."""
    was_refused = nearly_full(monkeypatch, steps)
    rig = Rig()
    sealing(rig, rig.node.desk.run)
    assert ("", [(0, 0, NAMES)]) == (rig.node.desk.failure, rig.rows)
    while rig.node.database.sweep():
        pass
    assert set() == stray(rig.node.database)
    assert was_refused()


def test_a_disk_that_fails_between_the_steps_costs_nothing() -> None:
    """What was written is swept, and the interval is sealed when there is room."""
    rig = Rig()
    rig.deliver(batch(payload=payload()))
    database, seen, calls = rig.node.database, rig.node.desk.run, [0]

    def run(work: Callable[[Database], _T]) -> _T:
        calls[0] += 1
        database.is_full = calls[0] > 2
        return seen(work)

    rig.node.desk.run = run  # type: ignore[assignment]
    rig.tick(1.5)
    assert ([], True) == (rig.rows, bool(rig.node.desk.failure))
    database.is_full = False
    while database.sweep():
        pass
    assert set() == stray(database)
    rig.node.desk.run = seen
    rig.tick(1.0)
    assert [(0, 0, NAMES)] == rig.rows


def test_a_disk_that_gives_nothing_after_the_commit_doubles_nothing() -> None:
    """What it took counts: a seal that was done again would be another one to every sink."""
    rig = Rig()
    rig.deliver(batch(payload=payload()))
    database, seen = rig.node.database, rig.node.desk.run

    def run(work: Callable[[Database], _T]) -> _T:
        database.is_unreadable = True
        try:
            return work(database)
        finally:
            database.is_unreadable = False

    rig.node.desk.run = run  # type: ignore[assignment]
    rig.tick(1.5)
    rig.node.desk.run = seen
    rig.tick(1.0)
    assert [(0, 0, NAMES)] == rig.rows
    assert "done" == rig.deliver(batch(payload=payload()))


def test_an_amendment_takes_the_place_of_what_was_sealed() -> None:
    """Also of its sketches, of which nothing is left."""
    rig = Rig()
    rig.deliver(batch(payload=payload()))
    rig.tick(1.5)
    assert "held" == rig.deliver(batch(2.0, name="series.1", number=2))
    rig.tick(1.5)
    assert [(0, 0, NAMES), (0, 1, {"series.1": 3.0})] == rig.rows
    assert "held" == rig.deliver(batch(4.0, name="series.1", number=3))
    rig.tick(1.5)
    assert (0, 2, {"series.1": 7.0}) == rig.rows[-1]
    while rig.node.database.sweep():
        pass
    assert set() == stray(rig.node.database)
    assert START_MS in rig.node.desk.sealed


def test_batches_are_answered_between_the_steps() -> None:
    """Of other intervals they are taken; of the one that is published they come again."""
    rig = Rig()
    rig.deliver(batch(payload=payload()))
    rig.clock.advance(1.5)
    rig.node.tick(most=1)
    assert "busy sealing" == rig.deliver(batch(2.0, number=2))
    assert "held" == rig.deliver(batch(payload=payload()))
    assert "held" == rig.deliver(batch(number=3, start_ms=START_MS + 1000))
    rig.node.tick()
    assert [(0, 0, NAMES)] == rig.rows
    assert "held" == rig.deliver(batch(2.0, number=2))
    rig.tick(1.5)
    assert [(0, 0, NAMES), (1000, 0, {"a": 1.0}), (0, 1, {"a": 2.0})] == rig.rows


def test_what_is_refused_between_the_steps_stays_refused() -> None:
    """A bound that rose meanwhile is not lowered by the seal, which keeps no sketches then."""
    rig = Rig()
    rig.deliver(batch(payload=payload()))
    rig.clock.advance(1.5)
    rig.node.tick(most=4)
    later = START_MS + 1000
    deliver_module._refuse_up_to(rig.node.desk, later)
    rig.node.tick()
    assert later + 1 == rig.node.desk.bounds.refused_before_ms
    assert "accept_window" == rig.node.desk.sealed[START_MS].retired
    rig.node.start()
    assert later + 1 == rig.node.desk.bounds.refused_before_ms
    while rig.node.database.sweep():
        pass
    assert set() == stray(rig.node.database)


def test_steps_that_fail_are_told_of() -> None:
    """What a step raises comes up where it was handed out."""
    found: list[str] = []

    def steps() -> Steps[None]:
        try:
            yield lambda: 1 / 0
        except ZeroDivisionError as exc:
            found.append(str(exc))
        found.append((yield lambda: "done"))

    running, outcome = steps(), Outcome()
    while (work := resume(running, outcome)) is not None:
        outcome = attempt(work)
    assert ["division by zero", "done"] == found
