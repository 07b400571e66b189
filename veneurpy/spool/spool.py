"""The durable store of closed intervals: what is committed is delivered, by whichever process."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from veneurpy.errors import VeneurpyError
from veneurpy.forward.batch import Batch
from veneurpy.spool import pieces
from veneurpy.spool.closed import Closed, Packed
from veneurpy.spool.codec import Unreadable, decode
from veneurpy.spool.damaged import is_damage, set_aside
from veneurpy.spool.database import FILE_NAME, Also, Database, nothing_else
from veneurpy.spool.notes import Note
from veneurpy.spool.pair import Pair
from veneurpy.spool.pieces import STEP_BYTES, Content
from veneurpy.spool.positions import Positions
from veneurpy.spool.record import LateRow, Owed, Record
from veneurpy.spool.reserve import Reserve
from veneurpy.spool.spare import Held, Spare

COMMIT_TIMEOUT_S = 5.0
MARK_TIMEOUT_S = 5.0
MOST_COMMITS_WAITING = 2
"""Each holds an interval in memory while the disk hangs."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit came to."""

    kept: bool
    """Whether the interval will outlive the process."""
    given_up: Sequence[UUID] = ()
    """Older intervals that had to go, by age or for want of room."""


def nothing_more() -> None:
    """Few are interested."""


class Spool:
    """A database in a directory, or in memory. All of SQLite runs on one thread of its own.

    No failure of the disk is fatal once it is open: it is told to `failed`, on whatever thread.
    What it could not keep goes to the `spare`, until the disk takes it; without one, or where that
    has no room either, it is delivered from memory as if there were no spool.
    """

    def __init__(
        self,
        directory: Path | None,
        *,
        most_bytes: int,
        oldest_s: float,
        failed: Callable[[str, str], None],
        is_owner: bool = False,
        spare: Spare | None = None,
    ) -> None:
        self._path = None if directory is None else directory / FILE_NAME
        self._positions = Positions(directory)
        self._reserve = Reserve(directory)
        self._is_owner = is_owner
        self._spare = spare
        self._most_bytes = most_bytes
        self._oldest_ms = round(oldest_s * 1000)
        self._failed = failed
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._database: Database | None = None
        self._closed = self._is_sweeping = False
        self._commits: set[Future[Any]] = set()
        # What the disk does not take goes with what comes next, or it would be owed for ever.
        self._unsettled: deque[tuple[UUID, str, int, str | None]] = deque()
        self.held = (0, 0)
        """How many intervals are kept on disk, and their bytes."""
        self.spared = Held(0, 0)
        """What waits in the spare."""

    def __repr__(self) -> str:
        return f"Spool({str(self._path)!r}, held={self.held})"

    async def open(self) -> None:
        """Opens the file. One that is damaged is set aside. Raises VeneurpyError."""
        await self._run(self._open)

    async def close(self) -> None:
        """Waits for what is under way and closes. Idempotent."""
        if not self._closed:
            self._closed = True
            await self._run(self._close)
            self._worker.shutdown(wait=False)

    def commit(
        self,
        record: Record,
        owed: Sequence[Owed],
        *,
        end_ms: int,
        now_ms: int,
        late: Sequence[LateRow] = (),
        forget_late_before_ms: int = 0,
        batches: Sequence[Batch] = (),
        also: Also = nothing_else,
        after: Callable[[], None] = nothing_more,
    ) -> Committed:
        """Keeps an interval and what is owed of it, once: with the mark that it was encoded.

        `batches` are what is forwarded of it. `also` writes more in the same transaction; `after`
        is called on the spool's thread when it is committed, even if that took longer than the
        caller was made to wait. What is large is written ahead of it, in steps.

        Call it off the event loop. It returns within COMMIT_TIMEOUT_S, whatever the disk does, and
        never raises for it.
        """
        self._commits = {waiting for waiting in self._commits if not waiting.done()}
        if len(self._commits) >= MOST_COMMITS_WAITING:
            self._failed("commit", "the disk has not answered for the intervals before")
            return Committed(kept=False)

        def work(packed: Packed) -> Committed:
            committed = self._commit(packed, now_ms)
            after()
            return committed

        closed = Closed(record, owed, end_ms, late, forget_late_before_ms, batches, also)
        packed, end_s = closed.packed(), time.monotonic() + COMMIT_TIMEOUT_S
        ahead = packed.contents
        try:
            is_whole = self._write_ahead(ahead, end_s)
            ahead = [each for each in ahead if each.seq is not None]
            packed = packed if is_whole else closed.packed()
            commit = partial(self._guarded, "commit", partial(work, packed), Committed(kept=False))
            return self._in_time(commit, end_s)
        except Late:
            self._fail("commit", f"the disk did not answer within {COMMIT_TIMEOUT_S:g} s")
            # It is delivered from memory now, and must not be once more should the commit succeed.
            self._tell("forget", lambda _: self._pair.forget(record.uuid))
            return Committed(kept=False)
        finally:
            if ahead:
                self._tell("drop", partial(Database.drop, contents=ahead))

    def _write_ahead(self, contents: Sequence[Content], end_s: float) -> bool:
        """Writes all but what the last step would have; False if the disk fails. Raises Late.

        Others have their turn between the steps.
        """
        for step in pieces.steps(contents, STEP_BYTES):
            write = partial(Database.write_ahead, step=step)
            try:
                if not self._in_time(partial(self._work, write), end_s):
                    return True
            except Late:
                raise
            except (sqlite3.Error, OSError):
                return False
        return True

    def _in_time(self, work: Callable[[], _T], end_s: float) -> _T:
        """What it returns, on the spool's thread. Raises Late; it is done all the same then."""
        future = self._worker.submit(work)
        self._commits.add(future)
        return future.result(end_s - time.monotonic())

    def run(self, work: Callable[[Database], _T]) -> _T:
        """What `work` returns, in its turn, however long the disk takes. Off the event loop.

        Raises what it raises, above all sqlite3.Error.
        """
        return self._worker.submit(self._work, work).result()

    async def do(self, work: Callable[[Database], _T]) -> _T:
        """The same on the event loop."""
        return await self._run(lambda: self._work(work))

    async def load(self, uuid: UUID, make: Callable[[Record], _T]) -> _T | None:
        """What `make` makes, off the event loop, of a committed interval.

        None when it is gone or cannot be read.
        """

        def work(_: Database) -> _T | None:
            blob = self._pair.holder(uuid).record(uuid)
            return None if blob is None else make(decode(blob))

        return await self._ask("load", work, None)

    async def encoded(self, uuids: Collection[UUID]) -> set[UUID]:
        """Those that were committed within the last day, by this process or one before."""
        return await self._ask("read", lambda _: self._pair.encoded(uuids), set())

    async def published_until(self, before_ms: int) -> int:
        """The last end of an interval that was committed, if not after `before_ms`; or 0."""
        return await self._ask("read", lambda _: self._pair.published_until(before_ms), 0)

    async def forwarded(self, uuids: Collection[UUID]) -> set[UUID]:
        """Those whose batches were kept within the last day, by this process or one before."""
        return await self._ask("read", lambda _: self._pair.forwarded(uuids), set())

    async def owed(self) -> list[Owed]:
        """All that is owed, the oldest interval first."""
        return await self._ask("read", lambda _: self._pair.owed(), [])

    async def late(self) -> list[LateRow]:
        """What was published at times of their own."""
        return await self._ask("read", lambda _: self._pair.late(), [])

    async def positions(self) -> dict[str, str]:
        """How far each sink had written when its last call had its end.

        Empty when something may have been written since that the spool does not know.
        """
        return await self._ask("read", self._positions.read, {})

    async def place(self, positions: dict[str, str]) -> None:
        """Keeps how far each sink has written; from now on the positions are complete."""
        await self._ask("place", lambda db: self._positions.place(db, positions), None)

    async def begin(self, uuid: UUID, sink: str, number: int) -> None:
        """Returns when it is on record that a call is under way, or the disk took too long."""
        mark = self._ask(
            "mark", lambda _: self._pair.mark(uuid, sink, number, under_way=True), None
        )
        try:
            async with asyncio.timeout(MARK_TIMEOUT_S):
                await mark
        except TimeoutError:
            self._fail("mark", f"the disk did not answer within {MARK_TIMEOUT_S:g} s")

    def undo(self, uuid: UUID, sink: str, number: int) -> None:
        """The call that had begun had no effect. Does not wait."""
        self._tell("mark", lambda _: self._pair.mark(uuid, sink, number, under_way=False))

    def settle(self, uuid: UUID, sink: str, number: int, position: str | None = None) -> None:
        """Nothing is owed for a call any more. Does not wait; the order is kept.

        `position` is how far the sink has written.
        """

        def work(_: Database) -> None:
            if self._pair.settle_in_spare(uuid, sink, number):
                # What the sink has written meanwhile is not in the positions.
                self._positions.say_incomplete()
                return
            self._unsettled.append((uuid, sink, number, position))
            try:
                self._settle_all()
            except sqlite3.Error:
                # The next process is not to do it again, should there be one before there is room.
                self._pair.note((uuid, sink, number), Note.SETTLED)
                raise

        self._tell("settle", work)

    @property
    def spare(self) -> Database | None:
        """What waits for the disk; None if nothing does. On the spool's thread only."""
        return self._pair.spare

    @property
    def spare_bytes(self) -> int:
        """How much of rows, and how much of batches, may wait there."""
        return 0 if self._spare is None else self._spare.most_bytes

    async def retry(self) -> None:
        """Tries to take to the disk what waits for it."""
        with contextlib.suppress(sqlite3.Error, OSError):
            await self._run(self._empty_spare)

    @property
    def _pair(self) -> Pair:
        return Pair(self._open_database, self._spare)

    @property
    def _open_database(self) -> Database:
        if self._database is None:
            raise sqlite3.ProgrammingError("the spool is not open")
        return self._database

    def _open(self) -> None:
        self._reserve.free()
        try:
            try:
                self._database = self._sound()
            except sqlite3.DatabaseError as exc:
                if not is_damage(exc):
                    raise
                self._set_aside(str(exc))
                self._database = Database(self._path, is_owner=self._is_owner)
            self.held = self._database.held()
        except (sqlite3.Error, OSError) as exc:
            raise VeneurpyError(
                f"{self._path} cannot be opened: {exc}; state_dir must be a directory on a disk "
                "with room, all files of which the daemon may write (chown -R)"
            ) from exc
        if self._spare is not None:
            self._guarded("open", self._find_spare, None)
            self._guarded("commit", self._empty_spare, None)
        self._sweep_soon()

    def _sound(self) -> Database:
        """The file's database, looked through: what fails later would fail at every start."""
        database = Database(self._path, is_owner=self._is_owner)
        try:
            database.check()
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _find_spare(self) -> None:
        assert self._spare is not None
        try:
            self._spare.find(self._open_database)
        except sqlite3.DatabaseError as exc:
            if is_damage(exc):
                self._spare.set_aside()
            raise

    def _set_aside(self, error: str) -> None:
        assert self._path is not None
        set_aside(self._path)
        self._fail("open", f"{error}: it was set aside as {self._path.name}.damaged")

    def _close(self) -> None:
        # After an orderly end there is nothing to be taken back.
        self._positions.say_incomplete()
        if self._database is not None:
            self._database.close()
            self._database = None
            self._reserve.hold()
        if self._spare is not None:
            self._spare.close()

    def _work(self, work: Callable[[Database], _T]) -> _T:
        try:
            return work(self._open_database)
        finally:
            self._sweep_soon()

    def _commit(self, packed: Packed, now_ms: int) -> Committed:
        try:
            # What waits goes first: what was published late must be kept in order.
            self._empty_spare()
            packed.commit(self._open_database)
        except (sqlite3.Error, OSError) as exc:
            if self._spare is None:
                raise
            self._fail("commit", str(exc))
            database, most_bytes = self._spare.open(), self._spare.most_bytes
            packed.closed.packed().commit(database)
        else:
            database, most_bytes = self._open_database, self._most_bytes
            self._guarded("make room", self._settle_all, None)
        # It is committed, whatever becomes of the rest.
        before_ms, none = now_ms - self._oldest_ms, list[UUID]()
        room = partial(self._make_room, database, most_bytes, before_ms)
        lost = self._guarded("make room", room, none)
        return Committed(packed.closed.record.uuid not in lost, lost)

    def _empty_spare(self) -> None:
        pair = self._pair
        if pair.spare is not None:
            try:
                pair.empty_spare()
            finally:
                self._count()

    def _count(self) -> None:
        self.held = self._open_database.held()
        self.spared = Held(0, 0) if self._spare is None else self._spare.held

    def _make_room(self, database: Database, most_bytes: int, before_ms: int) -> list[UUID]:
        lost = database.give_up(most_bytes=most_bytes, before_ms=before_ms)
        self._count()
        return lost

    def _settle_all(self) -> None:
        while self._unsettled:
            oldest = self._unsettled[0]
            self._pair.holder(oldest[0]).settle(*oldest)
            self._unsettled.popleft()
        self._count()

    def _fail(self, what: str, error: str) -> None:
        self._positions.say_incomplete()
        self._failed(what, error)

    def _guarded(self, what: str, work: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return work()
        except (sqlite3.Error, OSError, Unreadable) as exc:
            self._fail(what, str(exc))
            return otherwise
        finally:
            self._sweep_soon()

    def _sweep_soon(self) -> None:
        """Has freed what nobody needs, behind all that waits for the disk already."""
        if not self._closed and not self._is_sweeping:
            self._is_sweeping = True
            self._worker.submit(self._sweep)

    def _sweep(self) -> None:
        self._is_sweeping = False
        # What a disk does not let go now is nobody's: it goes another time.
        with contextlib.suppress(sqlite3.Error, OSError):
            for database in self._pair.all:
                if database.sweep():
                    self._sweep_soon()

    async def _ask(self, what: str, work: Callable[[Database], _T], otherwise: _T) -> _T:
        return await self._run(
            lambda: self._guarded(what, lambda: work(self._open_database), otherwise)
        )

    def _tell(self, what: str, work: Callable[[Database], None]) -> None:
        # A sink that answers after the end is asked again by the next process.
        if not self._closed:
            self._worker.submit(self._guarded, what, lambda: work(self._open_database), None)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)
