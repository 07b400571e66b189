"""What comes late for a large published interval waits until its sketches are in memory again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from tests.model.stores import MemoryStore, payload_of
from tests.spooled import stray
from tests.unit.forward.owners import LATE_WINDOW_S, Rig, batch
from veneurpy.engine import FrameBroken, Imported, StoreFull
from veneurpy.forward.answer import Kind
from veneurpy.forward.deliver import deliver
from veneurpy.forward.restore import KEPT_S, LONGEST_S, RESTORED_BYTES_S
from veneurpy.spool.database import Database
from veneurpy.telemetry.events import StateUnreadable
from veneurpy.testing import START_MS

NAMES = {f"series.{number}": float(number) for number in range(12)}
LATER_MS = START_MS + 1000
LATE = batch(100.0, name="series.1", number=2)
AMENDED = (0, 1, {"series.1": 101.0})
_T = TypeVar("_T")


def large(number: int = 1, start_ms: int = START_MS) -> Rig:
    """One with a large published interval."""
    return with_another(Rig(), number, start_ms)


def with_another(rig: Rig, number: int, start_ms: int) -> Rig:
    """It has one more."""
    patient(rig)
    rig.seal(batch(payload=payload_of(NAMES), number=number, start_ms=start_ms))
    return rig


def patient(rig: Rig) -> None:
    """It takes what is late for long, and restores nothing at once."""
    rig.node.desk.options = replace(
        rig.node.desk.options, at_once_bytes=0, accept_window_ms=60_000, late_window_ms=60_000
    )


def asked(rig: Rig, steps: int) -> Rig:
    """A late batch was told to come again, and some of it is restored."""
    assert "busy restoring" == rig.deliver(LATE)
    rig.node.tick(steps)
    return rig


def amend(rig: Rig) -> None:
    """The late batch comes again, and is published."""
    assert "held" == rig.deliver(LATE)
    rig.tick(1.1)
    assert [AMENDED] == rig.rows[1:]
    assert 0 == rig.node.engine.leaked
    assert "done" == rig.deliver(LATE)


def test_the_batch_comes_again() -> None:
    """BUSY until all of it is there, with nothing taken; then it is held, and amends."""
    rig = large()
    accepted = rig.node.desk.accounts.accepted.batches
    for _ in range(5):
        asked(rig, 1)
    assert ({}, accepted) == (rig.node.desk.late, rig.node.desk.accounts.accepted.batches)
    rig.tick()
    amend(rig)


def test_it_gathers_from_its_first_batch_on() -> None:
    """The time in which it waited for one does not count."""
    rig = asked(large(), 1 << 30)
    rig.clock.advance(5.0)
    assert "held" == rig.deliver(LATE)
    rig.tick(0.9)
    assert 1 == len(rig.rows)
    rig.tick(0.2)
    assert [AMENDED] == rig.rows[1:]


def test_others_are_taken_between_the_steps() -> None:
    """Whatever they are for; what is due is sealed when it is restored."""
    rig = asked(large(), 3)
    rig.clock.advance(1.0)
    assert "held" == rig.deliver(batch(number=3, start_ms=LATER_MS))
    assert "busy restoring" == rig.deliver(LATE)
    rig.tick(0.5)
    assert (1000, 0, {"a": 1.0}) == rig.rows[-1]
    assert "held" == rig.deliver(LATE)
    rig.tick(1.1)
    assert AMENDED == rig.rows[-1]


def test_a_small_interval_is_restored_at_once() -> None:
    """Up to a bound of its sketches' bytes a delivery is one round trip."""
    rig = large()
    query = "SELECT bytes FROM states"
    (size,) = rig.node.database.connection.execute(query).fetchone()
    rig.node.desk.options = replace(rig.node.desk.options, at_once_bytes=size - 1)
    assert "busy restoring" == rig.deliver(LATE)
    rig.node.start()
    rig.node.desk.options = replace(rig.node.desk.options, at_once_bytes=size)
    rig.clock.advance(3.0)
    amend(rig)


def test_one_after_the_other() -> None:
    """In the order in which they were asked for; at most one of them is half there."""
    rig = with_another(large(), 5, LATER_MS)
    later = replace(LATE, start_ms=LATER_MS)
    assert ["busy restoring"] * 2 == [rig.deliver(later), rig.deliver(LATE)]
    seen = []
    while rig.node.desk.restorations[START_MS].is_wanted:
        rig.node.tick(1)
        states = [rig.node.desk.restorations[t] for t in (LATER_MS, START_MS)]
        seen.append([(each.is_ready, bool(each.memory_bytes)) for each in states])
    assert not any(half == [(False, True)] * 2 for half in seen)
    assert [(False, True), (False, False)] in seen
    assert [(True, True), (False, True)] in seen
    assert ["held"] * 2 == [rig.deliver(later), rig.deliver(LATE)]


def test_how_long_it_takes_is_told() -> None:
    """By what is to be read before it, within bounds."""
    rig = with_another(large(), 5, LATER_MS)
    query = "UPDATE states SET bytes = ? WHERE start_ms = ?"
    for start_ms, seconds in ((START_MS, 2), (LATER_MS, 3)):
        size = seconds * RESTORED_BYTES_S
        rig.node.database.connection.execute(query, (size, start_ms))
    later = replace(LATE, start_ms=LATER_MS)
    answers = [deliver(rig.node.desk, given) for given in (LATE, later, LATE)]
    assert [3.0, 6.0, 3.0] == [answer.after_s for answer in answers]
    rig.node.desk.restorations[START_MS].bytes <<= 10
    assert LONGEST_S == deliver(rig.node.desk, LATE).after_s


def test_what_nobody_comes_back_for_is_let_go() -> None:
    """After a while, with nothing published; whoever comes later asks anew."""
    rig = asked(large(), 1 << 30)
    rig.tick(KEPT_S - 0.1)
    assert rig.node.desk.restorations[START_MS].memory_bytes
    rig.tick(0.2)
    assert ({}, 0) == (rig.node.desk.restorations, rig.node.engine.leaked)
    assert 1 == len(rig.rows)
    asked(rig, 1 << 30)
    amend(rig)


def test_a_broken_batch_changes_nothing() -> None:
    """It is rejected, and what was restored waits for a good one."""
    rig = asked(large(), 1 << 30)
    assert "rejected bad_json" == rig.deliver(batch(payload=b"{", number=7))
    amend(rig)


@pytest.mark.parametrize("step", range(4))
def test_a_disk_that_fails_costs_nothing(step: int) -> None:
    """BUSY as ever, and not tried again at once: after an interval's time."""
    rig = large()
    seen, calls = rig.node.desk.run, list[int]()

    def run(work: Callable[[Database], _T]) -> _T:
        calls.append(1)
        if len(calls) > step:
            raise sqlite3.OperationalError("disk I/O error")
        return seen(work)

    asked(rig, 0)
    rig.node.desk.run = run  # type: ignore[assignment]
    rig.tick()
    rig.node.desk.run = seen
    assert 0 == rig.node.engine.leaked
    failed = len(calls)
    answers = [deliver(rig.node.desk, LATE) for _ in range(3)]
    assert [(Kind.BUSY, "disk", 1.0)] * 3 == [(a.kind, a.reason, a.after_s) for a in answers]
    rig.tick(0.9)
    assert step + 1 == failed
    assert "busy disk" == rig.deliver(LATE)
    rig.clock.advance(0.2)
    asked(rig, 1 << 30)
    amend(rig)


@pytest.mark.parametrize("room", ["store", "options"])
def test_memory_that_is_full_costs_nothing(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was restored of it by then is freed, for others; and it is tried again later."""
    rig = asked(with_another(large(), 5, LATER_MS), 3)
    options = rig.node.desk.options
    with monkeypatch.context() as patch:
        if room == "store":
            patch.setattr(MemoryStore, "merge", full)
        rig.node.desk.options = replace(options, max_bytes=0 if room == "options" else 1 << 20)
        rig.tick()
    rig.node.desk.options = options
    assert 0 == rig.node.engine.leaked
    assert "busy memory" == rig.deliver(LATE)
    later = replace(LATE, start_ms=LATER_MS)
    assert "busy restoring" == rig.deliver(later)
    rig.tick()
    assert "held" == rig.deliver(later)
    rig.tick(1.1)
    asked(rig, 1 << 30)
    assert "held" == rig.deliver(LATE)


def full(store: MemoryStore, payload: bytes, **_: object) -> Imported:
    """There is no room for anything."""
    raise StoreFull


def test_what_is_restored_has_its_room() -> None:
    """It counts for all others; its own batch needs no more than its payload."""
    rig = asked(large(), 1 << 30)
    taken = rig.node.desk.memory_bytes
    assert len(NAMES) * 100 == taken
    room = len(LATE.payload)
    rig.node.desk.options = replace(rig.node.desk.options, max_bytes=taken + room - 1)
    assert "busy memory" == rig.deliver(batch(number=3, start_ms=LATER_MS, payload=LATE.payload))
    assert "held" == rig.deliver(LATE)


def test_sketches_that_cannot_be_read_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each time that they are tried; those of other intervals are restored."""
    rig = with_another(large(), 5, LATER_MS)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "merge", unreadable)
        for _ in range(3):
            rig.deliver(LATE)
            rig.tick()
    events = [each for each in rig.node.events if isinstance(each, StateUnreadable)]
    assert [(START_MS, "malformed")] == [(each.start_ms, each.error) for each in events]
    later = replace(LATE, start_ms=LATER_MS)
    assert "busy restoring" == rig.deliver(later)
    rig.tick()
    assert "held" == rig.deliver(later)


def unreadable(store: MemoryStore, payload: bytes, **_: object) -> Imported:
    """Nothing can be read."""
    raise FrameBroken("malformed")


@pytest.mark.parametrize("steps", [0, 1, 4, 1 << 30])
def test_what_is_retired_meanwhile_is_let_go(steps: int) -> None:
    """However much of it is there: nothing more is taken of it."""
    rig = asked(large(), steps)
    rig.node.desk.options = replace(rig.node.desk.options, late_window_ms=int(LATE_WINDOW_S * 1000))
    rig.clock.advance(LATE_WINDOW_S)
    assert "too_old late_window" == rig.deliver(LATE)
    rig.node.tick(1)
    rig.tick()
    assert ({}, 0) == (rig.node.desk.restorations, rig.node.engine.leaked)
    assert 1 == len(rig.rows)


def test_what_is_forgotten_in_the_same_tick_is_let_go() -> None:
    """A seal that comes first may take the identities of what was to be restored."""
    rig = asked(large(), 0)
    rig.clock.advance(40.0)
    now_ms = rig.clock.now_ns() // 1_000_000
    rig.node.desk.options = replace(rig.node.desk.options, accept_window_ms=30_000, margin_ms=0)
    rig.seal(batch(number=5, start_ms=START_MS + 40_000, sent_ms=now_ms))
    assert START_MS not in rig.node.desk.sealed
    assert ({}, 0) == (rig.node.desk.restorations, rig.node.engine.leaked)
    assert "too_old forgotten" == rig.deliver(LATE)


def steps_of_all() -> int:
    """How many steps there are from the question to the revision."""
    rig, steps = large(), 0
    rig.deliver(LATE)
    while len(rig.rows) < 2:
        rig.node.tick(1)
        steps += 1
        if rig.node.steps is None:
            rig.deliver(LATE)
            rig.clock.advance(1.1)
    return steps


@pytest.mark.parametrize("at", range(steps_of_all()))
def test_a_death_between_the_steps_neither_loses_nor_doubles(at: int) -> None:
    """Of restoring and of amending: the next process has all of it once."""
    rig = large()
    rig.deliver(LATE)
    for _ in range(at):
        rig.node.tick(1)
        if rig.node.steps is None:
            rig.deliver(LATE)
            rig.clock.advance(1.1)
    rig.node.database._ahead.clear()
    rig.node.start()
    rig.clock.advance(3.0)
    patient(rig)
    asked(rig, 1 << 30)
    amend(rig)
    while rig.node.database.sweep():
        pass
    assert set() == stray(rig.node.database)


def test_nothing_on_disk_changes_by_it() -> None:
    """From the question until it is let go: a death meanwhile has nothing to leave behind."""
    rig = large()
    before = list(rig.node.database.connection.iterdump())
    asked(rig, 1 << 30)
    rig.tick(KEPT_S + 1)
    assert {} == rig.node.desk.restorations
    assert before == list(rig.node.database.connection.iterdump())
