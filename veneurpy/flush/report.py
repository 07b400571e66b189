"""What a flush adds to the telemetry: the interval's accounts, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

from veneurpy.engine import Accounts, MetricType
from veneurpy.flush.late import Parted
from veneurpy.flush.ticker import Tick
from veneurpy.ledger import ClosedInterval, Equation, StoreAccounts
from veneurpy.telemetry import Telemetry, metrics
from veneurpy.telemetry.events import (
    KernelDropped,
    LateForgotten,
    LedgerViolated,
    PointsUnrouted,
    StoreFull,
    TicksMissed,
)


def report(
    telemetry: Telemetry,
    interval: ClosedInterval,
    tick: Tick,
    parted: Parted,
    broken: Sequence[Equation],
) -> None:
    """Counts and logs one flush."""
    telemetry.add(metrics.INTERVALS, 1)
    for name, accounts in interval.book.listeners.items():
        _count_listener(telemetry, name, accounts)
    _count_store(telemetry, interval.book.store)
    telemetry.add(metrics.LATE_AMENDED, parted.amended)
    if parted.forgotten:
        telemetry.emit(LateForgotten(parted.forgotten))
    if tick.missed:
        telemetry.emit(TicksMissed(tick.missed, tick.length_s))
    for equation in broken:
        telemetry.emit(LedgerViolated(equation.name, equation.where, str(equation)))


def _count_store(telemetry: Telemetry, store: StoreAccounts) -> None:
    telemetry.set(metrics.SERIES, store.series)
    telemetry.add(metrics.POINTS, store.points)
    telemetry.add(metrics.EVENTS, store.events)
    telemetry.add(metrics.CHECKS, store.checks)
    telemetry.add(metrics.TYPE_CONFLICTS, store.type_conflicts)
    if store.unrouted:
        telemetry.emit(PointsUnrouted(store.unrouted))


def _count_listener(telemetry: Telemetry, name: str, accounts: Accounts) -> None:
    for metric, count in (
        (metrics.DATAGRAMS, accounts.datagrams),
        (metrics.BYTES, accounts.bytes),
        (metrics.TRUNCATED, accounts.truncated),
        (metrics.KERNEL_DROPS, accounts.kernel_drops),
        (metrics.LOST_IN_CRASH, accounts.lost_in_crash),
        (metrics.LINES, accounts.lines),
        (metrics.LINES_ACCEPTED, accounts.accepted),
        (metrics.VALUES_FILTERED, accounts.filtered),
        (metrics.VALUES_FOLDED, accounts.folded),
    ):
        telemetry.add(metric, count, listener=name)
    for metric, counts in (
        (metrics.LINES_REJECTED, accounts.rejected),
        (metrics.VALUES_REJECTED, accounts.values_rejected),
        (metrics.FIELDS_IGNORED, accounts.ignored),
    ):
        for reason, count in counts.items():
            telemetry.add(metric, count, listener=name, reason=reason)
    for kind, count in accounts.aggregated.items():
        word = MetricType(kind).name.lower()
        telemetry.add(metrics.VALUES_AGGREGATED, count, listener=name, type=word)
    if accounts.kernel_drops:
        telemetry.emit(KernelDropped(name, accounts.kernel_drops))
    if full := accounts.values_rejected["store_full"]:
        telemetry.emit(StoreFull(name, full))
