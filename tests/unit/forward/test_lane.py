"""How long the way to an owner rests, and what goes on meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from tests.fleet import INTERVAL_MS, Fleet, batch
from veneurpy.config import Config
from veneurpy.forward.answer import DONE, Answer, Kind
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.lane import longest_pause_s
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import FORWARD
from veneurpy.testing import START_MS

LATE_MS = START_MS - INTERVAL_MS
AFTER_S = 8.0


@pytest.mark.parametrize("interval_s", [0.2, 1.0, 10.0, 60.0, 600.0])
def test_all_are_back_within_a_hold(interval_s: float) -> None:
    """Two attempts at least, whatever the interval, before what came first is sealed."""
    config = Config.model_validate({"interval": f"{interval_s}s"})
    assert 2 * longest_pause_s(interval_s) <= config.global_hold_s


class Restoring:
    """An owner that takes nothing of an interval for a while, and has sealed all others."""

    name, is_forgetful = "o0", False

    def __init__(self) -> None:
        self.asked: list[tuple[int, float]] = []
        self.fleet: Fleet | None = None

    async def deliver(self, batch: Batch) -> Answer:
        """As it is asked."""
        assert self.fleet is not None
        now_s = self.fleet.clock.monotonic()
        self.asked.append((batch.id.uuid.int, now_s))
        first_s = next(asked_s for uuid, asked_s in self.asked if uuid == batch.id.uuid.int)
        if batch.start_ms == LATE_MS and now_s < first_s + AFTER_S:
            return Answer(Kind.BUSY, "restoring", AFTER_S)
        return DONE

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """It holds nothing."""
        return [DONE] * len(ids)


@pytest.fixture
async def owner() -> AsyncIterator[Restoring]:
    """One host's owner."""
    owner, fleet = Restoring(), Fleet()
    owner.fleet = fleet
    fleet.wires = {"o0": owner}  # type: ignore[dict-item]
    await fleet.start()
    yield owner
    await fleet.close()


async def kept(fleet: Fleet, *batches: Batch) -> None:
    """They wait in the host's spool, and its lanes know."""

    def work(database: Database) -> None:
        with database.transaction() as db:
            FORWARD.keep(db, batches)
        fleet.sender.booking(batches)()

    await fleet.spool.do(work)
    fleet.sender.kept(batches)


async def test_an_interval_that_has_to_wait_holds_up_no_other(owner: Restoring) -> None:
    """What is of others is sent meanwhile, and what has waited as soon as its owner has said."""
    fleet = owner.fleet
    assert fleet is not None
    late = [batch(uuid=1, part=part, of=2, start_ms=LATE_MS) for part in range(2)]
    await kept(fleet, *late, batch(uuid=2))
    await fleet.until(lambda: fleet.pending == 2)
    start_s = fleet.clock.monotonic()
    await kept(fleet, batch(uuid=3, start_ms=START_MS + INTERVAL_MS))
    await fleet.until(lambda: not fleet.pending)
    assert [1, 2, 3, 1, 1] == [uuid for uuid, _ in owner.asked]
    assert AFTER_S / 2 > owner.asked[2][1] - start_s
    first_s, *_, again_s, _ = [asked_s for _, asked_s in owner.asked]
    assert first_s + AFTER_S <= again_s < first_s + INTERVAL_MS / 1000
