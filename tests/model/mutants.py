"""Wrong variants of the real functions, one rule left out of each. The simulation must see it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

import pytest

from tests.model.nodes import FlakyDatabase, Host, OwnerNode
from veneurpy.accounts import Loss
from veneurpy.forward import amend, deliver, dispatch, give_up, restore, seal
from veneurpy.forward.answer import DONE, Answer
from veneurpy.forward.desk import Desk, OpenInterval
from veneurpy.forward.steps import Steps
from veneurpy.spool import Owed, Record, pieces, seals
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import Outbox
from veneurpy.spool.parcel import Head
from veneurpy.spool.pieces import Content
from veneurpy.spool.seals import Seal, Sealing

Patch = pytest.MonkeyPatch


def acknowledge_what_is_held(patch: Patch) -> None:
    """DONE for what is in memory only."""
    patch.setattr(deliver, "_held", lambda desk: DONE)


def leave_nothing_beside_the_arenas(patch: Patch) -> None:
    """What the disk does not take dies with the process."""
    start = Host.start

    def forgetful(host: Host) -> None:
        host.spare = FlakyDatabase()
        start(host)

    patch.setattr(Host, "start", forgetful)


def forget_early(patch: Patch) -> None:
    """Identities go while their intervals are still taken."""
    write = seals.write

    def early(db: object, sealing: Sealing) -> None:
        write(db, sealing)  # type: ignore[arg-type]
        db.execute("DELETE FROM identities WHERE start_ms < ?", (sealing.start_ms,))  # type: ignore[attr-defined]

    patch.setattr(seals, "write", early)


def seal_in_two_steps(patch: Patch) -> None:
    """First the rows, then, in another transaction, who is in them."""
    write = seals.write

    def commit(
        desk: Desk, record: Record, owed: Sequence[Owed], rows: Content, sealing: Sealing
    ) -> dict[int, Seal]:
        patch.setattr(seals, "write", lambda db, sealing: None)
        known = commit_at_once(desk, record, owed, rows, sealing)
        patch.setattr(seals, "write", write)
        desk.publisher.offer(record)  # where the process may die

        def work(database: Database) -> dict[int, Seal]:
            with database.transaction() as db:
                write(db, sealing)
            return seals.seals(database.connection)

        return known | desk.run(work)

    commit_at_once = seal.commit
    patch.setattr(seal, "commit", commit)


def keep_what_is_written_ahead_loose(patch: Patch) -> None:
    """It counts, and is swept all the same."""
    keep = pieces.keep

    def keep_loose(db: object, whole: Content) -> int:
        was_ahead = whole.seq is not None
        seq = keep(db, whole)  # type: ignore[arg-type]
        if was_ahead:
            db.execute("INSERT INTO loose VALUES (?)", (seq,))  # type: ignore[attr-defined]
        return seq

    patch.setattr(pieces, "keep", keep_loose)


def merge_into_what_is_published(patch: Patch) -> None:
    """A batch is held by an interval whose rows are made already."""
    patch.setattr(Desk, "publishing", lambda desk, start_ms: nullcontext())


def without(question: deliver.Question) -> Callable[[Patch], None]:
    """One question is not asked."""

    def mutate(patch: Patch) -> None:
        rest = tuple(each for each in deliver.QUESTIONS if each is not question)
        patch.setattr(deliver, "QUESTIONS", rest)

    return mutate


def amend_without_state(patch: Patch) -> None:
    """A revision has what came late only."""
    patch.setattr(restore, "restore_state", _no_steps)


def amend_without_before(patch: Patch) -> None:
    """Sinks that add up are not told what they have already."""
    patch.setattr(amend, "_before", _no_steps)


def _no_steps(*_: object) -> Steps[Mapping[int, float]]:
    yield from ()
    return {}


def take_into_what_is_half_restored(patch: Patch) -> None:
    """A late batch does not wait for the rest of the sketches."""
    reopen = restore.reopen

    def at_once(desk: Desk, start_ms: int) -> OpenInterval:
        try:
            return reopen(desk, start_ms)
        except restore.NotRestored:
            known = desk.restorations[start_ms]
            if known.interval is None:
                raise
            return known.interval

    patch.setattr(deliver, "reopen", at_once)


def keep_what_nobody_comes_back_for(patch: Patch) -> None:
    """What was restored stays in memory."""
    let_go = restore.let_go

    def keep(desk: Desk) -> None:
        ready = {time_ms: each for time_ms, each in desk.restorations.items() if each.is_ready}
        for time_ms in ready:
            del desk.restorations[time_ms]
        let_go(desk)
        desk.restorations = ready | desk.restorations

    patch.setattr(restore, "let_go", keep)


def publish_what_was_only_restored(patch: Patch) -> None:
    """An interval counts as late without a late batch."""
    restore_next = restore.restore_next

    def eager(desk: Desk) -> Steps[bool]:
        is_done = yield from restore_next(desk)
        for start_ms, each in list(desk.restorations.items()):
            if each.is_ready and each.interval is not None:
                desk.late[start_ms] = each.interval
                del desk.restorations[start_ms]
        return is_done

    patch.setattr(restore, "restore_next", eager)


def amend_everything(patch: Patch) -> None:
    """A revision that does not rise."""
    opened = deliver._open_late

    def open_late(desk: Desk, start_ms: int) -> object:
        interval = opened(desk, start_ms)
        interval.revision = desk.sealed[start_ms].revision
        return interval

    patch.setattr(deliver, "_open_late", open_late)


def give_up_what_was_sent(patch: Patch) -> None:
    """What may have arrived is called given up."""
    loss_of = give_up.loss_of

    def certain(head: Head, reason: str) -> Loss:
        return replace(loss_of(head, reason), word="given_up")

    patch.setattr(give_up, "loss_of", certain)


def send_elsewhere(patch: Patch) -> None:
    """A batch goes to whoever owns its series now."""
    without(deliver.is_refused)(patch)
    heads = Outbox.heads

    def all_heads(box: Outbox, db: sqlite3.Connection, owner: str, **more: int) -> list[Head]:
        return heads(box, db, "o0", **more) + heads(box, db, "o1", **more)

    patch.setattr(Outbox, "heads", all_heads)


def name_by_process(patch: Patch) -> None:
    """The identity is drawn when a process takes an arena up, not when the interval begins."""
    start = Host.start

    def renamed(host: Host) -> None:
        start(host)
        for arena in host.arenas:
            arena.uuid = host.new_uuid()

    patch.setattr(Host, "start", renamed)


def encode_in_two_steps(patch: Patch) -> None:
    """The mark and the batches are committed apart, and the arena is freed in between."""
    patch.setattr(Outbox, "keep_parcels", lambda box, db, parcels: None)


def forget_the_spool(patch: Patch) -> None:
    """What waits lives in memory."""
    start = Host.start

    def empty(host: Host) -> None:
        host.database.connection.execute("DELETE FROM batches")
        start(host)

    patch.setattr(Host, "start", empty)


def lose_the_table(patch: Patch) -> None:
    """An owner forgets in a crash which members it had confirmed."""
    start = OwnerNode.start

    def forget(node: OwnerNode) -> None:
        node.database.connection.execute("DELETE FROM epochs")
        start(node)

    patch.setattr(OwnerNode, "start", forget)


def ignore_unknown(patch: Patch) -> None:
    """What an owner has lost in a restart is not delivered again."""
    confirmed = dispatch.Dispatch.confirmed

    def deaf(
        self: dispatch.Dispatch, database: Database, owner: str, ids: object, answers: list[Answer]
    ) -> None:
        known = [answer if answer is DONE else replace(DONE) for answer in answers]
        confirmed(self, database, owner, ids, known)  # type: ignore[arg-type]

    patch.setattr(dispatch.Dispatch, "confirmed", deaf)


MUTANTS: dict[str, Callable[[Patch], None]] = {
    "acknowledge what is held": acknowledge_what_is_held,
    "leave nothing beside the arenas": leave_nothing_beside_the_arenas,
    "forget identities early": forget_early,
    "seal in two steps": seal_in_two_steps,
    "keep what is written ahead loose": keep_what_is_written_ahead_loose,
    "merge into what is published": merge_into_what_is_published,
    "do not look into the seals": without(deliver.is_sealed),
    "do not look into memory": without(deliver.is_held),
    "do not refuse": without(deliver.is_refused),
    "amend without the state": amend_without_state,
    "amend without what was before": amend_without_before,
    "amend under the same revision": amend_everything,
    "take into what is half restored": take_into_what_is_half_restored,
    "keep what nobody comes back for": keep_what_nobody_comes_back_for,
    "publish what was only restored": publish_what_was_only_restored,
    "give up what was sent": give_up_what_was_sent,
    "send elsewhere": send_elsewhere,
    "draw the identity anew": name_by_process,
    "mark without the batches": encode_in_two_steps,
    "keep batches in memory": forget_the_spool,
    "lose the table in a crash": lose_the_table,
    "take unknown for done": ignore_unknown,
}
