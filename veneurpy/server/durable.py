"""What of a node outlives its process: the lock, the spool, the positions of its sinks."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from veneurpy.config import Config
from veneurpy.engine.arena_dir import lock_in
from veneurpy.engine.unkept import unkept_in
from veneurpy.flush.keeper import Keeper, position_of
from veneurpy.flush.lanes import Lane
from veneurpy.flush.late import LatePoints
from veneurpy.flush.ticker import FARTHEST_AHEAD_MS, Ticker
from veneurpy.ports import Clock, Positioned, Sink
from veneurpy.server.anchors import Anchors
from veneurpy.spool import FILE_NAME, Spare, Spool, StateLock
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import FilesGone, Restored, RowsLost, SpoolFailed
from veneurpy.telemetry.metrics import (
    SINK_OTHERS,
    SINK_ROWS,
    SPOOL_BYTES,
    SPOOL_INTERVALS,
    SPOOL_SPARE_BYTES,
)

RETRY_S = 1.0
SPARE_SHARE = 8
"""Of `store_max_bytes`: how much of rows, and of batches, may wait in `arena_dir` for the disk."""


class Durable:
    """The state directory of a running node. `open` it first, `close` it last."""

    def __init__(
        self, config: Config, lanes: Sequence[Lane], *, clock: Clock, telemetry: Telemetry
    ) -> None:
        folder = Path(config.state_dir)
        self._arena_dir = Path(config.arena_dir)
        self._telemetry = telemetry
        self._lock = StateLock(folder)
        self._spool_file, self._arena_lock = folder / FILE_NAME, lock_in(self._arena_dir)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.spool = Spool(
            folder,
            most_bytes=config.spool_max_bytes,
            oldest_s=config.accept_window,
            failed=self._failed,
            is_owner=config.owns,
            spare=Spare(self._arena_dir, most_bytes=config.store_max_bytes // SPARE_SHARE),
        )
        self._clock = clock
        self.keeper = Keeper(self.spool, lanes, clock)
        self._anchors = Anchors()
        self.gone: Sequence[Path] = ()
        """Files of both directories that were there and are not any more, when last looked."""

    def __repr__(self) -> str:
        return f"Durable({self._lock!r}, {self.spool!r})"

    async def open(self) -> None:
        """Takes the lock and opens the spool. Raises VeneurpyError with the way to mend it."""
        self._loop = asyncio.get_running_loop()
        self._lock.acquire()
        await self.spool.open()

    async def prepare(self, sinks: Mapping[str, Sink]) -> None:
        """Before the sinks start: has them take back what is not known to have been written."""
        positions = await self.spool.positions()
        owing = Counter[str]()
        for owed in await self.spool.owed():
            owing[owed.sink] += owed.rows
        for name, sink in sinks.items():
            if isinstance(sink, Positioned) and name in positions and name in owing:
                sink.restore(positions[name], owing[name])

    async def restore(self, sinks: Mapping[str, Sink], late: LatePoints) -> None:
        """After the sinks have started: queues what they are owed."""
        found = {name: position_of(sink)() for name, sink in sinks.items()}
        await self.spool.place({name: at for name, at in found.items() if at is not None})
        late.restore(await self.spool.late())
        # Committed after all, when the disk had been given up: from memory it was delivered, too.
        intervals, rows, gone = await self.keeper.restore(unkept_in(self._arena_dir))
        if intervals:
            self._telemetry.emit(Restored(intervals, rows))
        for owed in gone:
            metric = SINK_ROWS if owed.number >= 0 else SINK_OTHERS
            labels = {"sink": owed.sink, "fate": "given_up", "reason": "no_such_sink"}
            self._telemetry.add(metric, owed.rows, **labels)
            self._telemetry.emit(RowsLost(owed.sink, "given_up", "no_such_sink", owed.rows))

    async def go_on(self, ticker: Ticker) -> None:
        """Before the first interval begins: it is not to have a time that was published before."""
        ticker.go_on_after(await self.spool.published_until(ticker.start_ms + FARTHEST_AHEAD_MS))

    def status(self) -> dict[str, int]:
        """Plain data for the status page."""
        intervals, size = self.spool.held
        spared = self.spool.spared
        return {
            "intervals": intervals,
            "bytes": size,
            "spare_intervals": spared.intervals,
            "spare_bytes": spared.bytes,
        }

    def refresh(self) -> None:
        """Tells the telemetry what is on disk."""
        intervals, size = self.spool.held
        self._telemetry.set(SPOOL_INTERVALS, intervals)
        self._telemetry.set(SPOOL_BYTES, size)
        self._telemetry.set(SPOOL_SPARE_BYTES, self.spool.spared.bytes)

    @property
    def is_lost(self) -> bool:
        """Whether the next process will not find what the spool has."""
        return self._spool_file in self.gone

    @property
    def is_kept(self) -> bool:
        """Whether it will find the open interval as well; it can do without a lock of ours."""
        return not self.is_lost and self._arena_lock not in self.gone

    def anchor(self) -> None:
        """Once all files are there: from now on `look` tells of those that go."""
        self._anchors = Anchors(self._lock.path, self._spool_file, self._arena_lock)

    async def look(self) -> None:
        """Sets `gone`, and tells of what it has."""
        self.gone = await self.spool.do(lambda _: self._anchors.gone())
        if self.gone:
            self._telemetry.emit(FilesGone(" ".join(map(str, self.gone))))

    async def run(self) -> None:
        """Takes to the disk what waits for it, as soon as it can, until it is cancelled."""
        while True:
            await self._clock.sleep(RETRY_S)
            await self.look()
            await self.spool.retry()

    async def close(self) -> None:
        """Lets the next process in. Idempotent."""
        try:
            await self.spool.close()
        finally:
            self._lock.release()

    def _failed(self, what: str, error: str) -> None:
        """Called on any thread."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody listens
            self._loop.call_soon_threadsafe(self._telemetry.emit, SpoolFailed(what, error))
