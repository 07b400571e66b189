"""Publishes what came after an interval was sealed: once per interval's time, as one revision."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from veneurpy.engine import Columns, PointType, StoreFull
from veneurpy.forward.deliver import restore_state
from veneurpy.forward.desk import Desk, OpenInterval
from veneurpy.forward.seal import pass_on, publish
from veneurpy.telemetry.events import SealFailed

Key = tuple[bytes, bytes, int, frozenset[str]]


def due(desk: Desk) -> list[int]:
    """The late intervals that have gathered for long enough, the oldest first."""
    now_s, gathered_s = desk.clock.monotonic(), desk.options.interval_ms / 1000
    return [
        start_ms
        for start_ms, interval in sorted(desk.late.items())
        if now_s >= interval.since_s + gathered_s
    ]


def amend(desk: Desk, start_ms: int) -> bool:
    """Publishes the next revision, or passes on what came; False if it could not be committed."""
    interval = desk.late[start_ms]
    is_done = _revise(desk, interval) if desk.next_tier is None else pass_on(desk, interval)
    if is_done:
        del desk.late[start_ms]
    return is_done


def _revise(desk: Desk, interval: OpenInterval) -> bool:
    """Publishes the series that were touched, with all that they hold.

    False if the disk or the memory would not take it.
    """
    start_ms = interval.start_ms
    columns = interval.store.columns(desk.plan, touched_only=True)
    try:
        before = _before(desk, start_ms, columns)
    except StoreFull:
        desk.emit(SealFailed(start_ms, "there is no memory for the revision"))
        return False
    except (sqlite3.Error, OSError) as exc:
        desk.emit(SealFailed(start_ms, str(exc)))
        return False
    return publish(desk, interval, columns, before)


def _before(desk: Desk, start_ms: int, columns: Columns) -> Mapping[int, float]:
    """By row, what the revision before had of each counter: sinks that add up need it."""
    counters = {
        _key(columns, row): row
        for row, kind in enumerate(columns.type)
        if kind == PointType.COUNTER
    }
    if not counters:
        return {}
    known = OpenInterval(start_ms, desk.engine.open_import(start_ms), 0.0)
    try:
        restore_state(desk, known)
        old = known.store.columns(desk.plan)
    finally:
        known.store.release()
    names, tags = _wanted(old, {key[0] for key in counters}, {key[1] for key in counters})
    found = {
        _key(old, row): old.value[row]
        for row, (name, tag) in enumerate(zip(old.name, old.tag, strict=True))
        if name in names and tag in tags and old.type[row] == PointType.COUNTER
    }
    return {row: found[key] for key, row in counters.items() if key in found}


def _wanted(columns: Columns, names: set[bytes], tags: set[bytes]) -> tuple[set[int], set[int]]:
    return (
        {i for i in range(len(columns.names)) if columns.names.raw(i) in names},
        {i for i in range(len(columns.tags)) if columns.tags.raw(i) in tags},
    )


def _key(columns: Columns, row: int) -> Key:
    return (
        columns.names.raw(columns.name[row]),
        columns.tags.raw(columns.tag[row]),
        columns.series_type[row],
        columns.sink_sets[columns.sinks[row]],
    )
