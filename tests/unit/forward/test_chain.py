"""An owner that passes on what it seals: what is in the transaction, and what comes later."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from tests.model.chain import TOP, ZoneNode
from tests.model.nodes import OwnerNode
from tests.model.stores import contents_of
from tests.spooled import records, waiting
from tests.unit.forward.owners import TABLE, batch, text
from veneurpy.forward.answer import DONE
from veneurpy.forward.batch import Batch
from veneurpy.forward.deliver import deliver
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import CHAIN, FORWARD
from veneurpy.telemetry.events import OwnerRefuses
from veneurpy.testing import START_MS, FakeClock

_T = TypeVar("_T")


class Rig:
    """One such owner; the interval that starts at START_MS has just ended."""

    def __init__(self) -> None:
        self.clock = FakeClock(START_MS - 5000)
        rng = random.Random(1)
        self.zone = ZoneNode(
            "o0", self.clock, TABLE, lambda: UUID(int=rng.getrandbits(128)), lambda: False
        )
        self.clock.advance(6.0)

    def deliver(self, given: Batch) -> str:
        """The answer as text."""
        return text(deliver(self.zone.desk, given))

    def seal(self, *given: Batch) -> None:
        """Takes batches, and time passes until they are due."""
        assert ["held"] * len(given) == [self.deliver(each) for each in given]
        self.clock.advance(1.5)
        self.zone.tick()

    @property
    def waiting(self) -> list[Batch]:
        """What the next tier is to get, in the order in which it was sealed."""
        return waiting(self.zone.database, CHAIN, "o0")

    @property
    def counters(self) -> list[dict[str, float]]:
        """The counters of each batch."""
        return [contents_of(each.payload)[0] for each in self.waiting]

    @property
    def accounts(self) -> dict[str, int]:
        """Batches in the accounts of the chain."""
        accounts = self.zone.dispatch.accounts
        equations = list(accounts.equations())
        assert all(each.holds and each.where == "chain" for each in equations)
        return {
            name: getattr(accounts, name).batches
            for name in ("encoded", "restored", "done", "pending")
        }


def test_hosts_are_merged() -> None:
    """What several sent is one batch for the owner of it in the next tier, at its interval."""
    rig = Rig()
    rig.seal(batch(5.0), batch(3.0, number=2, sender="h1"))
    (one,) = rig.waiting
    assert [{"a": 8.0}] == rig.counters
    assert (START_MS, 1000, "o0") == (one.start_ms, one.length_ms, one.sender)
    assert one.owner in TOP.latest.members
    assert one.is_whole
    assert "done" == rig.deliver(batch(5.0))


def test_nothing_is_published() -> None:
    """Neither a row nor the sketches to amend it by; nor is it among what the node itself sends."""
    rig = Rig()
    rig.seal(batch())
    rig.seal(batch(number=2))
    database = rig.zone.database
    assert [] == list(records(database))
    assert (0,) == database.connection.execute("SELECT count(*) FROM states").fetchone()
    assert {} == FORWARD.waiting(database.connection)


def test_what_is_late_goes_by_itself() -> None:
    """With an identity of its own, and without what was passed on before."""
    rig = Rig()
    rig.seal(batch(5.0))
    rig.seal(batch(3.0, number=2), batch(1.0, number=3, name="b"))
    rig.seal(batch(2.0, number=4))
    assert {"a": 5.0} == rig.counters[0]
    assert {"a": 3.0, "b": 1.0} == {k: v for each in rig.counters[1:-1] for k, v in each.items()}
    assert {"a": 2.0} == rig.counters[-1]
    assert 3 == len({each.id.uuid for each in rig.waiting})
    assert {START_MS} == {each.start_ms for each in rig.waiting}


def test_the_next_tier_adds_up() -> None:
    """An owner above that gets all of it, each twice, has the total in its highest revision."""
    rig = Rig()
    rig.seal(batch(5.0))
    rig.seal(batch(3.0, number=2))
    (owner,) = {each.owner for each in rig.waiting}
    top = OwnerNode(owner, rig.clock, TOP, rig.zone.new_uuid, lambda: False)
    for each in rig.waiting * 2:
        assert "held" == text(deliver(top.desk, each))
    rig.clock.advance(2.0)
    top.tick()
    (record,) = records(top.database)
    assert [8.0] == list(record.columns.value)


def test_a_seal_and_its_batches_are_one() -> None:
    """A disk that takes nothing keeps neither; afterwards there are both."""
    rig = Rig()
    rig.zone.database.is_full = True
    rig.seal(batch(5.0))
    assert [] == rig.waiting
    assert {} == rig.zone.desk.sealed
    assert "busy disk" == rig.deliver(batch(number=2))
    assert 0 == rig.accounts["encoded"]
    rig.zone.database.is_full = False
    rig.clock.advance(0.1)
    rig.zone.tick()
    assert [{"a": 5.0}] == rig.counters
    assert {"encoded": 1, "restored": 0, "done": 0, "pending": 1} == rig.accounts


def test_a_disk_that_gives_nothing_after_the_commit_doubles_nothing() -> None:
    """What it took is passed on: a seal that was done again would be another one above."""
    rig = Rig()
    zone, seen = rig.zone, rig.zone.desk.run

    def run(work: Callable[[Database], _T]) -> _T:
        zone.database.is_unreadable = True
        try:
            return work(zone.database)
        finally:
            zone.database.is_unreadable = False

    assert "held" == rig.deliver(batch(5.0))
    zone.desk.run = run  # type: ignore[assignment]
    rig.seal()
    zone.desk.run = seen
    rig.seal()
    assert [{"a": 5.0}] == rig.counters
    assert 1 == rig.accounts["pending"]


def test_the_next_process_goes_on() -> None:
    """What waited is restored, with the identity it had; what was held is sent again by hosts."""
    rig = Rig()
    rig.seal(batch(5.0))
    (known,) = rig.waiting
    rig.deliver(batch(1.0, number=2))
    rig.zone.start()
    assert [known] == rig.waiting
    assert {"encoded": 0, "restored": 1, "done": 0, "pending": 1} == rig.accounts
    dispatch, database = rig.zone.dispatch, rig.zone.database
    assert [known] == dispatch.next(database, known.owner)
    dispatch.answered(database, known, DONE)
    assert {"encoded": 0, "restored": 1, "done": 1, "pending": 0} == rig.accounts
    assert "held" == rig.deliver(batch(1.0, number=2))


def test_another_interval_above_is_refused() -> None:
    """It is said, with the owner's name, and everything waits."""
    rig = Rig()
    rig.seal(batch(5.0))
    (one,) = rig.waiting
    top = OwnerNode(one.owner, rig.clock, TOP, rig.zone.new_uuid, lambda: False)
    answer = deliver(top.desk, replace(one, length_ms=2 * one.length_ms))
    assert "refused length" == text(answer)
    assert not rig.zone.dispatch.answered(rig.zone.database, one, answer)
    assert [one] == rig.waiting
    (said,) = [each for each in rig.zone.events if isinstance(each, OwnerRefuses)]
    assert (one.owner, "length") == (said.owner, said.reason)


def test_samples_add_up() -> None:
    """What is sealed here is what is encoded for the next tier."""
    rig = Rig()
    rig.seal(*(batch(number=n, name=name) for n, name in enumerate("abc", 1)))
    sealed, encoded = rig.zone.desk.accounts.sealed, rig.zone.dispatch.accounts.encoded
    assert (3, 3) == (sealed.samples, encoded.samples)


def test_a_node_that_changes_its_way_amends_nothing() -> None:
    """Half of an interval would be published here, and half of it by the next tier."""
    rig = Rig()
    rig.seal(batch())
    node = OwnerNode("o0", rig.clock, TABLE, rig.zone.new_uuid, lambda: False)
    node.database = rig.zone.database
    node.start()
    assert "too_old forward" == text(deliver(node.desk, batch(number=2)))
    assert "done" == text(deliver(node.desk, batch()))
    assert "held" == text(deliver(node.desk, batch(number=3, start_ms=START_MS + 1000)))
    rig.clock.advance(3.0)
    node.tick()
    rig.zone.start()
    assert "too_old forward" == rig.deliver(batch(number=4, start_ms=START_MS + 1000))
