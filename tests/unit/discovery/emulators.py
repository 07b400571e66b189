"""Consul and the Kubernetes API, as far as discovery asks them, by their documented behaviour."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


@asynccontextmanager
async def served(handler: Any) -> AsyncIterator[str]:
    """A handler of every GET, on a port of its own."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Consul:
    """Health of one service. A query with the present index is answered at the next change."""

    def __init__(self) -> None:
        self.instances: list[dict[str, Any]] = []
        self.index = 10
        self.fails = False
        self.queries: list[dict[str, str]] = []
        self.tokens: list[str | None] = []
        self._changed = asyncio.Event()

    def set(self, *instances: Mapping[str, Any], index: int | None = None) -> None:
        """What the service is from now on; wakes the queries that wait."""
        self.instances = [dict(instance) for instance in instances]
        self.index = self.index + 1 if index is None else index
        self._changed.set()
        self._changed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        """GET /v1/health/service/:service."""
        self.queries.append(dict(request.query))
        self.tokens.append(request.headers.get("X-Consul-Token"))
        if not request.path.startswith("/v1/health/service/"):
            return web.Response(status=404)
        if self.fails:
            return web.Response(status=500, text="No cluster leader")
        if int(request.query.get("index", 0)) == self.index:
            await self._changed.wait()
        shown = [i for i in self.instances if i["passing"] or "passing" not in request.query]
        return web.json_response(
            [
                {
                    "Node": {"Node": i["node"], "Address": i.get("node_address", "10.0.0.9")},
                    "Service": {
                        "Address": i.get("address", ""),
                        "Port": i.get("port", 8128),
                        "Meta": i.get("meta"),
                    },
                }
                for i in shown
            ],
            headers={"X-Consul-Index": str(self.index)},
        )


class Kubernetes:
    """EndpointSlices: a list, and a watch that ends when it is told to."""

    def __init__(self) -> None:
        self.slices: dict[str, dict[str, Any]] = {}
        self.version = 100
        self.queries: list[dict[str, str]] = []
        self.authorizations: list[str | None] = []
        self.fails = False
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def put(self, name: str, *endpoints: Mapping[str, Any], tell: str = "") -> None:
        """Sets a slice, and tells the watch if `tell` says how: ADDED, MODIFIED or DELETED."""
        self.version += 1
        item = {
            "metadata": {"name": name, "resourceVersion": str(self.version)},
            "ports": [{"name": "http", "port": 80}, {"name": "grpc", "port": 8128}],
            "endpoints": [dict(endpoint) for endpoint in endpoints],
        }
        self.slices[name] = item
        if tell == "DELETED":
            del self.slices[name]
        if tell:
            self._events.put_nowait({"type": tell, "object": item})

    def bookmark(self) -> None:
        """Tells the watch where it stands."""
        self.version += 1
        metadata = {"resourceVersion": str(self.version)}
        self._events.put_nowait({"type": "BOOKMARK", "object": {"metadata": metadata}})

    def expire(self) -> None:
        """Tells the watch that its version is too old."""
        status = {"code": 410, "reason": "Expired", "message": "too old resource version"}
        self._events.put_nowait({"type": "ERROR", "object": status})

    def end_watch(self) -> None:
        """Ends the watch, as the server does after timeoutSeconds."""
        self._events.put_nowait(None)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """GET …/endpointslices, with and without watch."""
        self.queries.append(dict(request.query))
        self.authorizations.append(request.headers.get("Authorization"))
        if self.fails:
            return web.Response(status=503)
        if "watch" not in request.query:
            metadata = {"resourceVersion": str(self.version)}
            return web.json_response({"metadata": metadata, "items": list(self.slices.values())})
        answer = web.StreamResponse()
        await answer.prepare(request)
        while (event := await self._events.get()) is not None:
            text = json.dumps(event).encode() + b"\n"
            await answer.write(text[:20])  # lines come in whatever pieces
            await answer.write(text[20:])
        return answer


def endpoint(pod: str, address: str, *, ready: bool | None = True) -> dict[str, Any]:
    """An endpoint of a slice."""
    return {
        "addresses": [address],
        "conditions": {"ready": ready},
        "targetRef": {"kind": "Pod", "name": pod},
    }
