"""An owner whose disk ends with its process publishes nothing twice."""

from __future__ import annotations

from tests.model.nodes import FlakyDatabase
from tests.unit.forward.owners import Rig, batch, text
from veneurpy.forward.confirm import confirm
from veneurpy.testing import START_MS


def restarted(rig: Rig) -> None:
    """The process dies with all that it had committed, and another begins."""
    rig.node.database = FlakyDatabase()
    rig.node.is_durable = False
    rig.node.start()


def test_nothing_is_published_twice() -> None:
    """What may have been published before the start is refused: for its sender it is in doubt."""
    rig = Rig()
    rig.seal(batch(5.0))
    restarted(rig)
    assert ["unknown"] == [text(each) for each in confirm(rig.node.desk, [batch().id])]
    assert "too_old forgotten" == rig.deliver(batch(5.0))
    assert "too_old forgotten" == rig.deliver(batch(3.0, number=2))
    rig.tick(10.0)
    assert [] == rig.rows


def test_what_cannot_have_been_published_is_taken() -> None:
    """An interval whose hold had not passed at the start is published once, complete."""
    rig = Rig()
    assert "held" == rig.deliver(batch(5.0))
    rig.clock.advance(0.39 - (rig.node.desk.age_ms(START_MS) / 1000))
    restarted(rig)
    assert "held" == rig.deliver(batch(5.0))
    rig.tick(2.0)
    assert [(0, 0, {"a": 5.0})] == rig.rows
    assert "done" == rig.deliver(batch(5.0))


def test_the_bound_is_where_a_seal_becomes_possible() -> None:
    """To the millisecond: a process that had the hold behind it may have sealed."""
    rig = Rig()
    rig.clock.advance(0.4 - (rig.node.desk.age_ms(START_MS) / 1000))
    restarted(rig)
    assert "too_old forgotten" == rig.deliver(batch())
    assert "held" == rig.deliver(batch(number=2, start_ms=START_MS + 1000))
