"""Books what becomes of a sink's rows: in the totals, in the interval's accounts, as telemetry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from veneurpy.ledger import Fate, FateWord, SinkAccounts
from veneurpy.ports import FlushResult
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import RowsLost
from veneurpy.telemetry.metrics import SINK_OTHERS, SINK_ROWS

MOST_REASONS = 32
"""A sink that makes its reasons of what clients send must not grow the telemetry without end."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the rows of one call of a sink are booked."""

    sink: str
    of_points: bool
    telemetry: Telemetry
    total: SinkAccounts
    interval: SinkAccounts

    def offer(self, rows: int) -> None:
        """Rows of which the sink owes an answer. The total's `pending` is the lane's own count."""
        self._fate(self.total).offered += rows
        mine = self._fate(self.interval)
        mine.offered += rows
        mine.pending += rows

    def settle(self, result: FlushResult, reason: str) -> None:
        """The answer; `reason` is why rows were given up or are in doubt."""
        total, interval = self._fate(self.total), self._fate(self.interval)
        interval.pending -= result.total
        metric = SINK_ROWS if self.of_points else SINK_OTHERS
        for word, why, rows in _parts(result, reason, total.rejected):
            total.book(word, why, rows)
            interval.book(word, why, rows)
            self.telemetry.add(metric, rows, sink=self.sink, fate=word, reason=why)
            if word != "confirmed":
                self.telemetry.emit(RowsLost(self.sink, word, why, rows))

    def _fate(self, accounts: SinkAccounts) -> Fate:
        return accounts.points if self.of_points else accounts.others


def _parts(
    result: FlushResult, reason: str, known: dict[str, int]
) -> Iterator[tuple[FateWord, str, int]]:
    if result.confirmed:
        yield "confirmed", "", result.confirmed
    for why, rows in result.rejected.items():
        bounded = why if why in known or len(known) < MOST_REASONS else "other"
        yield "rejected", bounded, rows
    if result.given_up:
        yield "given_up", reason, result.given_up
    if result.in_doubt:
        yield "in_doubt", reason, result.in_doubt
