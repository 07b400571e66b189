"""The pages of the ring: GET /api/v1/ring, POST /api/v1/ring/plan and /api/v1/ring/apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from veneurpy.forward.epochs import RingHash
from veneurpy.forward.ring_admin import RingAdmin, RingError

PATH = "/api/v1/ring"


def add_ring_pages(app: web.Application, admin: RingAdmin) -> None:
    """Adds the pages. What changes something wants JSON, which no foreign web page can send."""
    pages = _RingPages(admin)
    app.router.add_get(PATH, pages.show)
    app.router.add_post(f"{PATH}/plan", pages.plan)
    app.router.add_post(f"{PATH}/apply", pages.apply)


class _RingPages:
    def __init__(self, admin: RingAdmin) -> None:
        self._admin = admin

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(await self._admin.show())

    async def plan(self, request: web.Request) -> web.Response:
        members, hash, _ = await _asked(request)
        try:
            return web.json_response(await self._admin.plan(members, hash))
        except RingError as exc:
            raise web.HTTPConflict(text=f"{exc}\n") from exc

    async def apply(self, request: web.Request) -> web.Response:
        members, hash, lead_s = await _asked(request)
        try:
            return web.json_response(await self._admin.apply(members, hash, lead_s=lead_s))
        except RingError as exc:
            raise web.HTTPConflict(text=f"{exc}\n") from exc


async def _asked(request: web.Request) -> tuple[list[str], RingHash | None, float]:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send application/json\n")
    try:
        body = cast(Any, await request.json())
    except ValueError as exc:
        raise web.HTTPBadRequest(text="that is no JSON\n") from exc
    asked = body if isinstance(body, Mapping) else {}
    members, hash, lead_s = asked.get("members"), asked.get("hash"), asked.get("lead_s", 60.0)
    is_named = isinstance(members, list) and all(isinstance(name, str) for name in members)
    is_known = hash in (None, "rendezvous", "veneur")
    is_time = isinstance(lead_s, int | float) and not isinstance(lead_s, bool)
    if not (is_named and is_known and is_time):
        raise web.HTTPBadRequest(
            text='expected {"members": ["a", "b"], "hash": "rendezvous", "lead_s": 60}\n'
        )
    return cast(list[str], members), cast("RingHash | None", hash), float(cast(float, lead_s))
