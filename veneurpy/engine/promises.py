"""What both engines promise: the protocols Engine, Reader, Interval and ImportStore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from veneurpy.engine.columns import Columns
from veneurpy.engine.exchange import Encoded, Encoding, Imported, Streamed
from veneurpy.engine.grammar import Grammar
from veneurpy.engine.owners import OwnerTable
from veneurpy.engine.types import (
    Accounts,
    Bytes,
    Captured,
    ClientTop,
    MemoryUse,
    NameTop,
    Plan,
    Process,
    Role,
)


class Reader(Protocol):
    """One way in, with a store of its own. Order of arrival holds within a reader."""

    @property
    def listener(self) -> str:
        """The name it was opened with; several readers may share one."""
        ...

    def feed(
        self,
        datagram: Bytes,
        *,
        truncated: bool = False,
        now_ns: int | None = None,
        client: str | None = None,
        process: Process | None = None,
    ) -> None:
        """Takes one datagram (or whole lines of a stream) into the open interval.

        Any thread, one at a time per reader. A datagram beyond `max_datagram_bytes`, or one that
        the caller says was `truncated`, loses its last line only. `now_ns` is CLOCK_REALTIME; None
        asks the clock. `client` is who sent it, for the accounts of clients: an address without
        its port, say; its first 46 bytes count. `process` is who sent it from this machine: its
        container, else its user and itself, are the client then. Where a client is known and there
        is no `max_series_per_client`, the container that the first line names (`c:`) prevails.
        Never raises on any bytes.
        """
        ...

    def discard_line(self) -> None:
        """Counts a line of a stream that was longer than allowed and whose bytes are gone."""
        ...

    def captured(self, mark: int | None = None) -> Captured:
        """A part of what it received since `mark` (None: of all that it still has).

        As much as fits into some MiB; nothing once all has been read. Any thread, and for as long
        as the reader is held, also after its engine is closed. Needs `EngineOptions.capture_bytes`.
        """
        ...

    def stop(self, timeout_s: float) -> int:
        """Reads what the kernel had queued at the call, no more; returns the bytes left unread.

        For a reader without a descriptor it does nothing and returns 0. Idempotent.
        """
        ...

    def leave(self) -> None:
        """Stops after the datagrams in hand: all that is read is in the store, all else is queued.

        Whoever holds the socket next reads on from there. Instead of `stop`, or before it.
        """
        ...


class Interval(Protocol):
    """A closed interval, read only, until it is released."""

    @property
    def uuid(self) -> UUID: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...
    @property
    def accounts(self) -> Sequence[tuple[str, Accounts]]:
        """(listener, accounts) of each reader, in the readers' order."""
        ...

    @property
    def broken(self) -> int:
        """How many stretches of recovered arenas could not be read; 0 of an interval of our own."""
        ...

    @property
    def series(self) -> int:
        """How many distinct series (after the tags are sorted) the interval holds."""
        ...

    @property
    def side_log(self) -> Sequence[tuple[int, bytes]]:
        """(reader index, line) of every event and service check, unparsed.

        In order of arrival within a reader.
        """
        ...

    @property
    def type_conflicts(self) -> Sequence[str]:
        """Names (at most 1,000) that came as more than one of counter, gauge and set."""
        ...

    def top(self, most: int) -> Sequence[NameTop]:
        """The names that are among the first `most` by any of their figures, in no order.

        It is added up once, at the first call; call it off the event loop.
        """
        ...

    def clients(self, most: int) -> Sequence[ClientTop]:
        """The clients that are among the first `most` by any of their figures, in no order.

        Added up together with the names: the first call of either one decides about `most`.
        """
        ...

    def columns(self, plan: Plan) -> Columns:
        """Merges all readers and computes the points. Releases the GIL; call it off the event loop.

        What it returns stays valid after `release`.
        """
        ...

    def encode(
        self,
        table: OwnerTable,
        *,
        role: Role,
        max_bytes: int = 1 << 20,
        veneur_owners: frozenset[int] = frozenset(),
        carry: bytes = b"",
        sources: Sequence[ImportStore] = (),
    ) -> Encoding:
        """What a node in this role has for owners, without the GIL: call it off the event loop.

        A HOST sends each series that is merged over hosts to its owner; an OWNER sends everything
        that has no `T`, what is not merged over hosts to itself, `table.self_index`. A STANDALONE
        node has nothing to send. `sources` are merged in as if they had been received here; they
        keep what they have. Batches are of `max_bytes` at the most, if one series alone is not
        more. Indices in `veneur_owners` get Veneur's fields only, and integer counters: what that
        leaves over is in `Encoding.carry`, to be given to the next interval's encoding as `carry`.
        """
        ...

    @property
    def forgotten(self) -> int:
        """Gauges that were to be flushed again and found no room; known once it is released."""
        ...

    @property
    def copied_from(self) -> UUID | None:
        """Of a recovered one whose files are copies: the uuid of what they were copied from.

        Another process may have gone on with that. All copies have the same `uuid`, another one.
        """
        ...

    @property
    def is_doubtful(self) -> bool:
        """Whether a process before this one died while it delivered the interval from memory.

        Nobody knows what of it has arrived.
        """
        ...

    def release(self, *, kept: bool = True) -> None:
        """Gives the memory back, for the next interval. Idempotent.

        With `EngineOptions.gauge_ttl_s` it first hands its gauges on: a kill in between loses none.
        The last thing to be called; unless nobody else has `kept` what it held, so that a successor
        should find it (`is_doubtful`) until it has been delivered: then `settled` is.
        """
        ...

    def settled(self) -> None:
        """What was not kept elsewhere has been delivered, or given up. Any thread; idempotent.

        The next `rotate` implies it: then the memory is needed.
        """
        ...


class ImportStore(Protocol):
    """What an owner merged of one interval, or what Veneur's streams brought in one.

    One call at a time; any thread. Counters add up; of gauges the largest (time, sender) stays;
    sets are united; a histogram keeps a digest, what is known of all its samples, and what is known
    of those whose aggregates its owner is to publish.
    """

    @property
    def start_ms(self) -> int: ...
    @property
    def series(self) -> int:
        """How many: scopes, and histograms and timers, count each."""
        ...

    @property
    def memory_bytes(self) -> int:
        """How much of `EngineOptions.import_max_bytes` it takes."""
        ...

    def merge(
        self, payload: bytes, *, sender: str, received_ns: int, foreign: bool = False
    ) -> Imported:
        """Merges a `MetricList`, without the GIL: all its good metrics, or none.

        `foreign`: it came from a Veneur, which means global scope by every counter and gauge and
        has no business with local series. `received_ns` is the time of gauges that tell none.
        Raises FrameBroken where the bytes are no list, and StoreFull.
        """
        ...

    def merge_stream(self, frames: bytes, *, sender: str, received_ns: int) -> Streamed:
        """Merges what there is of a stream of Veneur's single metrics, as gRPC frames them.

        The bytes after the last whole message are left to be passed in again with what follows.
        Raises FrameBroken for a compressed or overlong message, and StoreFull; nothing of `frames`
        was merged then.
        """
        ...

    def columns(self, plan: Plan, *, touched_only: bool = False) -> Columns:
        """The points that an owner publishes. `plan.role` means nothing here.

        Of a mixed histogram the median and percentiles are of all samples, the other statistics of
        those that owners received themselves: hosts publish their own. Of global and local ones
        everything is of all samples. `touched_only`: only series merged into since
        `forget_touched`. What it returns stays valid after `release`.
        """
        ...

    def state(self, shards: int, max_bytes: int) -> list[bytes]:
        """Payloads that, merged into an empty store in any order, make it like this one.

        At least one for each of `shards` that has a series (by the series' stable hash), each of
        at most `max_bytes` if one series alone is not more.
        """
        ...

    def encode(self, table: OwnerTable, max_bytes: int) -> list[Encoded]:
        """All it has for the owners of a next tier, each series to its owner by the table.

        Batches are of `max_bytes` at the most, if one series alone is not more, and in the order of
        their owners. `table.self_index` means nothing here: nobody keeps anything to itself.
        """
        ...

    def forget_touched(self) -> None:
        """From now on `touched_only` means what comes after this call."""
        ...

    def release(self) -> None:
        """Gives the memory back. Idempotent; the last thing to be called."""
        ...


class Engine(Protocol):
    """A sharded store of the open interval."""

    def open_reader(
        self, listener: str, *, max_datagram_bytes: int = 0, grammar: Grammar | None = None
    ) -> Reader:
        """A reader that is fed by hand, at most so many bytes at once (0: as the options say).

        Its lines are of `grammar` (None: of the options').
        """
        ...

    def attach(self, fd: int, listener: str, *, grammar: Grammar | None = None) -> Reader:
        """A reader with a thread of its own that receives on a datagram socket without the GIL.

        The caller keeps the socket `fd` open until `Reader.stop` has returned. The Python engine
        has no such reader and raises NotImplementedError.
        """
        ...

    def rotate(self, now_ms: int) -> Interval:
        """Closes the open interval at `now_ms` (wall clock, ms) and opens the next one there.

        A datagram whose receive returned before the call is in the closed interval. The interval
        before must have been released (RuntimeError). Blocks for at most some 25 ms: call it off
        the event loop.
        """
        ...

    def open_import(self, start_ms: int) -> ImportStore:
        """An empty store for what other nodes send of the interval that starts then."""
        ...

    def recovered(self) -> Sequence[Interval]:
        """Intervals that processes before this one left in `arena_dir`, oldest first.

        To be asked once, before any reader is opened. What they hold is an exact prefix of what
        was received. Each is then given to `resume`, or read and released; only that removes it
        from the directory. Their accounts know what the arenas know: what was read and not yet
        applied at the death is `lost_in_crash`. Without `arena_dir` there are none.

        Raises OSError, or MemoryError with the path, for a file that may not be read, or not now:
        it stays where it is.
        """
        ...

    @property
    def unreadable(self) -> Sequence[tuple[str, str]]:
        """(path, why) of files in `arena_dir` that `recovered` could not read and removed."""
        ...

    def resume(self, interval: Interval) -> None:
        """Goes on with a recovered interval: it and what comes are closed as one, under its uuid.

        Before any reader is opened, and at most once; the open interval then starts where that one
        did.
        """
        ...

    @property
    def memory(self) -> MemoryUse:
        """What it holds now, and the most it has held."""
        ...

    @property
    def readers(self) -> Sequence[Reader]:
        """Those that are open."""
        ...

    def open_accounts(self) -> Sequence[tuple[str, Accounts]]:
        """What the open interval has so far: a glance for status pages, no instant of the ledger.

        Values are not told apart by type yet: `aggregated` is 0.
        """
        ...

    def close(self, *, leave_arenas: bool = False) -> None:
        """Stops all readers and frees everything. Idempotent.

        With `leave_arenas` the files of `arena_dir` stay, for a successor to recover.
        """
        ...
