"""Takes a batch, or says why not. The order of the questions is part of the protocol."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from veneurpy.engine import FrameBroken, StoreFull
from veneurpy.forward.answer import ACCEPT_WINDOW, DONE, FORGOTTEN, Answer, Kind
from veneurpy.forward.batch import MOST_BYTES, Batch
from veneurpy.forward.desk import Desk, OpenInterval
from veneurpy.forward.epochs import ANYBODY
from veneurpy.forward.restore import NotRestored, open_late, reopen
from veneurpy.spool import seals
from veneurpy.spool.database import Database
from veneurpy.spool.seals import Bounds
from veneurpy.telemetry.events import (
    BatchRefused,
    BatchRejected,
    IntervalTooOld,
    OwnerClockWrong,
)

Question = Callable[[Desk, Batch], Answer | None]

BUSY_S = 1.0
"""When a sender should ask again if there is nothing to reckon by."""
MOST_PAYLOAD_BYTES = 4 * MOST_BYTES
"""Nobody of ours sends as much; what one decoded batch may cost is bounded by it."""


def deliver(desk: Desk, batch: Batch) -> Answer:
    """The answer to a batch, the same to the same batch however often it comes.

    A disk that fails makes it BUSY, and nothing was taken.
    """
    desk.clocks.note(batch.sender, batch.sent_ms)
    try:
        for question in QUESTIONS:
            answer = question(desk, batch)
            if answer is not None:
                return answer
        return take(desk, batch)
    except (sqlite3.Error, OSError):
        return _busy("disk")


def is_refused(desk: Desk, batch: Batch) -> Answer | None:
    """REFUSED: it is for another owner, by another table, or of another interval length."""
    options, table = desk.options, desk.membership.table
    if batch.length_ms != options.interval_ms or batch.start_ms % options.interval_ms:
        refusal = BatchRefused("length", batch.sender, batch.length_ms, options.interval_ms)
        desk.emit(refusal)
        return Answer(Kind.REFUSED, "length", table=table)
    epoch = table.at(batch.start_ms)
    if batch.epoch == ANYBODY and epoch.members == (options.name,):
        return None  # its sender knows an address only, and there is nobody else
    if batch.owner != options.name or options.name not in epoch.members:
        return Answer(Kind.REFUSED, "owner", table=table)
    if batch.epoch != epoch.number:
        return Answer(Kind.REFUSED, "epoch", table=table)
    return None


def is_sealed(desk: Desk, batch: Batch) -> Answer | None:
    """DONE: its identity is in a seal of its interval."""
    if batch.start_ms not in desk.sealed or not batch.id.is_possible:
        return None

    def work(database: Database) -> int:
        return seals.parts_of(database.connection, batch.id.uuid, batch.start_ms)

    return DONE if desk.run(work) >> batch.id.part & 1 else None


def is_held(desk: Desk, batch: Batch) -> Answer | None:
    """HELD: its identity is in memory."""
    interval = desk.gathering(batch.start_ms)
    is_in = interval is not None and batch.id.is_possible and interval.holds(batch.id)
    return _held(desk) if is_in else None


def is_inconvenient(desk: Desk, batch: Batch) -> Answer | None:
    """BUSY: it is of the future, our clock is wrong, its interval is being published, or there is
    no room in memory or on disk."""
    options = desk.options
    if desk.failure:
        return _busy("disk")
    if batch.start_ms == desk.published:
        return _busy("sealing")
    if not desk.clocks.agree(options.interval_ms):
        desk.emit(OwnerClockWrong((desk.clocks.ahead_ms or 0) / 1000))
        return _busy("clock")
    early_ms = -desk.age_ms(batch.start_ms) - options.interval_ms
    if early_ms > 0:
        return _busy("future", min(early_ms / 1000, 60.0))
    if _memory_beside(desk, batch) + len(batch.payload) > options.max_bytes:
        return _busy("memory")
    is_new = batch.start_ms not in desk.sealed and batch.start_ms not in desk.open
    if is_new and len(desk.open) >= options.most_open:
        return _busy("intervals", options.hold_ms / 1000)
    return None


def is_too_old(desk: Desk, batch: Batch) -> Answer | None:
    """TOO_OLD: nothing of its interval is taken, and by what is committed here never will be."""
    start_ms, age_ms = batch.start_ms, desk.age_ms(batch.start_ms)
    if start_ms < desk.bounds.forgotten_before_ms:
        return _too_old(desk, batch, FORGOTTEN)
    if start_ms < desk.bounds.refused_before_ms:
        return _too_old(desk, batch, ACCEPT_WINDOW)
    if age_ms > desk.options.accept_window_ms:
        _refuse_up_to(desk, start_ms)
        return _too_old(desk, batch, ACCEPT_WINDOW)
    seal = desk.sealed.get(start_ms)
    if seal is None or (not seal.retired and age_ms <= desk.options.late_window_ms):
        return None
    if not seal.retired:
        _retire(desk, start_ms)
    return _too_old(desk, batch, desk.sealed[start_ms].retired)


def is_bad(desk: Desk, batch: Batch) -> Answer | None:
    """REJECTED: its frame is broken, or processes died of it."""
    if not batch.id.is_possible:
        return _rejected(desk, batch, "bad_identity")
    if len(batch.payload) > MOST_PAYLOAD_BYTES:
        return _rejected(desk, batch, "too_large")
    if not batch.is_whole:
        return _rejected(desk, batch, "bad_checksum")
    if (batch.id.uuid, batch.id.part) in desk.quarantined:

        def work(database: Database) -> None:
            with database.transaction() as db:
                seals.keep_quarantined(db, batch)

        desk.run(work)
        return _rejected(desk, batch, "quarantined")
    return None


QUESTIONS: Final[tuple[Question, ...]] = (
    # First what was taken here: who is refused may cut a batch anew, and it would count twice.
    is_sealed,
    is_held,
    is_refused,
    is_inconvenient,
    is_too_old,
    is_bad,
)


def take(desk: Desk, batch: Batch) -> Answer:
    """Merges a batch that nothing speaks against into its interval: HELD.

    BUSY, and nothing is taken, if there is no memory, or if the interval is being restored.
    """
    start_ms = batch.start_ms
    is_late = start_ms in desk.sealed
    intervals = desk.late if is_late else desk.open
    interval = intervals.get(start_ms)
    try:
        if interval is None:
            interval = _open_late(desk, start_ms) if is_late else _open(desk, start_ms)
        return _merge(desk, batch, interval, intervals)
    except NotRestored as exc:
        return _busy(exc.reason, exc.after_s)
    except StoreFull:
        return _busy("memory")
    finally:
        is_kept = start_ms in intervals or start_ms in desk.restorations
        if interval is not None and not is_kept:
            interval.store.release()


def _merge(
    desk: Desk, batch: Batch, interval: OpenInterval, intervals: dict[int, OpenInterval]
) -> Answer:
    desk.slot.enter(batch.id)
    try:
        imported = interval.store.merge(
            batch.payload, sender=batch.sender, received_ns=desk.clock.now_ns()
        )
    except FrameBroken as broken:
        return _rejected(desk, batch, broken.reason)
    finally:
        desk.slot.free()
    accounts = desk.accounts
    with accounts.lock:
        uuid, part, _ = batch.id
        interval.identities[uuid] = interval.identities.get(uuid, 0) | 1 << part
        interval.senders.add(batch.sender)
        account = accounts.late if intervals is desk.late else accounts.open
        for sums in (interval.sums, account, accounts.accepted):
            sums.add(1, imported.metrics, imported.samples)
        for reason, count in imported.rejected.items():
            known = accounts.metrics_rejected.get(reason, 0)
            accounts.metrics_rejected[reason] = known + count
        intervals[interval.start_ms] = interval
    if desk.restorations.pop(interval.start_ms, None) is not None:
        interval.since_s = desk.clock.monotonic()
    return _held(desk)


def _open(desk: Desk, start_ms: int) -> OpenInterval:
    store = desk.engine.open_import(start_ms)
    return OpenInterval(start_ms, store, desk.clock.monotonic())


def _open_late(desk: Desk, start_ms: int) -> OpenInterval:
    """An interval that was published, as it was then; what comes now touches it.

    One that was passed on is empty: what comes now is all that the next tier does not have.
    """
    return reopen(desk, start_ms) if desk.next_tier is None else open_late(desk, start_ms)


def _memory_beside(desk: Desk, batch: Batch) -> int:
    """What there is in memory, but for what was restored for it: that has its room already."""
    known = desk.restorations.get(batch.start_ms)
    return desk.memory_bytes - (0 if known is None else known.memory_bytes)


def _refuse_up_to(desk: Desk, start_ms: int) -> None:
    """Puts on record that nothing of an interval or one before it is taken any more.

    What was said once must stay true, also if the clock is set back and a copy comes late.
    """
    bounds = replace(desk.bounds, refused_before_ms=start_ms + 1)
    _keep_bounds(desk, bounds)


def _keep_bounds(desk: Desk, bounds: Bounds) -> None:
    def work(database: Database) -> None:
        with database.transaction() as db:
            seals.keep_bounds(db, bounds)

    desk.run(work)
    desk.bounds = bounds


def _retire(desk: Desk, start_ms: int) -> None:
    def work(database: Database) -> None:
        with database.transaction() as db:
            seals.retire(db, start_ms, seals.LATE_WINDOW)

    desk.run(work)
    desk.sealed[start_ms] = desk.sealed[start_ms]._replace(retired=seals.LATE_WINDOW)


def _too_old(desk: Desk, batch: Batch, reason: str) -> Answer:
    desk.emit(IntervalTooOld(reason, batch.sender, batch.start_ms, batch.series, batch.samples))
    return Answer(Kind.TOO_OLD, reason, windows=desk.options.windows)


def _rejected(desk: Desk, batch: Batch, reason: str) -> Answer:
    desk.emit(
        BatchRejected(reason, batch.sender, str(batch.id), batch.start_ms, len(batch.payload))
    )
    return Answer(Kind.REJECTED, reason)


def _held(desk: Desk) -> Answer:
    return Answer(Kind.HELD, windows=desk.options.windows)


def _busy(reason: str, after_s: float = BUSY_S) -> Answer:
    return Answer(Kind.BUSY, reason, after_s)
