"""An outage longer than `late_window`: who is not back within the hold is named at both ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fleet import Fleet, batch
from tests.unit.forward.test_restore_at_an_owner import payload
from veneurpy.console.between import between_nodes
from veneurpy.engine import EngineKind
from veneurpy.telemetry import metrics
from veneurpy.testing import START_MS

OUTAGE_S = 1200.0
LINES = ("a7:5|c|#veneurglobalonly", "a7:1|c|#veneurglobalonly", "b:1|c|#veneurglobalonly")


async def cut(kind: EngineKind) -> Fleet:
    """A host has an interval for an owner that it does not reach for twenty minutes."""
    fleet = Fleet(engine=kind)
    await fleet.start()
    fleet.wires["o0"].is_cut = True
    await fleet.flush(*LINES)
    fleet.clock.advance(OUTAGE_S)
    return fleet


def status(fleet: Fleet) -> dict[str, Any]:
    """Of a node that is both."""
    accounts = fleet.sender.accounts.as_dict()
    forward = {"epoch": 1, "members": ["o0"], "owners": [], "accounts": accounts}
    owner = fleet.owners["o0"].status()
    return {"node": "o0", "roles": ["host"], "grpc": None, "forward": forward, "owner": owner}


@pytest.mark.parametrize("engine", ["native", "python"])
async def test_who_is_back_within_the_hold_is_in(engine: EngineKind) -> None:
    """However old the interval is: its hold begins with the first batch of it."""
    fleet = await cut(engine)
    await fleet.owners["o0"].deliver(batch(payload(fleet, 1), uuid=77, sender="h1"))
    fleet.wires["o0"].is_cut = False
    await fleet.until(lambda: not fleet.pending)
    assert (0, 7.0) == fleet.kept["o0"].rows["a7", START_MS]
    assert [] == list(fleet.sender.accounts.named)
    assert [] == fleet.log.of("interval_too_old")
    await fleet.close()


@pytest.mark.parametrize("engine", ["native", "python"])
async def test_who_is_back_after_the_hold_is_named(engine: EngineKind) -> None:
    """The host has the batch, its interval, series and samples; the owner tells whose they are."""
    fleet = await cut(engine)
    owner = fleet.owners["o0"]
    await owner.deliver(batch(payload(fleet, 1), uuid=77, sender="h1"))
    await fleet.until(lambda: owner.status()["sealed"] == 1)
    fleet.wires["o0"].is_cut = False
    await fleet.until(lambda: not fleet.pending)
    assert (0, 1.0) == fleet.kept["o0"].rows["a7", START_MS]
    (loss,) = fleet.sender.accounts.named
    assert ("given_up", "late_window", "o0", START_MS, 2, 3) == (
        loss.word,
        loss.reason,
        loss.owner,
        loss.start_ms,
        loss.series,
        loss.samples,
    )
    # It is booked on the spool's thread, and told on the loop a moment later.
    await fleet.until(lambda: bool(fleet.log.of("batches_lost")))
    (told,) = fleet.log.of("batches_lost")
    assert ("o0", "given_up", "late_window", 1, 2, 3, START_MS) == tuple(
        told[key]
        for key in ("owner", "fate", "reason", "batches", "series", "samples", "oldest_ms")
    )
    (refused,) = fleet.log.of("interval_too_old")
    assert ("late_window", "h0", START_MS, 2, 3) == tuple(
        refused[key] for key in ("reason", "sender", "start_ms", "series", "samples")
    )
    assert 1 == fleet.telemetry.value(metrics.BATCHES_ANSWERED, answer="too_old")
    assert "given up (late_window): 1 batch, 3 samples" in list(between_nodes(status(fleet)))
    equations = [*fleet.sender.accounts.equations(), *owner.accounts.equations()]
    assert [] == [str(each) for each in equations if not each.holds]
    await fleet.close()


async def test_what_is_named_was_not_published() -> None:
    """Also where an answer was lost: an owner that has sealed without it says so for good."""
    fleet = await cut("python")
    owner = fleet.owners["o0"]
    await owner.deliver(batch(payload(fleet, 1), uuid=77, sender="h1"))
    await fleet.until(lambda: owner.status()["sealed"] == 1)
    fleet.wires["o0"].loses_answers, fleet.wires["o0"].is_cut = True, False
    await fleet.until(lambda: len(fleet.wires["o0"].delivered) >= 2)
    fleet.wires["o0"].loses_answers = False
    await fleet.until(lambda: not fleet.pending)
    assert ["given_up"] == [loss.word for loss in fleet.sender.accounts.named]
    assert (0, 1.0) == fleet.kept["o0"].rows["a7", START_MS]
    assert ("b", START_MS) not in fleet.kept["o0"].rows
    await fleet.close()
