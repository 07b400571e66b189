"""StatsD lines in the body of an HTTP request, for those who can send nothing else."""

from __future__ import annotations

from aiohttp import web

from veneurpy.engine import Engine, Grammar, Reader
from veneurpy.listeners._cutting import READ_BYTES, LineCutter, most_at_once
from veneurpy.listeners._origin import Sender, host_of
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import Listening

PATH = "/api/v1/statsd"


class HttpListener:
    """Takes `POST /api/v1/statsd` on the admin HTTP listener, which calls `handle`."""

    name = f"http:{PATH}"

    def __init__(
        self, *, max_line_bytes: int, telemetry: Telemetry, grammar: Grammar | None = None
    ) -> None:
        self._grammar = grammar
        self._max_line_bytes = max_line_bytes
        self._telemetry = telemetry
        self._reader: Reader | None = None

    def __repr__(self) -> str:
        return f"HttpListener(is_open={self._reader is not None})"

    async def start(self, engine: Engine) -> None:
        """Takes requests from now on."""
        most_bytes = most_at_once(self._max_line_bytes)
        self._reader = engine.open_reader(
            self.name, max_datagram_bytes=most_bytes, grammar=self._grammar
        )
        self._telemetry.emit(Listening(self.name, 1, 0))

    async def stop(self, timeout_s: float) -> int:
        """Takes no more."""
        self._reader = None
        return 0

    async def leave(self) -> None:
        """Takes no more."""
        self._reader = None

    async def handle(self, request: web.Request) -> web.Response:
        """Lines of any length in all, compressed or not; 202 once they are in the store.

        What is wrong with a line is counted, and does not concern the others.
        """
        if self._reader is None:
            raise web.HTTPServiceUnavailable(text="not receiving: starting or stopping\n")
        sender = Sender(host_of(request.remote))
        cutter, total = LineCutter(self._reader, self._max_line_bytes, sender), 0
        async for chunk in request.content.iter_chunked(READ_BYTES):
            total += len(chunk)
            cutter.take(bytearray(chunk), 0, len(chunk))
        cutter.finish()
        return web.json_response({"bytes": total}, status=202)
