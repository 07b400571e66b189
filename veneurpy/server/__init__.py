"""The composition root: from a Config to a running node, and back. It alone knows all the edges."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import veneurpy
from veneurpy import registry
from veneurpy.config import Config, HostPort
from veneurpy.console.http import AdminServer
from veneurpy.engine import Engine, open_engine
from veneurpy.errors import SinkError, VeneurpyError
from veneurpy.flush.ticker import Ticker
from veneurpy.ledger import Ledger
from veneurpy.ports import Clock, Listener, Sink, SystemClock
from veneurpy.server.assembly import (
    engine_options,
    host_of,
    new_flusher,
    new_lane,
    new_listeners,
    new_sinks,
    new_stats,
)
from veneurpy.server.deadline import Deadline
from veneurpy.server.node import Node
from veneurpy.server.supervisor import Supervisor
from veneurpy.server.tasks import feed_watchdog, watch_lag
from veneurpy.systemd import Notifier
from veneurpy.telemetry import Logger, Telemetry
from veneurpy.telemetry.events import (
    ClockSetBack,
    ConfigWarning,
    LedgerViolated,
    LeftUnread,
    Started,
    StopFailed,
    Stopped,
    Stopping,
)

CLOSING_S = 1.0
"""What sinks and the HTTP listener get to close, even when the time to shut down has run out."""
START_TIMEOUT_S = 30.0


class Server:
    """One node. `run` it once."""

    def __init__(
        self,
        config: Config,
        logger: Logger,
        *,
        clock: Clock | None = None,
        sink_class: Callable[[str], type[Sink]] = registry.sink_class,
        environ: Mapping[str, str] | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self.telemetry = Telemetry(logger, self.clock)
        self.host = host_of(config)
        self.running = asyncio.Event()
        """Set once the node takes traffic."""
        self._notifier = Notifier(environ or {})
        self._warnings = warnings
        self._supervisor = Supervisor(self.telemetry)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="flush")
        self._routes: dict[str, Any] = {}
        self._sinks = new_sinks(config, self.clock, logger, self._routes, sink_class)
        self._listeners = new_listeners(config, self.telemetry)
        self._ledger = Ledger(list(self._sinks))
        self._lanes = [
            new_lane(
                config,
                entry,
                self._sinks[entry.name],
                clock=self.clock,
                telemetry=self.telemetry,
                ledger=self._ledger,
            )
            for entry in config.metric_sinks
        ]
        self._engine: Engine | None = None
        self._admin: AdminServer | None = None

    def __repr__(self) -> str:
        return f"Server({self.listeners}, sinks={list(self._sinks)}, engine={self._engine!r})"

    @property
    def listeners(self) -> list[str]:
        """Their names: URLs with the ports they really have, once the node runs."""
        return [listener.name for listener in self._listeners]

    @property
    def http_address(self) -> HostPort | None:
        """Where the admin HTTP listener really listens, once the node runs; None without one."""
        wanted = self.config.http_address
        if wanted is None or self._admin is None:
            return wanted
        return HostPort(wanted.host, self._admin.port)

    def request_stop(self, cause: str) -> None:
        """Makes `run` shut down and return. Idempotent."""
        self._supervisor.request_stop(cause)

    async def run(self) -> int:
        """Runs until `request_stop`, or until a task of ours crashes; returns the exit code.

        Raises VeneurpyError or EngineMissing, with nothing left open, if it cannot start.
        """
        try:
            await self._start()
        except BaseException:
            await self._close()
            raise
        await self._supervisor.wait()
        await self._shut_down()
        exit_code = int(self._supervisor.crashed)
        total = self._ledger.total
        lines = sum(accounts.lines for accounts in total.listeners.values())
        self.telemetry.emit(Stopped(lines, total.store.points, exit_code))
        return exit_code

    async def _start(self) -> None:
        for warning in self._warnings:
            self.telemetry.emit(ConfigWarning(warning))
        for name, sink in self._sinks.items():
            await _start_sink(name, sink)
        self._engine = self._assemble()
        if self.config.http_address is not None:
            address = str(self.config.http_address)
            self._admin = AdminServer(self.node, address, extra_routes=self._routes)
            await self._admin.start()
        for listener in self._listeners:
            await listener.start(self._engine)
            self._ledger.open_listener(listener.name)
        self._start_tasks()
        self._announce()

    def _assemble(self) -> Engine:
        """Opens the engine, with what flushes it and what shows it."""
        config = self.config
        self._ticker = Ticker(self.clock, interval_s=config.interval)
        engine = open_engine(config.engine, engine_options(config), start_ms=self._ticker.start_ms)
        self._flusher = new_flusher(
            config,
            engine,
            self._lanes,
            clock=self.clock,
            telemetry=self.telemetry,
            ledger=self._ledger,
            executor=self._executor,
        )
        self.node = Node(
            config,
            host=self.host,
            clock=self.clock,
            telemetry=self.telemetry,
            ledger=self._ledger,
            engine=engine,
            ticker=self._ticker,
            lanes=self._lanes,
        )
        self._stats = new_stats(config, self.telemetry, self.node.refresh)
        return engine

    def _announce(self) -> None:
        listeners = " ".join(listener.name for listener in self._listeners)
        sinks, http = " ".join(self._sinks), str(self.http_address or "")
        self.telemetry.emit(
            Started(veneurpy.__version__, self.config.engine, listeners, sinks, http)
        )
        self.node.state = "running"
        self.node.flushed()
        self._notifier.notify("READY=1", f"STATUS=Receiving on {listeners}")
        self.running.set()

    def _start_tasks(self) -> None:
        start = self._supervisor.start
        self._flushing = start("flush", self._flush_loop())
        self._deliveries = [start(f"sink {lane.name}", lane.run()) for lane in self._lanes]
        start("stats", self._stats.run())
        start("lag", watch_lag(self.clock, self.telemetry))
        if self._notifier.watchdog_s:
            healthy = self.node.healthy
            start("watchdog", feed_watchdog(self.clock, self._notifier, healthy))

    async def _flush_loop(self) -> None:
        """Flushes at each tick. A flush that has begun is finished, whoever asks to stop."""
        stopping = asyncio.create_task(self._supervisor.stopping.wait())
        while True:
            waiting = asyncio.create_task(self._ticker.wait())
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                waiting.cancel()
                return
            await self._flusher.flush(waiting.result())
            self.node.flushed()
            self._stats.flushed()
            if self._ticker.ahead_ms:
                self.telemetry.emit(ClockSetBack(self._ticker.ahead_ms / 1000))

    async def _shut_down(self) -> None:
        """Reads what the kernel had queued, flushes it, delivers it; all within the time-out."""
        timeout_s = self.config.shutdown_timeout
        deadline = Deadline(self.clock, timeout_s)
        self.node.state = "stopping"
        self._notifier.notify("STOPPING=1")
        self.telemetry.emit(Stopping(self._supervisor.cause, timeout_s))
        await asyncio.wait([self._flushing], timeout=deadline.left_s)
        await asyncio.gather(*(self._stop_listener(each, deadline) for each in self._listeners))
        await self._attempt("the last flush", self._flusher.flush(self._ticker.cut()), deadline)
        for lane in self._lanes:
            lane.close()
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=deadline.left_s)
        for lane in self._lanes:
            lane.give_up("shutdown")
        self._stats.send()
        await self._close()
        for equation in self._ledger.total.violations():
            self.telemetry.emit(LedgerViolated(equation.name, equation.where, str(equation)))

    async def _stop_listener(self, listener: Listener, deadline: Deadline) -> None:
        try:
            # The other half is for the last flush and what it delivers.
            left = await listener.stop(deadline.left_s / 2)
        except Exception as exc:  # one listener's failure must not cost the others their last flush
            self.telemetry.emit(StopFailed(listener.name, f"{type(exc).__name__}: {exc}"))
            return
        if left:
            self.telemetry.emit(LeftUnread(listener.name, left))

    async def _close(self) -> None:
        """Closes everything that was opened, whatever fails on the way."""
        await self._supervisor.cancel()
        deadline = Deadline(self.clock, CLOSING_S)
        steps = {f"sink {name}": sink.stop() for name, sink in self._sinks.items()}
        if self._admin is not None:
            steps["HTTP listener"] = self._admin.stop()
        for listener in self._listeners:
            steps[listener.name] = _stop_quietly(listener)
        await asyncio.gather(*(self._attempt(what, step, deadline) for what, step in steps.items()))
        if self._engine is not None:
            self._engine.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _attempt(self, what: str, step: Awaitable[None], deadline: Deadline) -> None:
        """Awaits one step of the shutdown; the next one follows in any case."""
        try:
            async with asyncio.timeout(max(CLOSING_S, deadline.left_s)):
                await step
        except Exception as exc:
            self.telemetry.emit(StopFailed(what, f"{type(exc).__name__}: {exc}"))


async def _stop_quietly(listener: Listener) -> None:
    await listener.stop(0)


async def _start_sink(name: str, sink: Sink) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await sink.start()
    except VeneurpyError as exc:
        raise SinkError(f"sink {name}: {exc}", retriable=False) from exc
    except TimeoutError as exc:
        text = f"sink {name}: did not start within {START_TIMEOUT_S:g} s"
        raise SinkError(text, retriable=False) from exc
