"""Wrong variants of a chain, one rule left out of each. The simulation must see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import pytest

from tests.model.chain import ZoneNode
from veneurpy.forward import amend, deliver, seal
from veneurpy.forward.batch import MOST_BYTES, Batch
from veneurpy.forward.desk import Desk, NextTier, OpenInterval
from veneurpy.forward.steps import Steps
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import CHAIN
from veneurpy.spool.parcel import Parcel
from veneurpy.spool.pieces import Content, content
from veneurpy.spool.seals import Seal, Sealing

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

    def commit(
        desk: Desk, tier: NextTier, parcels: Sequence[Parcel], sealing: Sealing
    ) -> dict[int, Seal]:
        known = commit_at_once(desk, tier, [], sealing)
        tier.offer([])  # where the process may die
        rest = replace(sealing, identities={})
        commit_at_once(desk, tier, parcels, rest)
        return known

    commit_at_once = seal.commit_passed
    patch.setattr(seal, "commit_passed", commit)


def pass_on_in_steps(patch: Patch) -> None:
    """What is written ahead waits for the next tier at once, not only when the seal counts."""

    def steps(desk: Desk, interval: OpenInterval) -> Steps[None]:
        tier, uuid = desk.next_tier, desk.new_uuid()
        assert tier is not None
        for batch in tier.batches(interval.store, uuid, interval.start_ms):
            yield partial(desk.run, partial(_keep, batch))
        known = seal._sealing(desk, interval, content(()))
        desk.sealed = seal.commit_passed(desk, tier, [], known)
        desk.bounds = known.bounds

    patch.setattr(seal, "_commit_passed", steps)


def _keep(batch: Batch, database: Database) -> None:
    with database.transaction() as db:
        CHAIN.keep(db, [batch])


def sweep_what_waits(patch: Patch) -> None:
    """The payloads of what is passed on are loose after the seal as well."""
    commit = seal.commit_passed

    def commit_loose(
        desk: Desk, tier: NextTier, parcels: Sequence[Parcel], sealing: Sealing
    ) -> dict[int, Seal]:
        known = commit(desk, tier, parcels, sealing)
        rows = [(each.payload.seq,) for each in parcels]
        desk.run(lambda database: _loosen(database, rows))
        return known

    patch.setattr(seal, "commit_passed", commit_loose)


def _loosen(database: Database, rows: Sequence[tuple[int | None]]) -> None:
    with database.transaction() as db:
        db.executemany("INSERT INTO loose VALUES (?)", rows)


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
        pass_on_in_steps,
        sweep_what_waits,
        forget_what_waits,
        keep_late_data,
    )
}
