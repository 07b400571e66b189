"""How tests drive an engine, whichever it is, and read what comes out."""

from __future__ import annotations

import importlib.util
import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from veneurpy.engine import (
    Accounts,
    Columns,
    Engine,
    EngineKind,
    EngineOptions,
    Interval,
    MetricType,
    Plan,
    PointType,
    Process,
    Reader,
    Scope,
    open_engine,
)

START_MS = 1_500_000_000_000
NOW_NS = START_MS * 1_000_000 + 1_000_000_000
END_MS = START_MS + 10_000


def has_native() -> bool:
    """Whether the native engine is built here; one that then fails to import fails the tests."""
    return importlib.util.find_spec("veneurpy.engine.native.engine") is not None


needs_native = pytest.mark.skipif(not has_native(), reason="the native engine is not built")
engine_kinds = pytest.mark.parametrize(
    "kind",
    [pytest.param("python", id="reference"), pytest.param("native", marks=needs_native)],
)


class Row(NamedTuple):
    """One point, comparable and sortable."""

    name: str
    tags: tuple[str, ...]
    series_type: MetricType
    sinks: tuple[str, ...]
    timestamp_ms: int
    type: PointType
    scope: Scope
    own_time: bool
    value: float


@dataclass(frozen=True)
class Outcome:
    """Everything that an interval says."""

    rows: list[Row]
    accounts: list[tuple[str, Accounts]]
    series: int
    side_log: list[tuple[int, bytes]]
    type_conflicts: list[str]

    @property
    def total(self) -> Accounts:
        """The accounts of all readers as one."""
        return add_accounts(accounts for _, accounts in self.accounts)


class Datagram(NamedTuple):
    """One call of `feed`."""

    data: bytes
    reader: int = 0
    truncated: bool = False
    now_ns: int = NOW_NS


def run(
    kind: EngineKind,
    datagrams: Iterable[Datagram],
    plan: Plan,
    options: EngineOptions | None = None,
    readers: int = 1,
    process: Process | None = None,
) -> Outcome:
    """Feeds one interval to a fresh engine and closes it."""
    engine = open_engine(kind, options or EngineOptions(), start_ms=START_MS)
    try:
        feed([engine.open_reader(f"reader {i}") for i in range(readers)], datagrams, kind, process)
        return close_interval(engine, plan)
    finally:
        engine.close()


def feed(
    readers: Sequence[Reader],
    datagrams: Iterable[Datagram],
    kind: EngineKind,
    process: Process | None = None,
) -> None:
    """Each to its reader, all from one process."""
    for datagram in datagrams:
        readers[datagram.reader].feed(
            in_buffer(datagram.data, kind),
            truncated=datagram.truncated,
            now_ns=datagram.now_ns,
            process=process,
        )


def in_buffer(data: bytes, kind: EngineKind) -> bytes:
    """The datagram where a sanitized build sees every read beyond it: in memory of its length."""
    # Not after the header of a bytes object, and an array made from a list has nothing to spare.
    return array("B", list(data)) if kind == "native" and "VENEURPY_BUILD" in os.environ else data


def close_interval(engine: Engine, plan: Plan, now_ms: int = END_MS) -> Outcome:
    """Rotates, reads everything and releases."""
    interval = engine.rotate(now_ms)
    outcome = outcome_of(interval, plan)
    interval.release()
    return outcome


def outcome_of(interval: Interval, plan: Plan) -> Outcome:
    """Everything that a closed interval says."""
    return Outcome(
        rows=sorted(rows(interval.columns(plan))),
        accounts=list(interval.accounts),
        series=interval.series,
        side_log=list(interval.side_log),
        type_conflicts=sorted(interval.type_conflicts),
    )


def rows(columns: Columns) -> list[Row]:
    """The columns as rows."""
    assert columns.own_time is not None
    return [
        Row(
            columns.names[columns.name[i]],
            _split(columns.tags[columns.tag[i]]),
            MetricType(columns.series_type[i]),
            tuple(sorted(columns.sink_sets[columns.sinks[i]])),
            columns.timestamp_ms[i],
            PointType(columns.type[i]),
            Scope(columns.scope[i]),
            bool(columns.own_time[i]),
            columns.value[i],
        )
        for i in range(len(columns))
    ]


def add_accounts(many: Iterable[Accounts]) -> Accounts:
    """Sums field by field."""
    total = Accounts()
    for accounts in many:
        for field in _FIELDS:
            setattr(total, field, getattr(total, field) + getattr(accounts, field))
        for group in _GROUPS:
            for key, count in getattr(accounts, group).items():
                getattr(total, group)[key] += count
    return total


def broken_equations(accounts: Accounts) -> list[str]:
    """The ledger's equations that do not hold."""
    a = accounts
    equations = {
        "datagrams": (a.datagrams, a.whole + a.truncated),
        "lines": (a.lines, a.accepted + sum(a.rejected.values()) + a.pending),
        "values": (
            a.values,
            sum(a.aggregated.values()) + a.filtered + sum(a.values_rejected.values()),
        ),
    }
    return [
        f"{name}: {left} != {right}" for name, (left, right) in equations.items() if left != right
    ]


def _split(tags: str) -> tuple[str, ...]:
    return tuple(tags.split(",")) if tags else ()


_FIELDS: Sequence[str] = (
    "datagrams",
    "bytes",
    "whole",
    "truncated",
    "kernel_drops",
    "lines",
    "accepted",
    "pending",
    "values",
    "folded",
    "filtered",
)
_GROUPS: Sequence[str] = ("rejected", "aggregated", "values_rejected", "ignored")
