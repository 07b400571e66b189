"""The default sink: shows every flush as a table on a terminal, as plain lines elsewhere."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from veneurpy.config.section import Section
from veneurpy.errors import SinkError
from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushBatch, FlushResult, SinkContext, WriteClass
from veneurpy.sinks._table import Table
from veneurpy.sinks._text import check_line, event_line, first_in_order, point_line, utc
from veneurpy.sinks._worker import Worker

_SORTED_AT_MOST = 10_000


class ConsoleSink:
    """Writes to stdout or stderr from a thread, so that a stopped terminal stops nothing else."""

    write_class = WriteClass.ADDITIVE
    takes_events = True
    takes_checks = True

    class Config(Section):
        """The options of the console sink."""

        stream: Literal["stdout", "stderr"] = "stdout"
        """Where to write."""
        format: Literal["auto", "table", "lines"] = "auto"
        """`auto` is a table on a terminal and lines elsewhere."""
        max_rows: int = Field(default=50, ge=1, le=10_000)
        """How many points, events and checks of a flush the table shows. Lines are never cut."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._config = config
        self._fd = 1 if config.stream == "stdout" else 2
        self._worker = Worker(f"veneurpy-{context.name}")

    def __repr__(self) -> str:
        return f"ConsoleSink({self._config!r})"

    async def start(self) -> None:
        """Opens nothing. Raises SinkError when the stream is closed."""
        if not _is_writable(self._fd):
            text = f"{self._config.stream} is closed: name other sinks in metric_sinks"
            raise SinkError(text, retriable=False)
        self._worker.begin()

    async def flush(self, batch: FlushBatch) -> FlushResult:
        """Writes the batch. A stream that was closed is a SinkError that no retry mends."""
        await self._write(lambda: self._points(batch))
        return FlushResult(confirmed=len(batch))

    async def flush_events(
        self, events: Sequence[Event], checks: Sequence[ServiceCheck]
    ) -> FlushResult:
        """Writes a line for each event and check; beside a table, for the first of each."""
        await self._write(lambda: self._others(events, checks))
        return FlushResult(confirmed=len(events) + len(checks))

    async def stop(self) -> None:
        """Lets the thread end. Idempotent."""
        self._worker.close()

    def _wants_table(self) -> bool:
        if self._config.format == "auto":
            return os.isatty(self._fd)
        return self._config.format == "table"

    def _points(self, batch: FlushBatch) -> Iterator[str]:
        if self._wants_table():
            width = shutil.get_terminal_size((120, 50)).columns
            colour = os.isatty(self._fd) and wants_colour(os.environ)
            yield Table(max_rows=self._config.max_rows, width=width, colour=colour).draw(batch)
            return
        ordered = first_in_order(batch, len(batch)) if len(batch) <= _SORTED_AT_MOST else batch
        times: dict[int, str] = {}
        for chunk in ordered.chunks():
            for timestamp_ms in {point.timestamp_ms for point in chunk} - times.keys():
                times[timestamp_ms] = utc(timestamp_ms)
            yield "".join(point_line(point, times[point.timestamp_ms]) for point in chunk)

    def _others(self, events: Sequence[Event], checks: Sequence[ServiceCheck]) -> Iterator[str]:
        at_most = self._config.max_rows if self._wants_table() else len(events) + len(checks)
        yield from map(event_line, events[:at_most])
        yield from map(check_line, checks[:at_most])
        if hidden := len(events[at_most:]) + len(checks[at_most:]):
            yield f"… and {hidden:,} more\n"

    async def _write(self, texts: Callable[[], Iterable[str]]) -> None:
        cancelled = threading.Event()
        try:
            await self._worker.run(lambda: self._write_all(texts(), cancelled))
        except asyncio.CancelledError:
            cancelled.set()
            raise
        except OSError as exc:
            raise SinkError(
                f"cannot write to {self._config.stream}: {exc.strerror}", retriable=False
            ) from exc

    def _write_all(self, texts: Iterable[str], cancelled: threading.Event) -> None:
        # Not through sys.stdout: a thread that hangs in it spoils the end of the interpreter.
        for text in texts:
            if cancelled.is_set():
                return
            rest = memoryview(text.encode())
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:  # somebody made the terminal non-blocking
                    select.select([], [self._fd], [])


def _is_writable(descriptor: int) -> bool:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except OSError:
        return False


def wants_colour(environment: Mapping[str, str]) -> bool:
    """Whether a terminal with this environment is to be sent colours (https://no-color.org)."""
    return not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"
