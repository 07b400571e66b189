"""The seams: what a sink, a listener and a clock promise and may rely on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from veneurpy.engine import Columns, Engine
from veneurpy.errors import VeneurpyError
from veneurpy.forward.answer import Answer
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.model import Event, Point, PointType, Scope, ServiceCheck

if TYPE_CHECKING:
    from pydantic import BaseModel

LogLevel = Literal["debug", "info", "warning", "error"]

POINTS_AT_ONCE = 1000
"""How many Points are made in one go: a million at once stall the event loop for seconds."""


class Clock(Protocol):
    """Time as a parameter. Tests pass `veneurpy.testing.FakeClock`."""

    def now_ns(self) -> int:
        """CLOCK_REALTIME, nanoseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The real one."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class WriteClass(StrEnum):
    """What a repeated or revised write means to a sink's backend."""

    VERSIONED = "versioned"
    OVERWRITE = "overwrite"
    FIRST_WINS = "first_wins"
    CUMULATIVE = "cumulative"
    ADDITIVE = "additive"


@dataclass(frozen=True, slots=True)
class FlushBatch:
    """What one flush hands to one sink: the rows of `columns` that are meant for it.

    `rows` is None for all rows, else the row numbers. Nothing of it may be changed; it may be
    kept for as long as the sink likes.
    """

    start_ms: int
    interval_s: float
    host: str
    columns: Columns
    rows: Sequence[int] | None = None
    revision: int = 0
    before: Mapping[int, float] = field(default_factory=dict)
    """Of a counter in a revision above 0, by row: the value of the revision before, which is
    contained in this one. A sink that adds up adds the difference."""

    def __len__(self) -> int:
        return len(self.columns) if self.rows is None else len(self.rows)

    def points(self) -> Iterator[Point]:
        """Every row as a Point, lazily. For a batch of any size take `chunks` on the event loop."""
        columns = self.columns
        names, tags = columns.names, columns.tags
        known_tags: dict[int, tuple[str, ...]] = {}
        for row in range(len(columns)) if self.rows is None else self.rows:
            tag = columns.tag[row]
            if tag not in known_tags:
                text = tags[tag]
                known_tags[tag] = tuple(text.split(",")) if text else ()
            yield Point(
                names[columns.name[row]],
                known_tags[tag],
                PointType(columns.type[row]),
                Scope(columns.scope[row]),
                columns.timestamp_ms[row],
                self.interval_s,
                self.host,
                columns.value[row],
                self.revision,
            )

    def chunks(self) -> Iterator[list[Point]]:
        """The points in lists of at most POINTS_AT_ONCE: await something between two of them."""
        points = self.points()
        while chunk := list(islice(points, POINTS_AT_ONCE)):
            yield chunk


@dataclass(frozen=True, slots=True)
class FlushResult:
    """What became of a batch's rows: the four accounts add up to its length."""

    confirmed: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    given_up: int = 0
    in_doubt: int = 0

    @property
    def total(self) -> int:
        return self.confirmed + sum(self.rejected.values()) + self.given_up + self.in_doubt


class SinkContext(Protocol):
    """What a sink is given beside its own options."""

    @property
    def name(self) -> str:
        """The sink's name in the configuration, unique on this node."""
        ...

    @property
    def hostname(self) -> str: ...
    @property
    def interval_s(self) -> float: ...
    @property
    def clock(self) -> Clock: ...

    def expose(self, path: str, handler: Any) -> None:
        """Serves `handler` (an aiohttp request handler) under GET `path` on the admin listener.

        Call it in `__init__`. Two sinks on one path is a configuration error.
        """
        ...

    def log(self, level: LogLevel, event: str, /, **details: Any) -> None:
        """Writes one line of the node's log, with the sink's name in it.

        `event` is a fixed word. Never once per packet or point: what clients send must not flood.
        """
        ...


class Sink(Protocol):
    """Where points go. One file, one class, one entry point in the group `veneurpy.sinks`.

    A sink is built as `cls(config, context)` with `config` an instance of `cls.Config`. All methods
    are called on the event loop. For one sink, calls never overlap: the next flush waits, in a
    bounded queue, for the one before; other sinks do not wait. Whatever a method raises is counted
    and logged, never fatal; `SinkError(retriable=True)` asks for the same batch again.
    """

    Config: ClassVar[type[BaseModel]]
    write_class: ClassVar[WriteClass]
    takes_events: ClassVar[bool]
    takes_checks: ClassVar[bool]

    def __init__(self, config: Any, context: SinkContext) -> None:
        """Keeps what it needs; opens nothing, blocks never."""
        ...

    async def start(self) -> None:
        """Opens what is needed. Raising ends the start-up with the text shown to the operator."""
        ...

    async def flush(self, batch: FlushBatch) -> FlushResult:
        """Takes a batch of one interval, never empty. Must return within the flush timeout."""
        ...

    async def flush_events(
        self, events: Sequence[Event], checks: Sequence[ServiceCheck]
    ) -> FlushResult:
        """Takes what `takes_events` and `takes_checks` ask for; never two empty lists."""
        ...

    async def stop(self) -> None:
        """Closes everything; called once, after the last flush, also when `start` failed."""
        ...


@runtime_checkable
class Positioned(Protocol):
    """A sink that can take back what it wrote after a position. No sink must have these methods.

    With `state_dir`, the position is kept together with what the sink is owed. After a crash the
    sink takes back what it has written since, and is given it again: each row is written once.
    """

    def position(self) -> str | None:
        """Where the last call that has ended has left the backend; None if that means nothing.

        Asked after each call, on the event loop: answer at once.
        """
        ...

    def restore(self, position: str, rows: int) -> None:
        """Asks `start`, which follows, to take back whatever was written after this position.

        `rows` are owed: if more was written, the position is an old one (a backup's, say), and what
        it would cost is delivered. Then, and where it is not possible (the file is another by now),
        `start` leaves all as it is.
        """
        ...


class Listener(Protocol):
    """A transport that feeds an engine."""

    @property
    def name(self) -> str:
        """How the ledger calls it: the URL with the port it really has, e.g. `udp://127.0.0.1:8125`."""
        ...

    async def start(self, engine: Engine) -> None:
        """Opens the socket. Raises ListenError, with the way to mend it, when that fails."""
        ...

    async def stop(self, timeout_s: float) -> int:
        """Reads what the kernel had queued, closes; returns the bytes left unread in the end."""
        ...

    async def leave(self) -> None:
        """Stops reading, and leaves the sockets to whoever else holds them."""
        ...


class PeerUnavailable(VeneurpyError):
    """No answer. `may_have_been_applied` is False only if nothing can have left this node."""

    def __init__(self, message: str, *, may_have_been_applied: bool) -> None:
        super().__init__(message)
        self.may_have_been_applied = may_have_been_applied


class Peer(Protocol):
    """Another node, as an owner of series. Called on the event loop; each call has a time-out."""

    @property
    def name(self) -> str:
        """The member's name; its address may change."""
        ...

    @property
    def is_forgetful(self) -> bool | None:
        """Whether it may take the same batch twice, which is not wanted; None: not known yet.

        What was on its way there when this process died is then in doubt, and not sent again.
        """
        ...

    async def deliver(self, batch: Batch) -> Answer:
        """Hands a batch over; the same one any number of times. Raises PeerUnavailable."""
        ...

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """DONE, HELD or UNKNOWN for each, in their order. Raises PeerUnavailable."""
        ...


class Member(Peer, Protocol):
    """A peer that also goes by member lists, and can be given one."""

    async def table(self) -> EpochTable:
        """The member lists it goes by. Raises PeerUnavailable."""
        ...

    async def adopt(self, epoch: Epoch) -> bool:
        """Whether it goes by this list from now on; False if it comes too late for it.

        Raises PeerUnavailable.
        """
        ...


class ImportRefused(VeneurpyError):
    """What a Veneur sent was not taken. `is_full` says that it was no fault of its own."""

    def __init__(self, reason: str, *, is_full: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_full = is_full


class ImportTarget(Protocol):
    """Takes what other nodes send. Called on the event loop, by several senders at a time."""

    async def deliver(self, batch: Batch) -> Answer:
        """The answer to a batch of a node of ours. Raises PeerUnavailable if there is none."""
        ...

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """What became of batches. Raises PeerUnavailable if that cannot be said now."""
        ...

    def table(self) -> EpochTable:
        """The member lists this node goes by."""
        ...

    async def adopt(self, epoch: Epoch) -> bool:
        """Keeps a member list; False if it comes too late. Raises EpochInvalid."""
        ...

    async def take_veneur(self, frames: bytes, *, sender: str) -> int:
        """Merges a run of gRPC messages, each a Metric; returns the bytes of the whole ones.

        Raises ImportRefused.
        """
        ...

    async def take_list(self, payload: bytes, *, sender: str) -> None:
        """Merges a MetricList of a Veneur. Raises ImportRefused."""
        ...


class Discovery(Protocol):
    """Where members are. It never says who is a member."""

    def addresses(self) -> AsyncIterator[Mapping[str, str]]:
        """Name to `host:port`: what is known now, then again whenever it has changed.

        Never raises and never ends: what fails is told to telemetry, and what was known stays.
        """
        ...
