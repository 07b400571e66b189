"""Addresses by Kubernetes: the ready endpoints of a service, listed once and then watched.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from veneurpy.discovery._watch import FIRST_RETRY_S, LONGEST_RETRY_S, MOST_BYTES, body, joined
from veneurpy.ports import Clock
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import DiscoveryFailed

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
WATCH_S = 300
"""How long the server keeps one watch open."""


@dataclass(frozen=True, slots=True)
class KubernetesOptions:
    """How the API is reached, by default as from inside a pod."""

    server: str
    namespace: str
    service: str
    port: str = "grpc"
    """The endpoint port's name."""
    token_file: Path | None = None
    ca_file: Path | None = None

    @classmethod
    def in_cluster(
        cls,
        service: str,
        *,
        namespace: str = "",
        port: str = "grpc",
        environment: Mapping[str, str] | None = None,
        account: Path = ACCOUNT,
    ) -> KubernetesOptions:
        """By the service account of the pod. Raises KeyError or OSError outside of one."""
        env = os.environ if environment is None else environment
        host, https_port = env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"]
        server = f"https://{joined(host, https_port)}"
        return cls(
            server=server,
            namespace=namespace or (account / "namespace").read_text().strip(),
            service=service,
            port=port,
            token_file=account / "token",
            ca_file=account / "ca.crt",
        )


class _Gone(Exception):
    """The version to watch from is too old: everything must be listed again."""


class KubernetesDiscovery:
    """Follows the EndpointSlices of one service. An endpoint's name is its pod's."""

    def __init__(self, options: KubernetesOptions, *, clock: Clock, telemetry: Telemetry) -> None:
        self._options = options
        self._clock = clock
        self._telemetry = telemetry
        self._slices: dict[str, Any] = {}
        self._version = ""

    def __repr__(self) -> str:
        return f"KubernetesDiscovery({self._options.service!r}, version={self._version!r})"

    async def addresses(self) -> AsyncIterator[Mapping[str, str]]:
        """Name to `ip:port` of the endpoints that are ready."""
        known: Mapping[str, str] = {}
        retry_s = FIRST_RETRY_S
        async with aiohttp.ClientSession(trust_env=False, read_bufsize=1 << 20) as session:
            while True:
                try:
                    async for _ in self._follow(session):
                        retry_s = FIRST_RETRY_S
                        found = self._found()
                        if not found:
                            self._failed("empty", "no endpoint is ready")
                        elif found != known:
                            known = found
                            yield known
                    continue
                except _Gone:
                    self._version = ""
                    self._failed("gone", "the watch is too old: listing again")
                    continue
                except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                    self._failed("failed", str(exc) or type(exc).__name__)
                except (ValueError, KeyError, TypeError) as exc:
                    self._version = ""
                    self._failed("unreadable", str(exc))
                await self._clock.sleep(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    async def _follow(self, session: aiohttp.ClientSession) -> AsyncIterator[None]:
        """Lists if nothing is known, then watches until the server ends it; yields at changes."""
        if not self._version:
            await self._list(session)
            yield
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(WATCH_S),
        }
        async with await self._get(session, query, WATCH_S + 30) as answer:
            async for line in _lines(answer.content):
                if self._apply(json.loads(line)):
                    yield

    async def _list(self, session: aiohttp.ClientSession) -> None:
        async with await self._get(session, {}, 30) as answer:
            page = json.loads(await body(answer))
        self._slices = {item["metadata"]["name"]: item for item in page.get("items") or ()}
        self._version = page["metadata"]["resourceVersion"]

    def _apply(self, event: dict[str, Any]) -> bool:
        """Takes over an event; whether an endpoint can have changed. Raises _Gone."""
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            if item.get("code") == 410:
                raise _Gone
            raise ValueError(str(item.get("message")))
        self._version = item["metadata"]["resourceVersion"]
        if kind == "DELETED":
            self._slices.pop(item["metadata"]["name"], None)
        elif kind in ("ADDED", "MODIFIED"):
            self._slices[item["metadata"]["name"]] = item
        return bool(kind != "BOOKMARK")

    def _found(self) -> dict[str, str]:
        return dict(
            _member(endpoint, port["port"])
            for item in self._slices.values()
            for port in item.get("ports") or ()
            if port.get("name") == self._options.port
            for endpoint in item.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready") is not False  # missing: ready
        )

    async def _get(
        self, session: aiohttp.ClientSession, query: dict[str, str], timeout_s: float
    ) -> aiohttp.ClientResponse:
        options = self._options
        token, context = await asyncio.to_thread(_credentials, options)
        answer = await session.get(
            f"{options.server}/apis/discovery.k8s.io/v1/namespaces/"
            f"{quote(options.namespace, safe='')}/endpointslices",
            params={"labelSelector": f"kubernetes.io/service-name={options.service}", **query},
            headers={"Authorization": f"Bearer {token}"} if token else {},
            allow_redirects=False,  # nobody else is to be believed
            ssl=context,
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=5),
        )
        if answer.status == 200:
            return answer
        answer.close()
        if answer.status == 410:
            raise _Gone
        raise aiohttp.ClientError(f"HTTP status {answer.status}")

    def _failed(self, reason: str, error: str) -> None:
        self._telemetry.emit(DiscoveryFailed("kubernetes", reason, error))


def _member(endpoint: dict[str, Any], port: int) -> tuple[str, str]:
    host = str(min(endpoint["addresses"]))
    name = (endpoint.get("targetRef") or {}).get("name") or endpoint.get("hostname") or host
    return str(name), joined(host, port)


def _credentials(options: KubernetesOptions) -> tuple[str, ssl.SSLContext | bool]:
    """Read anew for each request: Kubernetes changes the token about every hour."""
    token = options.token_file.read_text().strip() if options.token_file else ""
    if not options.server.startswith("https"):
        return token, True
    return token, ssl.create_default_context(cafile=options.ca_file)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines of any length up to a bound; raises ValueError beyond it."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(rest) > MOST_BYTES:
            raise ValueError("an event that is too long")
