"""Has the committed sketches of a published interval in memory again, for what comes late.

A few are read at once. Many are read in steps, beside the owner's thread and one interval after the
other: a batch that needs them is BUSY meanwhile, and finds them there when it comes again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial

from veneurpy.engine import FrameBroken, StoreFull
from veneurpy.errors import VeneurpyError
from veneurpy.forward.desk import Desk, OpenInterval, Restoration
from veneurpy.forward.steps import Steps, finish
from veneurpy.spool import seals
from veneurpy.telemetry.events import StateUnreadable

KEPT_S = 30.0
"""What was restored waits so long for a batch: a sender's longest pause between two attempts."""
RESTORED_BYTES_S = 32 << 20
"""Sketches are read at least so fast, by which a sender is told when to come again."""
SHORTEST_S, LONGEST_S = 1.0, 10.0
"""What a sender is told at least and at most."""


class NotRestored(VeneurpyError):
    """The sketches are not there: for a fixed reason, and until about when."""

    def __init__(self, reason: str, after_s: float = SHORTEST_S) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s


def reopen(desk: Desk, start_ms: int) -> OpenInterval:
    """A published interval as it was then; what comes from now on touches it.

    Raises NotRestored if its batch has to come again, StoreFull, sqlite3.Error and OSError.
    """
    known, now_s = desk.restorations.get(start_ms), desk.clock.monotonic()
    if known is not None and known.failure and now_s >= known.until_s:
        del desk.restorations[start_ms]
        known = None
    if known is None:
        size = desk.run(lambda database: seals.state_bytes(database.connection, start_ms))
        if size <= desk.options.at_once_bytes:
            return _restored_at_once(desk, start_ms)
        known = desk.restorations[start_ms] = Restoration(size)
    if known.failure:
        raise NotRestored(known.failure, known.until_s - now_s)
    if known.interval is None or not known.is_ready:
        raise NotRestored("restoring", _wait_s(desk, start_ms))
    return known.interval


def restore_next(desk: Desk) -> Steps[bool]:
    """Restores what was asked for first, of what is still wanted; False if nothing is.

    What fails is not tried again before an interval's time has passed.
    """
    let_go(desk)
    wanted = (start_ms for start_ms, each in desk.restorations.items() if each.is_wanted)
    start_ms = next(wanted, None)
    if start_ms is None or desk.is_ending:
        return False
    known = desk.restorations[start_ms]
    try:
        known.interval = open_late(desk, start_ms)
        yield from restore_state(desk, known.interval, partial(_check, desk, start_ms))
        known.interval.store.forget_touched()
        known.is_ready, kept_s = True, KEPT_S
    except (StoreFull, sqlite3.Error, OSError, NotRestored) as exc:
        known.failure, kept_s = _reason(exc), desk.options.interval_ms / 1000
    finally:
        if not known.is_ready:
            known.release()
    known.until_s = desk.clock.monotonic() + kept_s
    return True


def let_go(desk: Desk) -> None:
    """Frees what nobody has come back for, or can any more. Nothing is published of it."""
    now_s = desk.clock.monotonic()
    for start_ms, each in list(desk.restorations.items()):
        is_over = not each.is_wanted and now_s >= each.until_s
        if is_over or not _is_amendable(desk, start_ms):
            each.release()
            del desk.restorations[start_ms]


def restore_state(
    desk: Desk, interval: OpenInterval, check: Callable[[], None] = lambda: None
) -> Steps[None]:
    """Merges the committed sketches of an interval into its store.

    Raises StoreFull, sqlite3.Error, OSError, and what `check` raises between the steps.
    """
    done = 0
    while count := (yield partial(_merge_some, desk, interval, done)):
        check()
        done += count


def _merge_some(desk: Desk, interval: OpenInterval, done: int) -> int:
    """Merges the payloads after the first so many, as far as one step goes; returns how many."""
    start_ms, most_bytes = interval.start_ms, desk.options.restore_bytes
    payloads = desk.run(lambda db: seals.state(db.connection, start_ms, done, most_bytes))
    for payload in payloads:
        try:
            interval.store.merge(payload, sender="", received_ns=0)
        except FrameBroken as broken:
            desk.emit(StateUnreadable(start_ms, broken.reason))
            raise StoreFull from broken
    return len(payloads)


def _restored_at_once(desk: Desk, start_ms: int) -> OpenInterval:
    interval = open_late(desk, start_ms)
    try:
        finish(restore_state(desk, interval))
    except BaseException:
        interval.store.release()
        raise
    interval.store.forget_touched()
    return interval


def open_late(desk: Desk, start_ms: int) -> OpenInterval:
    """The next revision of a published interval, with nothing in it. Raises StoreFull."""
    store = desk.engine.open_import(start_ms)
    return OpenInterval(start_ms, store, desk.clock.monotonic(), desk.sealed[start_ms].revision + 1)


def _check(desk: Desk, start_ms: int) -> None:
    """Raises NotRestored and StoreFull if it is of no use to go on."""
    if desk.is_ending or not _is_amendable(desk, start_ms):
        raise NotRestored("restoring")
    if desk.memory_bytes > desk.options.max_bytes:
        raise StoreFull


def _is_amendable(desk: Desk, start_ms: int) -> bool:
    seal = desk.sealed.get(start_ms)
    return seal is not None and not seal.retired


def _wait_s(desk: Desk, start_ms: int) -> float:
    """When about it will be there: those that were asked for before come first."""
    size = 0
    for each_ms, each in desk.restorations.items():
        size += 0 if each.is_ready or each.failure else each.bytes
        if each_ms == start_ms:
            break
    return min(SHORTEST_S + size / RESTORED_BYTES_S, LONGEST_S)


def _reason(error: Exception) -> str:
    if isinstance(error, NotRestored):
        return error.reason
    return "memory" if isinstance(error, StoreFull) else "disk"
