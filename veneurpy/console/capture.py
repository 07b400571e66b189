"""The page that hands out what was received: GET /api/v1/capture?last=30s&next=10s."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

from aiohttp import web

from veneurpy.capture.dogfile import HEADER, encode_end
from veneurpy.capture.recording import Recording
from veneurpy.config.quantity import parse_duration
from veneurpy.engine import Reader
from veneurpy.ports import Clock
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import Captured, CaptureMissed

PATH = "/api/v1/capture"
LONGEST_S = 3600.0
MOST_AT_ONCE = 2
LOOK_S = 0.1
"""How often what has come since is fetched."""


class CapturePage:
    """Answers with a `.dog` file that grows until its time is up. Changes nothing."""

    def __init__(
        self,
        readers: Callable[[], Sequence[Reader]],
        *,
        clock: Clock,
        telemetry: Telemetry,
        is_on: bool,
    ) -> None:
        """`is_on`: whether readers keep anything."""
        self._readers = readers
        self._clock = clock
        self._telemetry = telemetry
        self._is_on = is_on
        self._running = 0

    def __repr__(self) -> str:
        return f"CapturePage(is_on={self._is_on}, running={self._running})"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`last`: how far back, without it as far as there is something; `next`: how far on."""
        if not self._is_on:
            raise web.HTTPConflict(text="capture_bytes is 0: nothing is kept for captures\n")
        last_s = _seconds(request, "last", math.inf if "next" not in request.query else 0.0)
        next_s = _seconds(request, "next", 0.0)
        if next_s > LONGEST_S:
            raise web.HTTPBadRequest(text=f"next is at most {LONGEST_S:g}s\n")
        if self._running >= MOST_AT_ONCE:
            raise web.HTTPTooManyRequests(text=f"{MOST_AT_ONCE} captures run already\n")
        self._running += 1
        try:
            return await self._send(request, last_s, next_s)
        finally:
            self._running -= 1

    async def _send(self, request: web.Request, last_s: float, next_s: float) -> web.StreamResponse:
        now_ns = self._clock.now_ns()
        since_ns = 0 if math.isinf(last_s) else now_ns - int(last_s * 1e9)
        end_ns = now_ns + int(next_s * 1e9)
        recording = Recording(self._readers(), since_ns=since_ns)
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        await response.write(HEADER)
        try:
            while True:
                now_ns = self._clock.now_ns()
                await _write(response, recording, min(now_ns, end_ns))
                if now_ns >= end_ns:
                    break
                await self._clock.sleep(min(LOOK_S, (end_ns - now_ns) / 1e9))
            await response.write(encode_end(recording.missed_bytes))
        finally:
            self._telemetry.emit(Captured(recording.datagrams))
            if recording.missed_bytes:
                self._telemetry.emit(CaptureMissed(recording.missed_bytes))
        return response


async def _write(response: web.StreamResponse, recording: Recording, until_ns: int) -> None:
    # Off the loop: there may be MiBs of it.
    parts = recording.part(until_ns)
    while part := await asyncio.to_thread(next, parts, b""):
        await response.write(part)


def _seconds(request: web.Request, name: str, missing: float) -> float:
    text = request.query.get(name)
    if text is None:
        return missing
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise web.HTTPBadRequest(text=f"{name}: {exc}\n") from exc
