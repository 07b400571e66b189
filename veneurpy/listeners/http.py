"""StatsD lines in the body of an HTTP request, for those who can send nothing else."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from veneurpy.engine import Engine, Grammar, Reader
from veneurpy.listeners._cutting import READ_BYTES, LineCutter, most_at_once
from veneurpy.listeners._inflating import ENCODINGS, BadBody, Body
from veneurpy.listeners._origin import Sender, host_of
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import Listening, StreamClosed

PATH = "/api/v1/statsd"
RUNNING_REQUESTS_S = 1.0
"""How long those under way may take whose lines are for a successor."""


class HttpListener:
    """Takes `POST /api/v1/statsd` on the admin HTTP listener, which calls `handle`.

    It decompresses by itself: the server must have been told not to (`auto_decompress`).
    """

    name = f"http:{PATH}"

    def __init__(
        self, *, max_line_bytes: int, telemetry: Telemetry, grammar: Grammar | None = None
    ) -> None:
        self._grammar = grammar
        self._max_line_bytes = max_line_bytes
        self._telemetry = telemetry
        self._reader: Reader | None = None
        self._is_open = False
        self._running = 0
        self._idle = asyncio.Event()

    def __repr__(self) -> str:
        return f"HttpListener(is_open={self._is_open}, running={self._running})"

    async def start(self, engine: Engine) -> None:
        """Takes requests from now on."""
        most_bytes = most_at_once(self._max_line_bytes)
        self._reader = engine.open_reader(
            self.name, max_datagram_bytes=most_bytes, grammar=self._grammar
        )
        self._is_open = True
        self._telemetry.emit(Listening(self.name, 1, 0))

    async def stop(self, timeout_s: float) -> int:
        """Answers requests that run, and takes no more. What is not answered is the sender's."""
        self._is_open = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._running:
                    self._idle.clear()
                    await self._idle.wait()
        self._reader = None
        return 0

    async def leave(self) -> None:
        """The same."""
        await self.stop(RUNNING_REQUESTS_S)

    async def handle(self, request: web.Request) -> web.Response:
        """Lines of any length in all, compressed or not; 202 once they are in the store.

        What is wrong with a line is counted, and does not concern the others.
        """
        if not self._is_open or self._reader is None:
            raise web.HTTPServiceUnavailable(text="not receiving: starting or stopping\n")
        self._running += 1
        try:
            total = await self._take(request, self._reader)
        finally:
            self._running -= 1
            self._idle.set()
        return web.json_response({"bytes": total}, status=202)

    async def _take(self, request: web.Request, reader: Reader) -> int:
        sender = Sender(host_of(request.remote))
        cutter, total = LineCutter(reader, self._max_line_bytes, sender), 0
        body = self._body(request.headers.get("Content-Encoding", ""))
        try:
            async for chunk in request.content.iter_chunked(READ_BYTES):
                for piece in body.pieces(chunk, READ_BYTES):
                    self._check_open(total)
                    total += len(piece)
                    cutter.take(bytearray(piece), 0, len(piece))
                    # A little may decompress to a lot: nobody else is to wait for all of it.
                    await asyncio.sleep(0)
            body.finish()
        except (web.RequestPayloadError, ConnectionError, BadBody) as exc:
            self._telemetry.emit(StreamClosed(self.name, "bad_body"))
            text = f"the body broke off or cannot be read after {total} bytes: {exc}\n"
            raise web.HTTPBadRequest(text=text) from exc
        self._check_open(total)
        cutter.finish()
        return total

    def _body(self, encoding: str) -> Body:
        try:
            return Body(encoding)
        except LookupError as exc:
            self._telemetry.emit(StreamClosed(self.name, "bad_body"))
            text = f"{encoding!r} is not understood: send {' or '.join(ENCODINGS)}, or plain text\n"
            raise web.HTTPUnsupportedMediaType(text=text) from exc

    def _check_open(self, total: int) -> None:
        """The last interval may have been flushed: nobody would see what comes now."""
        if self._reader is None:
            text = f"stopping: only the whole lines in the first {total} bytes were taken\n"
            raise web.HTTPServiceUnavailable(text=text)
