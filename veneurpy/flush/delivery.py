"""What one flush has for one sink, and the calls of the sink that it takes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from veneurpy.flush.fates import Account
from veneurpy.ledger import SinkAccounts
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushBatch, FlushResult, Sink
from veneurpy.spool import OTHERS, Owed
from veneurpy.telemetry import Telemetry


class Cursor(Protocol):
    """The place in the spool of one interval for one sink: what is yet owed of it."""

    @property
    def uuid(self) -> UUID: ...

    async def load(self) -> Delivery | None:
        """The delivery as it was committed; None when the spool has lost it."""
        ...

    async def begin(self, number: int) -> None:
        """Puts on record that a call is under way."""
        ...

    def undo(self, number: int) -> None:
        """The call that had begun had no effect."""
        ...

    def settle(self, number: int) -> None:
        """The call has its end: it is owed no more."""
        ...


@dataclass(slots=True)
class Delivery:
    """All that one flush has for one sink."""

    batches: Sequence[FlushBatch]
    events: Sequence[Event] = ()
    checks: Sequence[ServiceCheck] = ()
    accounts: SinkAccounts = field(default_factory=SinkAccounts)
    """The interval's own accounts of the sink, kept up to date beside the totals."""
    cursor: Cursor | None = None
    """None: it is in memory only."""
    is_doubtful: bool = False
    """A process before this one may have delivered it already."""
    ended: Callable[[], None] | None = None
    """Called once when nothing of it is owed any more."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of the sink that is owed: a batch, or the events and checks of a flush."""

    number: int
    rows: int
    account: Account
    make: Callable[[], Coroutine[Any, Any, FlushResult]] | None
    """None: what it hands over is in the spool only."""

    async def answer(self) -> FlushResult:
        """Makes the call. Raises TypeError if what the sink answers is no account of rows."""
        assert self.make is not None
        result: Any = await self.make()
        if not isinstance(result, FlushResult) or not _is_account(result):
            raise TypeError(f"answers {result!r:.200}, which is no account of its rows")
        return result


@dataclass(slots=True, eq=False)
class Job:
    """A delivery on its way."""

    queued_s: float
    calls: list[Call]
    """What is owed yet, the next first."""
    cursor: Cursor | None = None
    ended: Callable[[], None] | None = None

    def end(self) -> None:
        """Nothing is owed any more. Idempotent."""
        if self.ended is not None:
            ended, self.ended = self.ended, None
            ended()

    @property
    def in_memory(self) -> bool:
        """Whether it can be delivered without the spool."""
        return all(call.make is not None for call in self.calls)

    def leave_to_spool(self) -> None:
        """Gives the memory back: the spool has it."""
        for call in self.calls:
            call.make = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Makes calls of deliveries, for one sink."""

    name: str
    sink: Sink
    telemetry: Telemetry
    total: SinkAccounts

    def calls(self, delivery: Delivery) -> Iterator[Call]:
        """First the points, then what the sink takes of events and checks."""
        for number, batch in enumerate(delivery.batches):
            account = self._account(delivery.accounts, of_points=True)
            yield Call(number, len(batch), account, partial(self.sink.flush, batch))
        events = delivery.events if self.sink.takes_events else ()
        checks = delivery.checks if self.sink.takes_checks else ()
        if events or checks:
            account = self._account(delivery.accounts, of_points=False)
            make = partial(self.sink.flush_events, events, checks)
            yield Call(OTHERS, len(events) + len(checks), account, make)

    def restored(self, owed: Sequence[Owed]) -> list[Call]:
        """The calls that a process before this one owed; none of them is in memory."""
        accounts = SinkAccounts()
        return [
            Call(each.number, each.rows, self._account(accounts, each.number != OTHERS), None)
            for each in owed
        ]

    def _account(self, interval: SinkAccounts, of_points: bool) -> Account:
        return Account(self.name, of_points, self.telemetry, self.total, interval)


def _is_account(result: FlushResult) -> bool:
    """Whether all are counts: a sink may be anybody's, and its type checker off."""
    counts = [result.confirmed, result.given_up, result.in_doubt]
    if not isinstance(result.rejected, dict):
        return False
    are_words = all(isinstance(reason, str) for reason in result.rejected)
    counts += result.rejected.values()
    return are_words and all(isinstance(count, int) and count >= 0 for count in counts)
