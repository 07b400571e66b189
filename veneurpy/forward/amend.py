"""Publishes what came after an interval was sealed: once per interval's time, as one revision."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import cast

from veneurpy.engine import Columns, PointType, StoreFull
from veneurpy.engine.earlier import earlier_values
from veneurpy.forward.desk import Desk, OpenInterval
from veneurpy.forward.restore import restore_state
from veneurpy.forward.seal import pass_on, publish
from veneurpy.forward.steps import Steps
from veneurpy.telemetry.events import SealFailed


def due(desk: Desk) -> list[int]:
    """The late intervals that have gathered, and rested, for long enough, the oldest first."""
    now_s, gathered_s = desk.clock.monotonic(), desk.options.interval_ms / 1000
    return [
        start_ms
        for start_ms, interval in sorted(desk.late.items())
        if now_s >= max(interval.since_s + gathered_s, interval.rests_until_s)
    ]


def amend(desk: Desk, start_ms: int) -> Steps[bool]:
    """Publishes the next revision, or passes on what came; False if it could not be committed."""
    interval = desk.late[start_ms]
    with desk.publishing(start_ms):
        steps = _revise(desk, interval) if desk.next_tier is None else pass_on(desk, interval)
        if not (yield from steps):
            interval.rest(desk.clock.monotonic(), desk.options.interval_ms / 1000)
            return False
        del desk.late[start_ms]
    return True


def _revise(desk: Desk, interval: OpenInterval) -> Steps[bool]:
    """Publishes the series that were touched, with all that they hold.

    False if the disk or the memory would not take it.
    """
    start_ms = interval.start_ms
    columns = yield lambda: interval.store.columns(desk.plan, touched_only=True)
    try:
        before = yield from _before(desk, start_ms, columns)
    except StoreFull:
        desk.emit(SealFailed(start_ms, "there is no memory for the revision"))
        return False
    except (sqlite3.Error, OSError) as exc:
        desk.emit(SealFailed(start_ms, str(exc)))
        return False
    return (yield from publish(desk, interval, columns, before))


def _before(desk: Desk, start_ms: int, columns: Columns) -> Steps[Mapping[int, float]]:
    """By row, what the revision before had of each counter: sinks that add up need it."""
    if PointType.COUNTER not in bytes(columns.type):
        return {}
    known = OpenInterval(start_ms, desk.engine.open_import(start_ms), 0.0)
    try:
        yield from restore_state(desk, known)
        values = yield lambda: earlier_values(columns, known.store.columns(desk.plan))
        return cast("Mapping[int, float]", values)
    finally:
        known.store.release()
