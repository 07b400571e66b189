"""When an interval is published, and what is in the transaction."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.unit.forward.owners import LATE_WINDOW_S, Rig, batch, text
from veneurpy.forward.batch import BatchId
from veneurpy.forward.confirm import confirm
from veneurpy.telemetry.events import SealFailed
from veneurpy.testing import START_MS

OLD_MS = START_MS - 1000


def test_a_hold_after_the_first_batch() -> None:
    """And a hold after the interval's end, whichever is later."""
    rig = Rig()
    rig.deliver(batch())
    rig.tick(0.39)
    assert [] == rig.rows
    rig.tick(0.02)
    assert [(0, 0, {"a": 1.0})] == rig.rows
    early = batch(start_ms=START_MS + 1000, number=2)
    assert "held" == rig.deliver(early)
    rig.tick(0.45)
    assert 1 == len(rig.rows)
    rig.tick(0.55)
    assert 2 == len(rig.rows)


def test_another_interval_s_time_after_a_start() -> None:
    """Senders have what the process before this one held: they get the time to come back."""
    rig = Rig()
    rig.node.start()
    rig.deliver(batch())
    rig.tick(1.35)
    assert [] == rig.rows
    rig.tick(0.1)
    assert 1 == len(rig.rows)


def test_the_oldest_first() -> None:
    """A younger interval waits for an older one that came later."""
    rig = Rig()
    rig.deliver(batch())
    rig.clock.advance(0.3)
    rig.deliver(batch(start_ms=OLD_MS, number=2))
    rig.tick(0.3)
    assert [] == rig.rows
    rig.tick(0.2)
    assert [(-1000, 0, {"a": 1.0}), (0, 0, {"a": 1.0})] == rig.rows


def test_late_batches_gather_to_one_revision() -> None:
    """It has the rows of the series that were touched, each with its whole."""
    rig = Rig()
    rig.seal(batch(5.0))
    assert "held" == rig.deliver(batch(3.0, number=2))
    assert "held" == rig.deliver(batch(2.0, number=3, name="b"))
    rig.tick(0.9)
    assert 1 == len(rig.rows)
    rig.tick(0.2)
    assert [(0, 0, {"a": 5.0}), (0, 1, {"a": 8.0, "b": 2.0})] == rig.rows
    assert "held" == rig.deliver(batch(1.0, number=4, name="b"))
    rig.tick(1.1)
    assert (0, 2, {"b": 3.0}) == rig.rows[-1]
    assert ["done"] * 3 == [rig.deliver(batch(number=n)) for n in (2, 3, 4)]


def test_late_means_within_the_window() -> None:
    """Afterwards it is too old, and its state is let go with the next seal."""
    rig = Rig()
    rig.seal(batch())
    rig.clock.advance(LATE_WINDOW_S)
    assert "too_old late_window" == rig.deliver(batch(number=2))
    rig.seal(batch(number=3, start_ms=START_MS + 7000))
    query = "SELECT DISTINCT start_ms FROM states"
    assert [(START_MS + 7000,)] == rig.node.database.connection.execute(query).fetchall()


def test_a_clock_that_jumped_lets_nothing_go() -> None:
    """Whoever sent last told the time: a seal of a wrong one forgets and refuses nothing."""
    rig = Rig()
    rig.seal(batch(sent_ms=rig.node.desk.now_ms))
    states = rig.node.database.connection.execute("SELECT start_ms FROM states").fetchall()
    known = batch(number=2, start_ms=START_MS + 1000, sent_ms=rig.node.desk.now_ms)
    rig.deliver(known)
    rig.clock.jump(24 * 3600.0)
    rig.tick(1.5)
    assert known.start_ms in rig.node.desk.sealed
    rig.clock.jump(-24 * 3600.0)
    rig.tick(1.0)
    late = batch(number=3, sent_ms=rig.node.desk.now_ms)
    assert ["done", "held"] == [rig.deliver(each) for each in (known, late)]
    query = "SELECT start_ms FROM states ORDER BY start_ms"
    assert [*states, (known.start_ms,)] == rig.node.database.connection.execute(query).fetchall()


def test_states_have_a_bound() -> None:
    """The oldest go first, and their intervals are not amended any more."""
    rig = Rig()
    rig.seal(batch())
    query = "SELECT sum(bytes) FROM states"
    (size,) = rig.node.database.connection.execute(query).fetchone()
    rig.node.desk.options = replace(rig.node.desk.options, late_max_bytes=size)
    rig.seal(batch(number=2, start_ms=START_MS + 1000))
    assert (size,) == rig.node.database.connection.execute(query).fetchone()
    assert "too_old late_max_bytes" == rig.deliver(batch(number=3))
    assert "held" == rig.deliver(batch(number=4, start_ms=START_MS + 1000))


def test_what_was_retired_keeps_its_reason() -> None:
    """Senders are told the same later, and by the next process."""
    rig = Rig()
    rig.node.desk.options = replace(rig.node.desk.options, late_max_bytes=0)
    rig.seal(batch())
    rig.clock.advance(LATE_WINDOW_S)
    assert "too_old late_max_bytes" == rig.deliver(batch(number=2))
    rig.node.start()
    assert "too_old late_max_bytes" == rig.deliver(batch(number=3))


def held_with_a_full_disk(*, is_late: bool) -> Rig:
    """A batch is in memory, of an interval that was sealed before if it is late."""
    rig = Rig()
    if is_late:
        rig.seal(batch(number=9))
    rig.deliver(batch())
    rig.node.database.is_full = True
    return rig


@pytest.mark.parametrize("is_late", [False, True], ids=["seal", "amend"])
def test_a_full_disk_takes_nothing_more(is_late: bool) -> None:
    """What is held stays held, all else is BUSY, until the seal goes through."""
    rig = held_with_a_full_disk(is_late=is_late)
    rows = len(rig.rows)
    rig.tick(2.0)
    assert rows == len(rig.rows)
    assert "held" == rig.deliver(batch())
    assert "busy disk" == rig.deliver(batch(number=2))
    rig.node.database.is_full = False
    rig.tick(0.1)
    assert rows + 1 == len(rig.rows)
    assert "done" == rig.deliver(batch())
    assert "held" == rig.deliver(batch(number=2))


@pytest.mark.parametrize("is_late", [False, True], ids=["seal", "amend"])
def test_what_fails_is_tried_again_less_and_less_often(is_late: bool) -> None:
    """All of it is encoded each time: after a tick, then twice as long, at most an interval."""
    rig = held_with_a_full_disk(is_late=is_late)
    rows = len(rig.rows)
    failed_s, events = list[float](), rig.node.events
    for _ in range(100):
        known = len(events)
        rig.tick(0.05)
        failed_s += [
            rig.clock.monotonic() for each in events[known:] if isinstance(each, SealFailed)
        ]
    pauses_s = [after_s - before_s for before_s, after_s in pairwise(failed_s)]
    assert [0.1, 0.2, 0.4, 0.8, 1.0] == pytest.approx(pauses_s[:5], abs=0.06)
    assert 1.0 == pytest.approx(max(pauses_s), abs=0.06)
    rig.node.database.is_full = False
    rig.tick(1.0)
    assert rows + 1 == len(rig.rows)


def test_identities_are_bitmaps() -> None:
    """One row for a uuid, however many of its parts are in, also over revisions."""
    rig = Rig()
    rig.deliver(batch(part=0))
    rig.seal(batch(part=2))
    rig.seal(batch(part=1))
    query = "SELECT parts FROM identities"
    assert [(b"\x07",)] == rig.node.database.connection.execute(query).fetchall()
    assert ["done"] * 3 == [rig.deliver(batch(part=part)) for part in range(3)]
    assert "held" == rig.deliver(batch(part=3))


def test_confirm() -> None:
    """DONE, HELD or UNKNOWN, for each that was asked."""
    rig = Rig()
    rig.seal(batch())
    rig.deliver(batch(number=2))
    rig.deliver(batch(number=3, start_ms=START_MS + 1000))
    ids = [batch(number=n).id for n in (1, 2, 3, 4)]
    ids.append(BatchId(ids[0].uuid, -1, 4))
    answers = [text(answer) for answer in confirm(rig.node.desk, ids)]
    assert ["done", "held", "held", "unknown", "unknown"] == answers


def test_after_a_crash_what_was_held_is_unknown() -> None:
    """And what was sealed is done."""
    rig = Rig()
    rig.seal(batch())
    rig.deliver(batch(number=2))
    rig.node.start()
    ids = [batch(number=n).id for n in (1, 2)]
    assert ["done", "unknown"] == [text(answer) for answer in confirm(rig.node.desk, ids)]
    assert "held" == rig.deliver(batch(number=2))
    rig.tick(2.0)
    assert [(0, 0, {"a": 1.0}), (0, 1, {"a": 2.0})] == rig.rows


def test_who_is_in() -> None:
    """Of those who were in one of the last intervals, how many are in the last."""
    rig = Rig()
    rig.deliver(batch(sender="h0"))
    rig.seal(batch(sender="h1", number=2))
    rig.seal(batch(sender="h1", number=3, start_ms=START_MS + 1000))
    assert [{"h0", "h1"}, {"h1"}] == rig.node.desk.recent
