"""A listener of any transport on an engine, and peers that speak to it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from tests.engines import add_accounts, rows
from tests.recording import Recorder
from veneurpy.config import Config
from veneurpy.engine import (
    Accounts,
    ClientTop,
    Engine,
    EngineKind,
    EngineOptions,
    Plan,
    open_engine,
)
from veneurpy.ports import Listener
from veneurpy.server.listening import Listeners
from veneurpy.systemd import Notifier, SocketStore
from veneurpy.telemetry import Metric, Telemetry
from veneurpy.telemetry.metrics import STREAM_CLOSED
from veneurpy.testing import START_MS, FakeClock

KINDS = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM, "packet": socket.SOCK_SEQPACKET}


class EngineRig:
    """An engine, what it has been told so far, and what it logs."""

    patience_s = 20.0

    def __init__(self, kind: EngineKind, options: EngineOptions | None = None) -> None:
        self.engine: Engine = open_engine(kind, options or EngineOptions(), start_ms=START_MS)
        self.log = Recorder()
        self.clock = FakeClock()
        self.telemetry = Telemetry(self.log, self.clock)
        self.tags: set[tuple[str, ...]] = set()

    async def until(self, holds: Callable[[Accounts], bool]) -> Accounts:
        """Lets the readers work until the open accounts are as wanted."""
        async with asyncio.timeout(self.patience_s):
            while not holds(accounts := self.open_accounts()):  # noqa: ASYNC110 - threads tell no one
                await asyncio.sleep(0.001)  # a loop that never sleeps starves them of the GIL
        return accounts

    def open_accounts(self) -> Accounts:
        return add_accounts(accounts for _, accounts in self.engine.open_accounts())

    def clients(self) -> list[ClientTop]:
        """Closes the interval; returns who has sent something. `tags` are those of its series."""
        interval = self.engine.rotate(START_MS + 10_000)
        found = [client for client in interval.clients(1000) if client.datagrams]
        self.tags = {row.tags for row in rows(interval.columns(Plan()))}
        interval.release()
        return found

    async def turn(self) -> None:
        """Lets the loop and the readers work."""
        await asyncio.sleep(0)

    def close_interval(self) -> Accounts:
        """Closes the interval; returns its accounts over all readers."""
        interval = self.engine.rotate(START_MS + 10_000)
        accounts = add_accounts(accounts for _, accounts in interval.accounts)
        interval.release()
        return accounts


class Rig(EngineRig):
    """An engine and its listeners, made from the configuration as the server makes them."""

    def __init__(self, kind: EngineKind, options: EngineOptions | None = None) -> None:
        super().__init__(kind, options)
        self.listeners: list[Listener] = []
        self.ended = 0

    async def listen(
        self, url: str, *, environ: Mapping[str, str] | None = None, **settings: Any
    ) -> Listener:
        """Starts a listener, which is stopped at the end; without a URL that of the settings."""
        urls = (url,) if url else ()
        config = Config(statsd_listen_addresses=urls, **settings)  # type: ignore[arg-type]
        environ = environ or {}
        store = SocketStore(environ, Notifier(environ))
        listeners = Listeners(
            config,
            clock=self.clock,
            telemetry=self.telemetry,
            store=store,
            on_input_end=self._end,
        )
        made = listeners.make()
        store.drop_others(await listeners.places())
        self.listeners += made
        for listener in made:
            await listener.start(self.engine)
        return made[-1]

    def _end(self) -> None:
        self.ended += 1

    async def until_value(self, metric: Metric, value: float, **labels: str) -> None:
        """Lets the loop run until a number is reached."""
        async with asyncio.timeout(20):
            while self.telemetry.value(metric, **labels) < value:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def until_closed(self, listener: Listener, reason: str, count: int = 1) -> None:
        """Lets the loop run until so many connections have ended for a reason."""
        await self.until_value(STREAM_CLOSED, count, listener=listener.name, reason=reason)

    async def close(self) -> None:
        """Stops everything."""
        for listener in self.listeners:
            await listener.stop(5)
        self.engine.close()


def connect(listener: Listener | str, context: ssl.SSLContext | None = None) -> socket.socket:
    """A blocking connection to a listener, by its name. TLS needs another thread than the loop."""
    name = listener if isinstance(listener, str) else listener.name
    scheme, _, place = name.partition(":")
    kind = {"unixgram": "dgram", "unixpacket": "packet"}.get(scheme, "stream")
    if scheme.startswith("unix"):
        peer = socket.socket(socket.AF_UNIX, KINDS[kind])
        path = place.removeprefix("//")
        peer.connect("\0" + path[1:] if path.startswith("@") else path)
        return peer
    host, _, port = place.removeprefix("//").rpartition(":")
    peer = socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), 10)
    return context.wrap_socket(peer, server_hostname="localhost") if context else peer
