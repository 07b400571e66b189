"""What an owner answers, and that the order of its questions is the one that is promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.forward.owners import LATE_WINDOW_S, WINDOW_S, Rig, batch
from veneurpy.forward.batch import MOST_PARTS, Batch
from veneurpy.forward.deliver import deliver
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.spool import seals
from veneurpy.testing import START_MS

GOOD = batch()
BAD_FRAME = batch(payload=b"{", number=7)


def test_a_good_batch_is_held_then_done() -> None:
    """However often it comes: HELD until it is sealed, DONE from then on."""
    rig = Rig()
    assert ["held", "held"] == [rig.deliver(GOOD), rig.deliver(GOOD)]
    rig.tick(1.5)
    assert ["done", "done"] == [rig.deliver(GOOD), rig.deliver(GOOD)]
    assert [(0, 0, {"a": 1.0})] == rig.rows


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        pytest.param(batch(owner="o1"), "refused owner", id="another owner"),
        pytest.param(batch(epoch=2), "refused epoch", id="a newer table"),
        pytest.param(batch(epoch=0), "refused epoch", id="an older table"),
        pytest.param(batch(length_ms=2000), "refused length", id="another length"),
        pytest.param(batch(start_ms=START_MS + 1), "refused length", id="between two intervals"),
        pytest.param(batch(start_ms=START_MS + 60_000), "busy future", id="of the future"),
        pytest.param(batch(start_ms=START_MS - 40_000), "too_old accept_window", id="too old"),
        pytest.param(batch(part=4), "rejected bad_identity", id="no such part"),
        pytest.param(batch(of=MOST_PARTS + 1), "rejected bad_identity", id="too many parts"),
        pytest.param(batch(part=-1), "rejected bad_identity", id="a negative part"),
        pytest.param(batch(is_whole=False), "rejected bad_checksum", id="damaged"),
        pytest.param(batch(payload=bytes(5 << 20)), "busy memory", id="no room for it"),
        pytest.param(BAD_FRAME, "rejected bad_json", id="a broken frame"),
    ],
)
def test_what_is_not_taken_is_answered(given: Batch, answer: str) -> None:
    """With the reason; and nothing of it is taken."""
    rig = Rig()
    assert answer == rig.deliver(given)
    assert ({}, {}) == (rig.node.desk.open, rig.node.desk.late)
    assert 0 == rig.node.engine.leaked
    assert 0 == rig.node.desk.accounts.accepted.batches


def test_an_overlong_payload_is_rejected() -> None:
    """Whatever room there is: what one decoded batch may cost is bounded."""
    rig = Rig(most_bytes=1 << 30)
    assert "rejected too_large" == rig.deliver(batch(payload=bytes(5 << 20)))


def full_memory(rig: Rig) -> None:
    """No room for anything."""
    rig.node.desk.options = replace(rig.node.desk.options, max_bytes=0)


def full_disk(rig: Rig) -> None:
    """The last seal failed."""
    rig.node.desk.failure = "full"


def nothing(rig: Rig) -> None:
    """It need not be prepared."""


def a_long_time(rig: Rig) -> None:
    """Longer than anything is taken."""
    rig.clock.advance(WINDOW_S + 1)


def held(then: Callable[[Rig], None]) -> Callable[[Rig], None]:
    """GOOD is held, and then something happens."""

    def prepare(rig: Rig) -> None:
        rig.deliver(GOOD)
        then(rig)

    return prepare


def sealed(then: Callable[[Rig], None]) -> Callable[[Rig], None]:
    """GOOD is sealed, and then something happens."""

    def prepare(rig: Rig) -> None:
        rig.seal(GOOD)
        then(rig)

    return prepare


OLD = batch(start_ms=START_MS - 40_000)
OLD_AND_BAD = replace(OLD, payload=BAD_FRAME.payload)
ORDER = [
    pytest.param(sealed(nothing), replace(GOOD, epoch=9), "done", id="done, refused"),
    pytest.param(sealed(nothing), replace(GOOD, length_ms=500), "done", id="done, another length"),
    pytest.param(held(nothing), replace(GOOD, epoch=9), "held", id="held, refused"),
    pytest.param(full_disk, replace(GOOD, epoch=9), "refused epoch", id="refused, busy"),
    pytest.param(sealed(full_disk), GOOD, "done", id="done, busy"),
    pytest.param(sealed(a_long_time), GOOD, "done", id="done, too old"),
    pytest.param(held(full_memory), GOOD, "held", id="held, busy"),
    pytest.param(held(a_long_time), GOOD, "held", id="held, too old"),
    pytest.param(full_disk, OLD, "busy disk", id="busy, too old"),
    pytest.param(full_disk, BAD_FRAME, "busy disk", id="busy, rejected"),
    pytest.param(nothing, OLD_AND_BAD, "too_old accept_window", id="too old, rejected"),
]


@pytest.mark.parametrize(("prepare", "given", "answer"), ORDER)
def test_the_order_of_the_questions(
    prepare: Callable[[Rig], None], given: Batch, answer: str
) -> None:
    """Of two things that could be said the first one is."""
    rig = Rig()
    prepare(rig)
    assert answer == rig.deliver(given)


def test_a_refusal_tells_the_owner_s_table() -> None:
    """So that a host that knows less can cut its batch anew."""
    rig = Rig()
    assert rig.node.desk.membership.table == deliver(rig.node.desk, batch(owner="o1")).table


def test_at_most_four_intervals_are_open() -> None:
    """The fifth has to wait until the oldest is sealed, whether it is older or newer."""
    rig = Rig()
    times = [START_MS - 1000 * i for i in (4, 3, 2, 1)]
    assert ["held"] * 4 == [rig.deliver(batch(start_ms=t, number=t)) for t in times]
    assert "busy intervals" == rig.deliver(GOOD)
    assert "busy intervals" == rig.deliver(batch(start_ms=START_MS - 9000))
    rig.tick(0.5)
    assert "held" == rig.deliver(GOOD)


def test_the_future_becomes_the_present() -> None:
    """A sender's clock may be an interval ahead; more has to wait for as long as that is."""
    rig = Rig()
    early = batch(start_ms=START_MS + 2000)
    answer = deliver(rig.node.desk, early)
    assert ("busy", 1.0) == (answer.kind, answer.after_s)
    rig.clock.advance(answer.after_s)
    assert "held" == rig.deliver(early)


def test_a_clock_of_one_s_own_gives_no_final_answer() -> None:
    """If most senders' clocks are elsewhere, ours may be wrong."""
    rig = Rig()
    now_ms = rig.clock.now_ns() // 1_000_000
    sent_ms = [now_ms - 40_000, now_ms - 40_000, now_ms]
    for number, time_ms in enumerate(sent_ms):
        given = batch(sender=f"h{number}", number=number, sent_ms=time_ms)
        rig.deliver(given)
    assert "busy clock" == rig.deliver(batch(start_ms=START_MS - 40_000))


def test_what_was_too_old_once_stays_so() -> None:
    """A copy that comes after the clock was set back must not be taken: it is given up by now."""
    rig = Rig()
    rig.clock.advance(WINDOW_S + 1)
    assert "too_old accept_window" == rig.deliver(GOOD)
    rig.clock.jump(-WINDOW_S)
    rig.node.start()
    assert "too_old accept_window" == rig.deliver(GOOD)


def test_what_was_too_late_once_stays_so() -> None:
    """The same of an interval that was sealed."""
    rig = Rig()
    rig.seal(GOOD)
    late = batch(number=2)
    rig.clock.advance(LATE_WINDOW_S)
    assert "too_old late_window" == rig.deliver(late)
    rig.clock.jump(-LATE_WINDOW_S)
    rig.node.start()
    assert "too_old late_window" == rig.deliver(late)


def test_what_is_forgotten_is_not_taken() -> None:
    """Once identities are gone nobody can say what was in: that is what the answer says."""
    rig = Rig()
    rig.seal(batch(sent_ms=rig.clock.now_ns() // 1_000_000))
    rig.clock.advance(40)
    now_ms = rig.clock.now_ns() // 1_000_000
    rig.seal(batch(start_ms=START_MS + 40_000, number=2, sent_ms=now_ms))
    query = "SELECT count(*) FROM identities"
    assert (1,) == rig.node.database.connection.execute(query).fetchone()
    assert "too_old forgotten" == rig.deliver(GOOD)


def died_in_the_midst_of(rig: Rig, batch: Batch) -> None:
    """The next process has found it."""
    with rig.node.database.transaction() as db:
        seals.count_death(db, batch.id.uuid, batch.id.part, 0)
    rig.node.start()


def test_a_batch_in_whose_midst_somebody_killed_its_owner_is_not_lost() -> None:
    """One death proves nothing against it."""
    rig = Rig()
    died_in_the_midst_of(rig, GOOD)
    assert "held" == rig.deliver(GOOD)


def test_a_batch_that_kills_kills_twice() -> None:
    """What two processes died of is rejected by the next, and kept for a person."""
    rig = Rig()
    died_in_the_midst_of(rig, GOOD)
    died_in_the_midst_of(rig, GOOD)
    assert ["rejected quarantined"] * 2 == [rig.deliver(GOOD), rig.deliver(GOOD)]
    query = "SELECT sender, payload FROM quarantine"
    assert [("h0", GOOD.payload)] == rig.node.database.connection.execute(query).fetchall()
    assert "held" == rig.deliver(replace(GOOD, id=GOOD.id._replace(part=1)))


def test_a_disk_that_fails_makes_it_busy() -> None:
    """No final answer is given that is not on record."""
    rig = Rig()
    rig.node.database.is_full = True
    assert "busy disk" == rig.deliver(batch(start_ms=START_MS - 40_000))


def test_the_only_owner_takes_what_is_for_whoever_is_there() -> None:
    """A host that knows an address only names that; where there are others it is told of them."""
    given = batch(owner="10.0.0.1:8128", epoch=0)
    rig = Rig()
    assert "refused owner" == rig.deliver(given)
    rig.node.desk.membership.table = EpochTable([Epoch(1, 0, ("o0",))])
    assert "held" == rig.deliver(given)
    assert "refused owner" == rig.deliver(replace(given, epoch=1, id=batch(number=2).id))
