"""What a host makes of answers, and how it accounts for its batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.unit.forward.owners import TABLE, batch
from veneurpy.forward.answer import DONE, FORGOTTEN, HELD, UNKNOWN, Answer, Kind, Windows
from veneurpy.forward.batch import Batch
from veneurpy.forward.dispatch import Dispatch, HostOptions
from veneurpy.forward.epochs import ANYBODY, Epoch, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import FORWARD
from veneurpy.telemetry.events import Event, OwnerRefuses
from veneurpy.testing import START_MS, FakeClock

TOO_OLD = Answer(Kind.TOO_OLD, "accept_window")
LOST_TRACK = Answer(Kind.TOO_OLD, FORGOTTEN)


class Rig:
    """A host's knowledge and its database."""

    def __init__(self, **options: int) -> None:
        self.clock = FakeClock()
        self.database = Database(None)
        self.events: list[Event] = []
        self.membership = Membership(TABLE)
        self.dispatch = Dispatch(
            HostOptions("h0", 1000, **options),
            clock=self.clock,
            membership=self.membership,
            divide=lambda batch, epoch: [],
            emit=self.events.append,
        )

    def keep(self, *batches: Batch) -> None:
        """As an interval's commit does."""
        with self.database.transaction() as db:
            FORWARD.keep(db, batches)
        self.dispatch.committed(batches)

    def next(self) -> list[tuple[int, int]]:
        """(uuid, part) of what is to be sent to o0 now."""
        found = self.dispatch.next(self.database, "o0")
        return [(each.id.uuid.int, each.id.part) for each in found]

    def answer(self, given: Batch, answer: Answer) -> bool:
        return self.dispatch.answered(self.database, given, answer)

    @property
    def accounts(self) -> dict[str, int]:
        """The terms of the batches' equation, which holds, with what is pending counted anew."""
        self.dispatch.recount(self.database)
        equation = next(iter(self.dispatch.accounts.equations()))
        assert equation.holds, equation
        return {name: count for name, count in equation.right.items() if count}


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.database.close()


def test_the_oldest_interval_first(rig: Rig) -> None:
    """Whatever the order of the commits; what the owner holds is left out, what it lost is not."""
    old, new = batch(number=1, start_ms=START_MS - 1000), batch(number=2)
    rig.keep(new)
    rig.keep(old)
    assert [(1, 0), (2, 0)] == rig.next()
    assert rig.answer(old, HELD)
    assert [(2, 0)] == rig.next()
    assert [old.id] == rig.dispatch.to_confirm(rig.database, "o0")
    rig.dispatch.confirmed(rig.database, "o0", [old.id], [UNKNOWN])
    assert [(1, 0), (2, 0)] == rig.next()
    rig.answer(old, HELD)
    assert 1 == rig.dispatch.confirmed(rig.database, "o0", [old.id], [DONE])
    assert [(2, 0)] == rig.next()
    assert {"done": 1, "pending": 1} == rig.accounts


@pytest.mark.parametrize(
    ("answer", "account", "goes_on"),
    [
        pytest.param(DONE, "done", True, id="done"),
        pytest.param(HELD, "pending", True, id="held"),
        pytest.param(Answer(Kind.BUSY, "memory", 2.0), "pending", False, id="busy"),
        pytest.param(Answer(Kind.BUSY, "sealing"), "pending", True, id="busy with its interval"),
        pytest.param(TOO_OLD, "given_up.accept_window", True, id="too old"),
        pytest.param(LOST_TRACK, "given_up.forgotten", True, id="forgotten, at the first try"),
        pytest.param(Answer(Kind.REJECTED, "malformed"), "rejected.malformed", True, id="rejected"),
        pytest.param(Answer(Kind.REFUSED, "owner", table=TABLE), "pending", False, id="refused"),
        pytest.param(Answer(Kind.IN_DOUBT, "no_answer"), "in_doubt.no_answer", True, id="in doubt"),
    ],
)
def test_answers(rig: Rig, answer: Answer, account: str, goes_on: bool) -> None:
    """Each moves the batch to one account, and says whether the next may follow at once."""
    given = batch()
    rig.keep(given)
    rig.next()
    assert goes_on == rig.answer(given, answer)
    assert {account: 1} == rig.accounts


@pytest.mark.parametrize("reason", ["restoring", "sealing"])
def test_an_interval_that_has_to_wait_holds_up_no_other(rig: Rig, reason: str) -> None:
    """What is of it comes up again, as the first, when its owner has said."""
    late = [batch(number=1, part=part, start_ms=START_MS - 1000) for part in range(2)]
    new = batch(number=2)
    rig.keep(*late, new)
    assert [(1, 0), (1, 1), (2, 0)] == rig.next()
    assert rig.answer(late[0], Answer(Kind.BUSY, reason, 2.0))
    assert [True, False] == [each in rig.dispatch.put_off for each in (late[1], new)]
    assert [(2, 0)] == rig.next()
    assert [2.0, None] == [rig.dispatch.put_off.left_s(owner) for owner in ("o0", "o1")]
    rig.clock.advance(2.0)
    assert rig.dispatch.put_off.left_s("o0") is None
    assert [(1, 0), (1, 1), (2, 0)] == rig.next()
    assert {"pending": 3} == rig.accounts


def test_another_ring_is_not_learnt(rig: Rig) -> None:
    """Its lists may be newer: an address that led astray for a moment must not move a fleet."""
    astray = EpochTable([Epoch(1, 0, ("x0",)), Epoch(2, START_MS, ("x0", "x1"))])
    given = batch()
    rig.keep(given)
    rig.next()
    assert not rig.answer(given, Answer(Kind.REFUSED, "owner", table=astray))
    assert TABLE == rig.membership.table
    assert [] == FORWARD.epochs(rig.database.connection)
    (refused,) = [each for each in rig.events if isinstance(each, OwnerRefuses)]
    assert ("o0", True) == (refused.owner, "another ring, that of x0,x1" in refused.reason)
    assert {"pending": 1} == rig.accounts


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(Epoch(1, 5, ("o1", "o0")), id="as somebody else has written it"),
        pytest.param(TABLE.latest, id="the same"),
    ],
)
def test_newer_lists_of_our_ring_are_learnt(rig: Rig, first: Epoch) -> None:
    """They are known by a list that both have."""
    newer = Epoch(2, START_MS + 9000, ("o1",))
    given = batch()
    rig.keep(given)
    rig.next()
    rig.answer(given, Answer(Kind.REFUSED, "epoch", table=EpochTable([first, newer])))
    assert newer == rig.membership.table.latest


@pytest.mark.parametrize(("was_sent", "account"), [(True, "pending"), (False, "divided")])
def test_what_another_ring_may_have_is_not_cut_anew(was_sent: bool, account: str) -> None:
    """An address was changed: what was sent to the one before may be published there."""
    rig = Rig()
    given = batch(owner="10.0.0.1:1", epoch=ANYBODY)
    rig.keep(given)
    rig.dispatch.next(rig.database, given.owner)
    if not was_sent:
        rig.dispatch.unsent(rig.database, [given])
    moved = Rig()
    moved.database.close()
    moved.database = rig.database
    moved.membership.table = EpochTable([Epoch(ANYBODY, -1, ("10.0.0.2:2",))])
    moved.dispatch.restore(moved.database)
    moved.dispatch.next(moved.database, given.owner)
    moved.answer(given, Answer(Kind.REFUSED, "owner", table=TABLE))
    assert {account: 1} == moved.accounts
    rig.database.close()


def test_an_answer_for_what_is_gone_counts_nothing(rig: Rig) -> None:
    """It was given up while it was under way: that was its account."""
    given = batch()
    rig.keep(given)
    rig.next()
    rig.clock.advance(7 * 3600)
    assert ["in_doubt"] == [loss.word for loss in rig.dispatch.give_up(rig.database)]
    rig.answer(given, DONE)
    assert {"in_doubt.too_old": 1} == rig.accounts


def test_forgotten_after_another_try_is_in_doubt(rig: Rig) -> None:
    """The first may have been taken, and nobody remembers."""
    given = batch()
    rig.keep(given)
    rig.next()
    rig.dispatch.unanswered(given.id)
    rig.next()
    rig.answer(given, LOST_TRACK)
    assert {"in_doubt.forgotten": 1} == rig.accounts


@pytest.mark.parametrize(("has_left", "word"), [(False, "given_up"), (True, "in_doubt")])
def test_what_never_left_is_given_up(rig: Rig, has_left: bool, word: str) -> None:
    """What may have left is in doubt; the spool knows, also after a restart."""
    given = batch()
    rig.keep(given)
    rig.next()
    if not has_left:
        rig.dispatch.unsent(rig.database, [given])
    rig.clock.advance(7 * 3600)
    assert [word] == [loss.word for loss in rig.dispatch.give_up(rig.database)]


def test_patience_is_no_longer_than_the_owner_s_window(rig: Rig) -> None:
    """What it would not take any more need not be kept."""
    rig.keep(batch())
    rig.answer(batch(number=9), Answer(Kind.HELD, windows=Windows(60.0, 6.0, 2.0)))
    rig.clock.advance(62)
    assert ["too_old"] == [loss.reason for loss in rig.dispatch.give_up(rig.database)]


def test_an_owner_s_window_is_for_what_is_its_own(rig: Rig) -> None:
    """What waits for another one, which may be down, is kept for as long as ever."""
    rig.keep(batch(number=1), batch(number=2, owner="o1"))
    rig.answer(batch(number=9), Answer(Kind.HELD, windows=Windows(60.0, 6.0, 2.0)))
    rig.clock.advance(62)
    assert ["o0"] == [loss.owner for loss in rig.dispatch.give_up(rig.database)]
    rig.clock.advance(6 * 3600)
    assert ["o1"] == [loss.owner for loss in rig.dispatch.give_up(rig.database)]


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (
            batch(number=1, start_ms=START_MS - 9000, length_ms=9),
            Answer(Kind.REFUSED, "length", table=TABLE),
        ),
        (batch(number=1, start_ms=START_MS + 9000), Answer(Kind.BUSY, "future", 60.0)),
    ],
)
def test_what_cannot_be_taken_yet_is_put_off(rig: Rig, given: Batch, answer: Answer) -> None:
    """With what is like it, until the next look; nothing else waits for it."""
    like_it = replace(given, id=batch(number=2).id, start_ms=given.start_ms + 1000)
    rig.keep(given, like_it, batch(number=3))
    rig.next()
    assert not rig.answer(given, answer)
    assert [(3, 0)] == rig.next()
    rig.dispatch.give_up(rig.database)
    assert {1, 2, 3} == {number for number, _ in rig.next()}


def test_the_outbox_has_a_bound() -> None:
    """The oldest interval goes first."""
    size = len(batch().payload)
    rig = Rig(max_bytes=2 * size)
    for number in (3, 1, 2):
        rig.keep(batch(number=number, start_ms=START_MS + 1000 * number))
    losses = rig.dispatch.give_up(rig.database)
    assert [(1, "outbox_full")] == [(loss.uuid.int, loss.reason) for loss in losses]
    assert {"given_up.outbox_full": 1, "pending": 2} == rig.accounts
    rig.database.close()


def test_a_slow_disk_books_nothing_twice(rig: Rig) -> None:
    """A commit that nobody waited for any more may have happened before or after that was said."""
    early, late = batch(number=1), batch(number=2)
    rig.keep(early)
    rig.dispatch.hold_back([early])
    rig.dispatch.hold_back([late])
    assert {"pending": 2} == rig.accounts
    rig.keep(late)
    assert {"pending": 2} == rig.accounts
    assert [(1, 0), (2, 0)] == rig.next()
    assert [] == rig.dispatch.spool_held_back(rig.database)
    assert {"pending": 2} == rig.accounts


def test_what_a_failing_disk_has_no_room_for_is_named() -> None:
    """Held back in memory, up to the bound of the outbox."""
    size = len(batch().payload)
    rig = Rig(max_bytes=size)
    rig.dispatch.hold_back([batch(number=1)])
    rig.dispatch.hold_back([batch(number=2)])
    rig.database.connection.execute("PRAGMA query_only = 1")
    assert ["disk"] == [loss.reason for loss in rig.dispatch.spool_held_back(rig.database)]
    assert {"given_up.disk": 1, "pending": 1} == rig.accounts
    rig.database.connection.execute("PRAGMA query_only = 0")
    assert [] == rig.dispatch.spool_held_back(rig.database)
    assert [(2, 0)] == rig.next()
    rig.database.close()


def test_a_restart_knows_what_waits(rig: Rig) -> None:
    """The successor's account begins with it."""
    rig.keep(batch(number=1), batch(number=1, part=1))
    successor = Rig()
    successor.database.close()
    successor.database = rig.database
    successor.dispatch.restore(rig.database)
    assert 2 == successor.dispatch.accounts.restored.batches
    assert {"pending": 2} == successor.accounts


def test_what_a_veneur_may_have_is_not_sent_again(rig: Rig) -> None:
    """After a death it is in doubt, and what has not left is sent, one at a time."""
    rig.dispatch.note(rig.database, "o0", True)
    rig.keep(*(batch(number=number) for number in (1, 2, 3)))
    assert [(1, 0)] == rig.next()
    assert [(1, 0)] == rig.next()
    successor = Rig()
    successor.database.close()
    successor.database = rig.database
    successor.dispatch.restore(rig.database)
    assert [(2, 0)] == successor.next()
    assert {"in_doubt.crash": 1, "pending": 2} == successor.accounts
    successor.dispatch.note(rig.database, "o0", False)
    assert [(2, 0), (3, 0)] == successor.next()
