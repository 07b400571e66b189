"""Publishes an interval, or passes it on: what of it, and who is in it, in one transaction.

Each function that returns Steps runs on the owner's thread, but for the steps that it hands out.
Batches are taken between them, of other intervals.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from veneurpy.engine import Columns
from veneurpy.forward.answer import ACCEPT_WINDOW
from veneurpy.forward.batch import MOST_BYTES
from veneurpy.forward.desk import Desk, NextTier, OpenInterval
from veneurpy.forward.steps import Steps
from veneurpy.spool import Owed, Part, Record, pieces, seals
from veneurpy.spool.codec import encode
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import CHAIN
from veneurpy.spool.parcel import Parcel, parcel
from veneurpy.spool.pieces import Content, content, cut
from veneurpy.spool.seals import Bounds, Seal, Sealing
from veneurpy.telemetry.events import IntervalSealed, SealFailed

SHARDS = 16
REMEMBERED_INTERVALS = 10
"""Of so many it is known who was in, to say who is missing."""


def due(desk: Desk) -> int | None:
    """The interval that is to be sealed now, if there is one: the oldest that is open.

    None is sealed before an older one, nor before a hold has passed since its end and since its
    first batch here; after a start everybody has another interval's time to come back. What could
    not be sealed rests before it is tried again.
    """
    if not desk.open:
        return None
    interval = desk.open[min(desk.open)]
    hold_s, now_s = desk.options.hold_ms / 1000, desk.clock.monotonic()
    is_ended = desk.age_ms(interval.start_ms) >= desk.options.hold_ms
    is_quiet = now_s >= max(interval.since_s + hold_s, interval.rests_until_s)
    is_settled = now_s >= desk.started_s + hold_s + desk.options.interval_ms / 1000
    return interval.start_ms if is_ended and is_quiet and is_settled else None


def seal(desk: Desk, start_ms: int) -> Steps[bool]:
    """Publishes an open interval as revision 0, or passes it on; False if the disk would not."""
    interval = desk.open[start_ms]
    with desk.publishing(start_ms):
        if desk.next_tier is not None:
            is_done = yield from pass_on(desk, interval)
        else:
            columns = yield lambda: interval.store.columns(desk.plan)
            is_done = yield from publish(desk, interval, columns)
        if not is_done:
            interval.rest(desk.clock.monotonic(), desk.options.interval_ms / 1000)
            return False
        del desk.open[start_ms]
    desk.recent = [*desk.recent[-REMEMBERED_INTERVALS + 1 :], interval.senders]
    return True


def publish(
    desk: Desk,
    interval: OpenInterval,
    columns: Columns,
    before: Mapping[int, float] | None = None,
) -> Steps[bool]:
    """Commits a revision and moves its batches to `sealed`; then its store is gone.

    False, and nothing has changed, if the disk would not take it: until it does, no batch is taken.
    """
    options, start_ms = desk.options, interval.start_ms
    parts = [Part(None, options.interval_ms / 1000, interval.revision)]
    record = Record(desk.new_uuid(), start_ms, options.host, columns, parts, before=before or {})
    commit = _commit_in_steps(desk, record, interval)
    if not (yield from _sealed(desk, interval, commit, len(columns))):
        return False
    desk.publisher.offer(record)
    return True


def pass_on(desk: Desk, interval: OpenInterval) -> Steps[bool]:
    """The same for the next tier.

    Nothing is kept to amend it by: what comes later is passed on by itself.
    """
    return _sealed(desk, interval, _commit_passed(desk, interval), points=0)


def _sealed(desk: Desk, interval: OpenInterval, commit: Steps[None], points: int) -> Steps[bool]:
    """Commits a seal and says so; whether the disk took it."""
    start_ms = interval.start_ms
    try:
        yield from commit
    except (sqlite3.Error, OSError) as exc:
        desk.failure = str(exc)
        desk.emit(SealFailed(start_ms, desk.failure))
        return False
    desk.failure = ""
    accounts = desk.accounts
    with accounts.lock:
        account = accounts.late if interval.revision else accounts.open
        sums = interval.sums
        account.add(-sums.batches, -sums.series, -sums.samples)
        accounts.sealed.add(sums.batches, sums.series, sums.samples)
    interval.store.release()
    desk.emit(IntervalSealed(start_ms, interval.revision, points, sums.batches))
    return True


def _commit_in_steps(desk: Desk, record: Record, interval: OpenInterval) -> Steps[None]:
    """Writes what is large ahead, then the one transaction that makes it count.

    What is not kept in the end is swept. Raises sqlite3.Error and OSError.
    """
    large: list[Content] = []
    try:
        owed, rows = yield partial(_rows, desk, record)
        large.append(rows)
        yield from _ahead(desk, rows)
        state = yield partial(_state, desk, interval)
        large.append(state)
        yield from _ahead(desk, state)
        sealing = _sealing(desk, interval, state)
        desk.sealed = commit(desk, record, owed, rows, sealing)
        desk.bounds = sealing.bounds
    finally:
        _drop(desk, large)


def _commit_passed(desk: Desk, interval: OpenInterval) -> Steps[None]:
    """The same of the batches for the next tier. Raises sqlite3.Error and OSError.

    A batch has its identity from the start, and is one when the last transaction says so.
    """
    tier, uuid = desk.next_tier, desk.new_uuid()
    assert tier is not None
    parcels = yield lambda: [
        parcel(batch) for batch in tier.batches(interval.store, uuid, interval.start_ms)
    ]
    payloads = [each.payload for each in parcels]
    try:
        yield from _ahead(desk, *payloads)
        sealing = _sealing(desk, interval, content(()))
        desk.sealed = commit_passed(desk, tier, parcels, sealing)
        desk.bounds = sealing.bounds
    finally:
        _drop(desk, payloads)
    tier.offer([each.head for each in parcels])


def commit(
    desk: Desk, record: Record, owed: Sequence[Owed], rows: Content, sealing: Sealing
) -> dict[int, Seal]:
    """The one transaction. Returns all seals. Raises sqlite3.Error and OSError: it has not been.

    The seals are read within it: a disk that took it and gives nothing would have it done twice.
    """
    known = dict[int, Seal]()
    # The patience for sinks begins now, however old the interval is.
    end_ms = max(record.start_ms + desk.options.interval_ms, desk.now_ms)

    def also(db: sqlite3.Connection) -> None:
        seals.write(db, sealing)
        known.update(seals.seals(db))

    def work(database: Database) -> None:
        database.commit(
            record.uuid,
            start_ms=record.start_ms,
            end_ms=end_ms,
            record=rows,
            owed=owed,
            late=(),
            forget_late_before_ms=0,
            also=also,
        )

    desk.run(work)
    return known


def commit_passed(
    desk: Desk, tier: NextTier, parcels: Sequence[Parcel], sealing: Sealing
) -> dict[int, Seal]:
    """The one transaction, for the next tier. Returns and raises as `commit`."""

    def work(database: Database) -> dict[int, Seal]:
        with database.transaction() as db:
            seals.write(db, sealing)
            CHAIN.keep_parcels(db, parcels)
            known = seals.seals(db)
        tier.committed([each.head for each in parcels])
        return known

    return desk.run(work)


def _rows(desk: Desk, record: Record) -> tuple[Sequence[Owed], Content]:
    owed = desk.publisher.owed(record)
    return owed, content(cut(encode(record)) if owed else ())


def _state(desk: Desk, interval: OpenInterval) -> Content:
    retired = _retired(desk, interval.start_ms)
    return content(() if retired else interval.store.state(SHARDS, MOST_BYTES))


def _retired(desk: Desk, start_ms: int) -> str:
    """Why nothing more will be taken of it; "" if there may be."""
    known = desk.sealed.get(start_ms)
    if known is not None and known.retired:
        return known.retired
    return ACCEPT_WINDOW if start_ms < desk.bounds.refused_before_ms else ""


def _ahead(desk: Desk, *contents: Content) -> Steps[None]:
    """Has all but the last step of something written: others get their turn in between."""
    for step in pieces.steps(contents, desk.options.step_bytes):
        if not (yield partial(desk.run, partial(Database.write_ahead, step=step))):
            return


def _drop(desk: Desk, contents: Sequence[Content]) -> None:
    if any(whole.seq is not None for whole in contents):
        desk.run(partial(Database.drop, contents=contents))


def _sealing(desk: Desk, interval: OpenInterval, state: Content) -> Sealing:
    start_ms, options = interval.start_ms, desk.options
    retired = _retired(desk, start_ms)
    return Sealing(
        start_ms,
        Seal(interval.revision, retired),
        interval.identities,
        content(()) if retired else state,
        _bounds(desk),
        _states_before_ms(desk),
        options.late_max_bytes,
        set(desk.late) - {start_ms},
    )


def _states_before_ms(desk: Desk) -> int:
    """Up to when states go with this seal. Not at all if senders' clocks say otherwise."""
    options = desk.options
    kept_ms = options.interval_ms + options.late_window_ms + options.margin_ms
    return desk.now_ms - kept_ms if desk.clocks.agree(options.interval_ms) else 0


def _bounds(desk: Desk) -> Bounds:
    """Up to when identities go with this seal. Not at all while our clock may be wrong."""
    options, clocks = desk.options, desk.clocks
    if clocks.ahead_ms is None or not clocks.agree(options.interval_ms):
        return desk.bounds
    kept_ms = options.interval_ms + options.accept_window_ms + options.margin_ms
    before_ms = max(desk.now_ms - kept_ms, desk.bounds.forgotten_before_ms)
    return replace(
        desk.bounds,
        forgotten_before_ms=before_ms,
        refused_before_ms=max(before_ms, desk.bounds.refused_before_ms),
    )
