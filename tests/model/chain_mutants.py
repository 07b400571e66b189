"""Wrong variants of a chain, one rule left out of each. The simulation must see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pytest

from tests.model.chain import ZoneNode
from tests.model.nodes import Crash
from veneurpy.forward import amend, deliver, seal
from veneurpy.forward.batch import MOST_BYTES, Batch
from veneurpy.forward.desk import Desk, OpenInterval
from veneurpy.forward.steps import Steps
from veneurpy.spool.outbox import CHAIN, Outbox
from veneurpy.spool.pieces import Content, content
from veneurpy.spool.seals import Sealing

Patch = pytest.MonkeyPatch


def pass_on_the_total(patch: Patch) -> None:
    """A late part has what was passed on before as well."""
    open_late, sealing = deliver._open_late, seal._sealing

    def open_as_an_owner(desk: Desk, start_ms: int) -> OpenInterval:
        tier, desk.next_tier = desk.next_tier, None
        try:
            return open_late(desk, start_ms)
        finally:
            desk.next_tier = tier

    def keep_the_state(desk: Desk, interval: OpenInterval, _: Content) -> Sealing:
        return sealing(desk, interval, content(interval.store.state(seal.SHARDS, MOST_BYTES)))

    patch.setattr(deliver, "_open_late", open_as_an_owner)
    patch.setattr(seal, "_sealing", keep_the_state)


def pass_on_after_the_seal(patch: Patch) -> None:
    """The batches are written in a transaction of their own."""
    keep = Outbox.keep

    def offer(zone: ZoneNode, batches: Sequence[Batch]) -> None:
        if zone.dies():
            raise Crash
        with zone.database.transaction() as db:
            keep(CHAIN, db, batches)

    patch.setattr(Outbox, "keep", lambda box, db, given: box is CHAIN or keep(box, db, given))
    patch.setattr(ZoneNode, "offer", offer)


def forget_what_waits(patch: Patch) -> None:
    """What waits for the next tier lives in memory."""
    start = ZoneNode.start

    def empty(zone: ZoneNode) -> None:
        zone.database.connection.execute("DELETE FROM chain_batches")
        start(zone)

    patch.setattr(ZoneNode, "start", empty)


def keep_late_data(patch: Patch) -> None:
    """What comes after the seal is taken and not passed on."""
    pass_on = amend.pass_on

    def nothing(desk: Desk, interval: OpenInterval) -> Steps[bool]:
        interval.store.release()
        interval.store = desk.engine.open_import(interval.start_ms)
        return pass_on(desk, interval)

    patch.setattr(amend, "pass_on", nothing)


MUTANTS: Final[dict[str, Callable[[Patch], None]]] = {
    mutant.__name__: mutant
    for mutant in (
        pass_on_the_total,
        pass_on_after_the_seal,
        forget_what_waits,
        keep_late_data,
    )
}
