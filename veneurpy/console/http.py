"""The admin HTTP listener: pages for probes, scrapers, `veneurpy status` and people to read.

Nothing is changed through it but the ring; lines are taken (`ingest`) where that is asked for.

There is no authentication. It listens on the loopback interface unless it is told otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import yaml
from aiohttp import web

import veneurpy
from veneurpy.console.address import open_socket
from veneurpy.console.capture import PATH as CAPTURE_PATH
from veneurpy.console.door import Door
from veneurpy.console.mishaps import mishap_logger
from veneurpy.console.ring import add_ring_pages
from veneurpy.console.view import NodeView
from veneurpy.errors import ConfigError
from veneurpy.forward.ring_admin import RingAdmin
from veneurpy.telemetry.events import Event

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of Prometheus' text format."""

_SHUTDOWN_S = 1.0


class AdminServer:
    """Serves `view`, and what sinks exposed (`extra_routes`, path to handler), on `address`.

    `ingest`: what takes lines by POST, by path. `ring`: who shows and changes the ring.
    `capture`: what hands out what was received.
    """

    def __init__(
        self,
        view: NodeView,
        address: str,
        *,
        emit: Callable[[Event], None],
        extra_routes: Mapping[str, Handler] | None = None,
        ingest: Mapping[str, Handler] | None = None,
        ring: RingAdmin | None = None,
        capture: Handler | None = None,
    ) -> None:
        self._address = address
        self._emit = emit
        self._app = admin_app(view, extra_routes or {}, ingest or {}, capture)
        if ring is not None:
            add_ring_pages(self._app, ring)
        self._runner: web.AppRunner | None = None
        self._door: Door | None = None

    def __repr__(self) -> str:
        return f"AdminServer({self._address!r}, {self._door!r})"

    @property
    def port(self) -> int:
        """The port it really has; 0 while it does not listen."""
        return self._door.port if self._door else 0

    async def start(self) -> None:
        """Listens. Raises ListenError, with the way to mend it, when that fails."""
        sock = await asyncio.to_thread(open_socket, self._address)
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            # Who takes lines does it: of gzip that was cut off, aiohttp says that it is whole.
            auto_decompress=False,
            logger=mishap_logger(self._emit),
            shutdown_timeout=_SHUTDOWN_S,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        name = f"http://{self._address}"
        self._door = Door(sock, self._runner.server, name=name, emit=self._emit)
        self._door.open()

    async def stop(self) -> None:
        """Closes the socket and lets running requests end, for a second at most. Idempotent."""
        if self._door is not None:
            self._door.close()
            self._door = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def admin_app(
    view: NodeView,
    extra_routes: Mapping[str, Handler],
    ingest: Mapping[str, Handler] = MappingProxyType({}),
    capture: Handler | None = None,
) -> web.Application:
    """The pages as an aiohttp application. Raises ConfigError when a path is taken."""
    pages = _Pages(view)
    routes: dict[str, Handler] = {
        "/healthz": pages.healthz,
        "/healthcheck": pages.healthz,  # Veneur's
        "/readyz": pages.readyz,
        "/version": pages.version,
        "/metrics": pages.metrics,
        "/config": pages.config,
        "/api/v1/status": pages.status,
        "/api/v1/ledger": pages.ledger,
        "/api/v1/top": pages.top,
    }
    if capture is not None:
        routes[CAPTURE_PATH] = capture
    if taken := sorted({"/", *routes} & set(extra_routes)):
        raise ConfigError(f"a sink wants to serve {', '.join(taken)}, which veneurpy itself serves")
    routes |= extra_routes
    app = web.Application(middlewares=[_plain_errors])
    app.router.add_get("/", _listing)
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    for path, handler in ingest.items():
        app.router.add_post(path, handler)
    return app


class _Pages:
    def __init__(self, view: NodeView) -> None:
        self._view = view

    async def healthz(self, request: web.Request) -> web.Response:
        if self._view.healthy():
            return web.Response(text="ok\n")
        return web.Response(text="unhealthy\n", status=503)

    async def readyz(self, request: web.Request) -> web.Response:
        ready, reasons = self._view.ready()
        if ready:
            return web.Response(text="ok\n")
        return web.Response(text="".join(f"{r}\n" for r in reasons or ["not ready"]), status=503)

    async def version(self, request: web.Request) -> web.Response:
        return web.Response(text=f"{veneurpy.__version__}\n")

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._view.exposition(), headers={"Content-Type": EXPOSITION_TYPE})

    async def config(self, request: web.Request) -> web.Response:
        if "application/json" in request.headers.get("Accept", ""):
            return _json_page(request, self._view.config())
        text = yaml.safe_dump(self._view.config(), sort_keys=False, allow_unicode=True)
        return web.Response(text=text, content_type="application/yaml")

    async def status(self, request: web.Request) -> web.Response:
        return _json_page(request, self._view.status())

    async def ledger(self, request: web.Request) -> web.Response:
        return _json_page(request, self._view.ledger())

    async def top(self, request: web.Request) -> web.Response:
        count = request.query.get("n", "10")
        page = None
        if count.isascii() and count.isdecimal() and len(count) < 5:
            of, by = request.query.get("of", "names"), request.query.get("by", "samples")
            page = self._view.top(of, by, int(count))
        if page is None:
            text = "n is a number, of is names or clients, by one of their figures\n"
            raise web.HTTPBadRequest(text=text)
        return _json_page(request, page)


def _json_page(request: web.Request, data: dict[str, Any]) -> web.Response:
    indent = 2 if "pretty" in request.query else None
    text = json.dumps(data, indent=indent, ensure_ascii=False)
    return web.Response(text=f"{text}\n", content_type="application/json")


async def _listing(request: web.Request) -> web.Response:
    """What there is, the pages of the ring and of whoever takes lines included."""
    paths = {resource.canonical for resource in request.app.router.resources()} - {"/"}
    listed = "".join(f"{path}\n" for path in sorted(paths))
    return web.Response(text=f"veneurpy {veneurpy.__version__}\n\n{listed}")


@web.middleware
async def _plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as exc:
        if exc.status == 404:
            exc.text = f"there is nothing at {request.path}; / lists what there is\n"
        elif exc.status == 405:
            allowed = " and ".join(sorted(exc.headers.getall("Allow", ["GET"])))
            exc.text = f"{request.method} is not possible here, but {allowed}\n"
        raise
