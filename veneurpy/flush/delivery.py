"""What one flush has for one sink, and the calls of the sink that it takes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from veneurpy.flush.fates import Account
from veneurpy.ledger import SinkAccounts
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushBatch, FlushResult, Sink
from veneurpy.telemetry import Telemetry


@dataclass(slots=True)
class Delivery:
    """All that one flush has for one sink."""

    batches: Sequence[FlushBatch]
    events: Sequence[Event] = ()
    checks: Sequence[ServiceCheck] = ()
    accounts: SinkAccounts = field(default_factory=SinkAccounts)
    """The interval's own accounts of the sink, kept up to date beside the totals."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of the sink that is owed: a batch, or the events and checks of a flush."""

    rows: int
    account: Account
    make: Callable[[], Coroutine[Any, Any, FlushResult]]

    async def answer(self) -> FlushResult:
        """Makes the call. Raises TypeError if what the sink answers is no account of rows."""
        result: Any = await self.make()
        if not isinstance(result, FlushResult) or not _is_account(result):
            raise TypeError(f"answers {result!r:.200}, which is no account of its rows")
        return result


@dataclass(slots=True)
class Job:
    """A delivery on its way."""

    queued_s: float
    calls: list[Call]
    """What is owed yet, the next first."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Makes calls of deliveries, for one sink."""

    name: str
    sink: Sink
    telemetry: Telemetry
    total: SinkAccounts

    def calls(self, delivery: Delivery) -> Iterator[Call]:
        """First the points, then what the sink takes of events and checks."""
        for batch in delivery.batches:
            account = self._account(delivery, of_points=True)
            yield Call(len(batch), account, partial(self.sink.flush, batch))
        events = delivery.events if self.sink.takes_events else ()
        checks = delivery.checks if self.sink.takes_checks else ()
        if events or checks:
            account = self._account(delivery, of_points=False)
            make = partial(self.sink.flush_events, events, checks)
            yield Call(len(events) + len(checks), account, make)

    def _account(self, delivery: Delivery, *, of_points: bool) -> Account:
        return Account(self.name, of_points, self.telemetry, self.total, delivery.accounts)


def _is_account(result: FlushResult) -> bool:
    """Whether all are counts: a sink may be anybody's, and its type checker off."""
    counts = [result.confirmed, result.given_up, result.in_doubt]
    if not isinstance(result.rejected, dict):
        return False
    are_words = all(isinstance(reason, str) for reason in result.rejected)
    counts += result.rejected.values()
    return are_words and all(isinstance(count, int) and count >= 0 for count in counts)
