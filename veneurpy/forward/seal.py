"""Publishes an interval, or passes it on: what of it, and who is in it, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace

from veneurpy.engine import Columns
from veneurpy.forward.batch import MOST_BYTES
from veneurpy.forward.desk import Desk, OpenInterval
from veneurpy.spool import Part, Record, seals
from veneurpy.spool.codec import encode
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import CHAIN
from veneurpy.spool.seals import Bounds, Seal, Sealing
from veneurpy.telemetry.events import IntervalSealed, SealFailed

SHARDS = 16
REMEMBERED_INTERVALS = 10
"""Of so many it is known who was in, to say who is missing."""


def due(desk: Desk) -> int | None:
    """The interval that is to be sealed now, if there is one: the oldest that is open.

    None is sealed before an older one, nor before a hold has passed since its end and since its
    first batch here; after a start everybody has another interval's time to come back.
    """
    if not desk.open:
        return None
    interval = desk.open[min(desk.open)]
    hold_s, now_s = desk.options.hold_ms / 1000, desk.clock.monotonic()
    is_ended = desk.age_ms(interval.start_ms) >= desk.options.hold_ms
    is_quiet = now_s >= interval.since_s + hold_s
    is_settled = now_s >= desk.started_s + hold_s + desk.options.interval_ms / 1000
    return interval.start_ms if is_ended and is_quiet and is_settled else None


def seal(desk: Desk, start_ms: int) -> bool:
    """Publishes an open interval as revision 0, or passes it on; False if the disk would not."""
    interval = desk.open[start_ms]
    if desk.next_tier is not None:
        is_done = pass_on(desk, interval)
    else:
        is_done = publish(desk, interval, interval.store.columns(desk.plan))
    if is_done:
        del desk.open[start_ms]
        desk.recent = [*desk.recent[-REMEMBERED_INTERVALS + 1 :], interval.senders]
    return is_done


def publish(
    desk: Desk,
    interval: OpenInterval,
    columns: Columns,
    before: Mapping[int, float] | None = None,
) -> bool:
    """Commits a revision and moves its batches to `sealed`; then its store is gone.

    False, and nothing has changed, if the disk would not take it: until it does, no batch is taken.
    """
    options, start_ms = desk.options, interval.start_ms
    parts = [Part(None, options.interval_ms / 1000, interval.revision)]
    record = Record(desk.new_uuid(), start_ms, options.host, columns, parts, before=before or {})
    sealing = _sealing(desk, interval)
    if not _sealed(desk, interval, sealing, lambda: commit(desk, record, sealing), len(columns)):
        return False
    desk.publisher.offer(record)
    return True


def pass_on(desk: Desk, interval: OpenInterval) -> bool:
    """The same for the next tier: the seal and its batches are one transaction.

    Nothing is kept to amend it by: what comes later is passed on by itself.
    """
    tier, uuid, start_ms = desk.next_tier, desk.new_uuid(), interval.start_ms
    assert tier is not None
    batches = tier.batches(interval.store, uuid, start_ms)
    sealing = _sealing(desk, interval)

    def work(database: Database) -> dict[int, Seal]:
        with database.transaction() as db:
            seals.write(db, sealing)
            CHAIN.keep(db, batches)
        tier.committed(batches)
        return seals.seals(database.connection)

    if not _sealed(desk, interval, sealing, lambda: desk.run(work), points=0):
        return False
    tier.offer(batches)
    return True


def _sealed(
    desk: Desk,
    interval: OpenInterval,
    sealing: Sealing,
    commit: Callable[[], dict[int, Seal]],
    points: int,
) -> bool:
    """Commits a seal and says so; whether the disk took it."""
    start_ms = interval.start_ms
    try:
        desk.sealed = commit()
    except (sqlite3.Error, OSError) as exc:
        desk.failure = str(exc)
        desk.emit(SealFailed(start_ms, desk.failure))
        return False
    desk.failure = ""
    desk.bounds = sealing.bounds
    accounts = desk.accounts
    with accounts.lock:
        account = accounts.late if interval.revision else accounts.open
        sums = interval.sums
        account.add(-sums.batches, -sums.series, -sums.samples)
        accounts.sealed.add(sums.batches, sums.series, sums.samples)
    interval.store.release()
    desk.emit(IntervalSealed(start_ms, interval.revision, points, sums.batches))
    return True


def commit(desk: Desk, record: Record, sealing: Sealing) -> dict[int, Seal]:
    """The one transaction. Returns all seals. Raises sqlite3.Error and OSError."""
    owed = desk.publisher.owed(record)
    pieces = encode(record) if owed else ()
    # The patience for sinks begins now, however old the interval is.
    end_ms = max(record.start_ms + desk.options.interval_ms, desk.now_ms)

    def work(database: Database) -> dict[int, Seal]:
        database.commit(
            record.uuid,
            start_ms=record.start_ms,
            end_ms=end_ms,
            record=pieces,
            owed=owed,
            late=(),
            forget_late_before_ms=0,
            also=lambda db: seals.write(db, sealing),
        )
        return seals.seals(database.connection)

    return desk.run(work)


def _sealing(desk: Desk, interval: OpenInterval) -> Sealing:
    start_ms, options = interval.start_ms, desk.options
    known = desk.sealed.get(start_ms)
    is_retired = known is not None and known.is_retired
    is_kept = not is_retired and desk.next_tier is None
    states = interval.store.state(SHARDS, MOST_BYTES) if is_kept else []
    if interval.start_ms < desk.bounds.refused_before_ms:
        is_retired, states = True, []
    return Sealing(
        start_ms,
        Seal(interval.revision, is_retired),
        interval.identities,
        states,
        _bounds(desk),
        desk.now_ms - options.interval_ms - options.late_window_ms - options.margin_ms,
        options.late_max_bytes,
        set(desk.late) - {start_ms},
    )


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
