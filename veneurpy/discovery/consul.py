"""Addresses by Consul: the instances of a service that pass their checks, by blocking queries.

A blocking query names the index of the last answer and is answered when something has changed, or
after `wait`. https://developer.hashicorp.com/consul/api-docs/features/blocking
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp

from veneurpy.discovery._watch import Found, LookupFailed, body, joined, watch
from veneurpy.ports import Clock
from veneurpy.telemetry import Telemetry

WAIT_S = 60
SHORTEST_S = 1.0
"""Between two queries: Consul may answer at once, over and over."""


@dataclass(frozen=True, slots=True)
class ConsulOptions:
    """How Consul is reached, by default as its own commands do."""

    address: str = "http://127.0.0.1:8500"
    token: str = field(default="", repr=False)
    namespace: str = ""
    datacenter: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    verify: bool = True
    server_name: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ConsulOptions:
        """By Consul's standard variables. Raises OSError where a token file cannot be read."""
        env = os.environ if environment is None else environment
        address = env.get("CONSUL_HTTP_ADDR", "127.0.0.1:8500")
        if "://" not in address:
            secured = env.get("CONSUL_HTTP_SSL", "").lower() in ("1", "t", "true")
            address = f"{'https' if secured else 'http'}://{address}"
        token = env.get("CONSUL_HTTP_TOKEN", "")
        if not token and (path := env.get("CONSUL_HTTP_TOKEN_FILE")):
            with open(path, encoding="utf-8") as file:
                token = file.read().strip()
        return cls(
            address=address.rstrip("/"),
            token=token,
            namespace=env.get("CONSUL_NAMESPACE", ""),
            ca_file=env.get("CONSUL_CACERT", ""),
            certificate_file=env.get("CONSUL_CLIENT_CERT", ""),
            key_file=env.get("CONSUL_CLIENT_KEY", ""),
            verify=env.get("CONSUL_HTTP_SSL_VERIFY", "").lower() not in ("0", "f", "false"),
            server_name=env.get("CONSUL_TLS_SERVER_NAME", ""),
        )


class ConsulDiscovery:
    """Follows one service. An instance's name is its metadata `veneurpy_name`, else its node's."""

    def __init__(
        self, service: str, *, options: ConsulOptions, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._service = service
        self._options = options
        self._clock = clock
        self._telemetry = telemetry
        self._index = 0

    def __repr__(self) -> str:
        return f"ConsulDiscovery({self._service!r}, index={self._index})"

    async def addresses(self) -> AsyncIterator[Mapping[str, str]]:
        """Name to `address:port` of the instances that pass."""
        async with aiohttp.ClientSession(trust_env=False) as session:
            found = watch(
                "consul",
                lambda: self._look_up(session),
                clock=self._clock,
                telemetry=self._telemetry,
            )
            async for addresses in found:
                yield addresses

    async def _look_up(self, session: aiohttp.ClientSession) -> Found:
        try:
            entries, index = await self._ask(session)
            addresses = dict(_member(entry) for entry in entries)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            self._index = 0
            raise LookupFailed("failed", str(exc) or type(exc).__name__) from exc
        except (ValueError, KeyError, TypeError) as exc:
            self._index = 0
            raise LookupFailed("unreadable", str(exc)) from exc
        # An index that went back is of another state of Consul: the next query must not wait on it.
        self._index = 0 if index < self._index else index
        return Found(addresses, SHORTEST_S)

    async def _ask(self, session: aiohttp.ClientSession) -> tuple[list[Any], int]:
        options = self._options
        query = {"passing": "1", "wait": f"{WAIT_S}s"}
        if self._index > 0:
            query["index"] = str(self._index)
        if options.datacenter:
            query["dc"] = options.datacenter
        if options.namespace:
            query["ns"] = options.namespace
        headers = {"X-Consul-Token": options.token} if options.token else {}
        async with session.get(
            f"{options.address}/v1/health/service/{quote(self._service, safe='')}",
            params=query,
            headers=headers,
            allow_redirects=False,  # nobody else is to get the token
            ssl=await asyncio.to_thread(_context, options),
            server_hostname=options.server_name or None,
            # Consul adds up to a sixteenth to the wait.
            timeout=aiohttp.ClientTimeout(total=WAIT_S * 17 / 16 + 10, sock_connect=5),
        ) as answer:
            if answer.status != 200:
                raise aiohttp.ClientError(f"HTTP status {answer.status}")
            entries = json.loads(await body(answer))
            if not isinstance(entries, list):
                raise TypeError("no list of instances")
            return entries, max(0, int(answer.headers.get("X-Consul-Index", "0")))


def _member(entry: dict[str, Any]) -> tuple[str, str]:
    service, node = entry["Service"], entry["Node"]
    name = (service.get("Meta") or {}).get("veneurpy_name") or node["Node"]
    return str(name), joined(str(service.get("Address") or node["Address"]), service["Port"])


def _context(options: ConsulOptions) -> ssl.SSLContext | bool:
    if not options.address.startswith("https"):
        return True
    context = ssl.create_default_context(cafile=options.ca_file or None)
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.certificate_file:
        context.load_cert_chain(options.certificate_file, options.key_file or None)
    return context
