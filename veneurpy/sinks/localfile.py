"""Appends every flush to a file on this host, as JSON lines, CSV or TSV."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable, Sequence

from pydantic import Field

from veneurpy.config.quantity import Size
from veneurpy.config.section import Section
from veneurpy.errors import SinkError
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushBatch, FlushResult, SinkContext, WriteClass
from veneurpy.sinks._file import AppendFile
from veneurpy.sinks._rows import RowFormat, header, other_rows, point_rows, row_starts
from veneurpy.sinks._worker import Worker

_MEND_AHEAD = (
    "state_dir is older than the file: what it still owed then may be in the file twice; "
    "remove a state_dir rather than restore it from a backup"
)


class LocalFileSink:
    """One flush is one contiguous append; a flush that fails leaves nothing of itself behind.

    Text is made and written in a thread of its own, piece by piece: neither millions of rows nor a
    slow disk delay the event loop.
    """

    write_class = WriteClass.VERSIONED
    takes_events = True
    takes_checks = True

    class Config(Section):
        """The options of the localfile sink."""

        flush_file: str = Field(min_length=1)
        """The file to append to. Its directory must exist; no two sinks may share it."""
        format: RowFormat = "jsonl"
        """One JSON object a line, or rows below a line of the columns' names."""
        gzip: bool = False
        """Compress: each flush is a gzip member of its own; `zcat` reads them as one."""
        fsync: bool = False
        """Wait at each flush until the disk has it."""
        rotate_bytes: Size = 0
        """Begin a new file before a flush that finds this much in the old one. 0: never."""
        rotate_keep: int = Field(default=5, ge=0, le=1000)
        """How many old files to keep: `flush_file` with `.1` (the newest), `.2`, … behind."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._format = config.format
        self._log = context.log
        self._host = context.hostname
        self._file = AppendFile(
            config.flush_file,
            header=header(config.format),
            row_starts=row_starts(config.format),
            compress=config.gzip,
            fsync=config.fsync,
            rotate_bytes=config.rotate_bytes,
            rotate_keep=config.rotate_keep,
        )
        self._worker = Worker(f"veneurpy-{context.name}")

    def __repr__(self) -> str:
        return f"LocalFileSink({self._file!r}, format={self._format!r})"

    def position(self) -> str | None:
        """Which file, and how far it was written by the last flush that ended."""
        return self._file.position

    def restore(self, position: str, rows: int) -> None:
        """Asks `start` to cut off the rows written since, if the file is still that one."""
        self._file.take_back_to(position, rows)

    async def start(self) -> None:
        """Opens the file. Raises SinkError when that fails or somebody else writes it."""
        await self._worker.run(self._file.open)
        if self._file.is_ahead:
            self._log("warning", "not_taken_back", file=self._file.path, mend=_MEND_AHEAD)

    async def flush(self, batch: FlushBatch) -> FlushResult:
        """Appends every row, or raises a retriable SinkError with the file as before."""
        await self._append(point_rows(batch, self._format))
        return FlushResult(confirmed=len(batch))

    async def flush_events(
        self, events: Sequence[Event], checks: Sequence[ServiceCheck]
    ) -> FlushResult:
        """Appends a row for each event and check."""
        await self._append(other_rows(events, checks, self._format, self._host))
        return FlushResult(confirmed=len(events) + len(checks))

    async def stop(self) -> None:
        """Closes the file. Idempotent."""
        await self._worker.run(self._file.close)
        self._worker.close()

    async def _append(self, pieces: Iterable[bytes]) -> None:
        cancelled = threading.Event()
        writing = asyncio.ensure_future(
            self._worker.run(lambda: self._file.append(pieces, cancelled.is_set))
        )
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # Out of time. The thread takes back what it has written; unless all of it is there by
            # now, which only the thread knows: then it is no failure.
            cancelled.set()
            with contextlib.suppress(SinkError):
                await writing
                return
            raise
