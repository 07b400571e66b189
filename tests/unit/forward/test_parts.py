"""The small parts: member lists, clocks, the slot, cutting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from tests.fleet import INTERVAL_MS, batch
from veneurpy.engine import EngineOptions, Role, open_engine
from veneurpy.engine.reference_metric import metrics_of
from veneurpy.forward.batch import BatchId
from veneurpy.forward.clocks import SenderClocks
from veneurpy.forward.divide import Divider
from veneurpy.forward.encode import Encoder, divided
from veneurpy.forward.epochs import ANYBODY, Epoch, EpochInvalid, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.forward.poison import Slot
from veneurpy.spool.database import Database
from veneurpy.testing import START_MS, FakeClock

FIRST, SECOND = Epoch(1, 0, ("a",)), Epoch(2, 20, ("a", "b"))


def test_the_epoch_of_an_interval() -> None:
    """The last one whose time has come; before all of them, the first."""
    table = EpochTable([SECOND, FIRST])
    assert [FIRST, FIRST, SECOND, SECOND] == [table.at(time) for time in (-1, 19, 20, 99)]


@pytest.mark.parametrize(
    "epochs",
    [
        pytest.param([], id="none"),
        pytest.param([Epoch(1, 0, ())], id="nobody"),
        pytest.param([Epoch(1, 0, ("a", "a"))], id="twice"),
        pytest.param([FIRST, Epoch(1, 5, ("b",))], id="one number for two"),
        pytest.param([FIRST, Epoch(2, 0, ("b",))], id="not later"),
    ],
)
def test_lists_that_contradict_one_another(epochs: list[Epoch]) -> None:
    """They are no table."""
    with pytest.raises(EpochInvalid):
        EpochTable(epochs)


def test_whoever_knows_an_address_only_goes_by_who_answers_there() -> None:
    """Also when another ring answers there, later; whoever knows members does not."""
    database = Database(None)
    anybody = Epoch(ANYBODY, -1, ("10.0.0.1:1",))
    other = EpochTable([Epoch(1, 0, ("x",)), Epoch(2, 20, ("y",)), Epoch(3, 30, ("x", "y"))])
    assert Membership(EpochTable([anybody])).adopt(other, database)
    assert Membership(EpochTable([anybody, FIRST, SECOND])).adopt(other, database)
    with pytest.raises(EpochInvalid, match="another ring"):
        Membership(EpochTable([FIRST, SECOND])).adopt(other, database)
    database.close()


def test_what_is_adopted_stays() -> None:
    """Also over a restart; what is older than ours teaches nothing."""
    database, membership = Database(None), Membership(EpochTable([FIRST]))
    table = EpochTable([FIRST, SECOND])
    assert membership.adopt(table, database)
    assert not membership.adopt(EpochTable([FIRST]), database)
    again = Membership(EpochTable([FIRST]))
    again.restore(database)
    assert table == again.table
    database.close()


def test_who_names_members_again_knows_them_from_others() -> None:
    """What was learnt at an address is kept, but not that it was anybody's."""
    database, anybody = Database(None), Epoch(ANYBODY, -1, ("10.0.0.1:1",))
    Membership(EpochTable([anybody])).adopt(EpochTable([FIRST, SECOND]), database)
    again = Membership(EpochTable([FIRST]))
    again.restore(database)
    assert EpochTable([FIRST, SECOND]) == again.table
    with pytest.raises(EpochInvalid, match="another ring"):
        again.adopt(EpochTable([Epoch(3, 40, ("x",))]), database)
    database.close()


def test_a_file_that_catches_up_changes_nothing() -> None:
    """When the list of the file was applied is known; who owned what before stays so."""
    database, membership = Database(None), Membership(EpochTable([FIRST]))
    third = Epoch(3, 30, ("c",))
    table = EpochTable([FIRST, SECOND, third])
    membership.adopt(table, database)
    for caught_up in (FIRST, SECOND, third):
        again = Membership(EpochTable([replace(caught_up, from_ms=0)]))
        again.restore(database)
        assert table == again.table
    database.close()


def test_an_epoch_comes_in_time_or_not_at_all() -> None:
    """Where something of its intervals was taken by the list before, it is not adopted."""
    database, membership = Database(None), Membership(EpochTable([FIRST]))
    assert not membership.adopt_epoch(SECOND, database, is_free=lambda from_ms: from_ms > 20)
    assert membership.adopt_epoch(SECOND, database, is_free=lambda from_ms: from_ms >= 20)
    database.close()


@pytest.mark.parametrize(
    ("ahead_ms", "median"),
    [
        ([], None),
        ([5], 5),
        ([0, 9000], 0),
        ([-9000, 0], 0),
        ([-1, 2, 9000], 2),
    ],
)
def test_the_median_of_the_senders(ahead_ms: list[int], median: int | None) -> None:
    """Of two in the middle the one nearer to ours."""
    clock = FakeClock()
    clocks = SenderClocks(clock)
    for number, ahead in enumerate(ahead_ms):
        clocks.note(f"h{number}", START_MS + ahead)
    clocks.note("silent", 0)
    assert median == clocks.ahead_ms
    clock.advance(700)
    clocks.note("h0", clock.now_ns() // 1_000_000)
    assert 0 == clocks.ahead_ms


def test_the_slot_tells_the_next_process(tmp_path: Path) -> None:
    """What was in it at the death; nothing if it was free."""
    path = tmp_path / "decoding"
    id = BatchId(UUID(int=5), 7, 9)
    slot = Slot(path)
    assert slot.take() is None
    slot.enter(id)
    slot.free()
    slot.enter(id)
    successor = Slot(path)
    assert (id.uuid, 7) == successor.take()
    assert successor.take() is None
    for each in (slot, successor):
        each.close()
        each.close()


def test_without_a_path_nothing_is_told() -> None:
    """Whoever has no disk begins anew."""
    slot = Slot()
    slot.enter(BatchId(UUID(int=5), 7, 9))
    assert slot.take() is None


def test_cutting_anew_keeps_every_metric() -> None:
    """The parts of a batch cut by another list hold its metrics, byte by byte, at their owners."""
    engine = open_engine("python", EngineOptions(), start_ms=START_MS)
    reader = engine.open_reader("test")
    for number in range(50):
        reader.feed(f"a{number}:1|c|@0.5|#veneurglobalonly\nt{number}:1:2|ms".encode())
    encoder = Encoder("h", INTERVAL_MS, owns=False)
    (whole,) = encoder.outgoing(
        engine.rotate(START_MS + 9000), table=EpochTable([FIRST]), carry=b""
    ).batches
    parts = divided(whole, UUID(int=2), SECOND, Divider(encoder.owners)(whole, SECOND))
    assert ["a", "b"] == [part.owner for part in parts]
    assert (whole.series, whole.samples) == (
        sum(part.series for part in parts),
        sum(part.samples for part in parts),
    )
    assert {2} == {part.epoch for part in parts}
    assert all(part.is_whole for part in parts)
    found = [metric for part in parts for metric in metrics_of(part.payload)]
    assert sorted(metrics_of(whole.payload)) == sorted(found)
    engine.close()


def test_a_payload_that_cannot_be_read_cannot_be_cut() -> None:
    """It says so, and nothing else breaks."""
    with pytest.raises(ValueError, match="cannot be read"):
        Divider(Encoder("h", INTERVAL_MS, owns=False).owners)(batch(b"\xff"), SECOND)


def test_the_interval_of_a_batch_is_a_multiple() -> None:
    """A piece that begins in the middle belongs to the interval around it; so does its epoch."""
    engine = open_engine("python", EngineOptions(), start_ms=START_MS + 3000)
    engine.open_reader("test").feed(b"a:1|c|#veneurglobalonly")
    table = EpochTable([FIRST, Epoch(2, START_MS + 1, ("b",))])
    encoder = Encoder("h", INTERVAL_MS, owns=False)
    (found,) = encoder.outgoing(engine.rotate(START_MS + 9000), table=table, carry=b"").batches
    assert (START_MS, INTERVAL_MS, "a") == (found.start_ms, found.length_ms, found.owner)
    engine.close()


def test_the_role_of_an_epoch() -> None:
    """Who owns and is a member sends itself what is its own."""
    encoder = Encoder("b", INTERVAL_MS, owns=True)
    assert [Role.HOST, Role.OWNER] == [encoder.role(FIRST), encoder.role(SECOND)]
    assert 1 == encoder.owners(SECOND).self_index
    assert Role.HOST is Encoder("b", INTERVAL_MS, owns=False).role(SECOND)


def test_what_was_learnt_at_another_address_is_forgotten() -> None:
    """A host that is pointed elsewhere goes by what is there, and else by what it learnt."""
    database = Database(None)
    learnt = EpochTable([Epoch(0, -1, ("a:1",)), Epoch(1, 0, ("g1", "g2"))])
    assert Membership(EpochTable(learnt.epochs[:1])).adopt(learnt, database)
    same, moved = (Membership(EpochTable([Epoch(0, -1, (at,))])) for at in ("a:1", "b:1"))
    same.restore(database)
    moved.restore(database)
    assert learnt == same.table
    assert ("b:1",) == moved.table.latest.members
    database.close()
