"""The composition root: from a Config to a running node, and back. It alone knows all the edges."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import veneurpy
from veneurpy import registry
from veneurpy.config import Config, HostPort
from veneurpy.console.http import AdminServer
from veneurpy.engine import Engine, open_engine
from veneurpy.flush.late import LatePoints
from veneurpy.flush.ticker import Ticker
from veneurpy.ledger import Ledger
from veneurpy.listeners.http import HttpListener
from veneurpy.ports import Clock, Sink, SystemClock
from veneurpy.server.assembly import (
    host_of,
    new_engine,
    new_flusher,
    new_lanes,
    new_late_points,
    new_sinks,
    new_stats,
    start_listener,
    start_sink,
)
from veneurpy.server.capturing import new_capture_page
from veneurpy.server.deadline import Deadline
from veneurpy.server.durable import Durable
from veneurpy.server.ending import Ending
from veneurpy.server.leftover import tell_of_the_rest
from veneurpy.server.limits import Machine, misfits
from veneurpy.server.listening import Listeners
from veneurpy.server.node import Node
from veneurpy.server.recovery import Recovery
from veneurpy.server.stopping import CLOSING_S, Steps, longest_s, stop_at_once
from veneurpy.server.supervisor import Supervisor
from veneurpy.server.tasks import feed_watchdog, flush_for_ever, watch_lag
from veneurpy.server.threads import begin_threads
from veneurpy.spool.outbox import CHAIN, FORWARD
from veneurpy.systemd import Notifier, SocketStore
from veneurpy.telemetry import Logger, Telemetry
from veneurpy.telemetry.events import (
    ClockSetBack,
    ConfigWarning,
    LedgerViolated,
    SocketsDropped,
    Started,
    StopDeferred,
    Stopped,
    Stopping,
)

if TYPE_CHECKING:
    from veneurpy.server.between import Between


class Server:
    """One node. `run` it once."""

    def __init__(
        self,
        config: Config,
        logger: Logger,
        *,
        clock: Clock | None = None,
        sink_class: Callable[[str], type[Sink]] = registry.sink_class,
        engine_opener: Callable[..., Engine] | None = None,
        environ: Mapping[str, str] | None = None,
        warnings: Sequence[str] = (),
        machine: Machine | None = None,
    ) -> None:
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self.telemetry = Telemetry(logger, self.clock)
        self.host = host_of(config)
        self.running = asyncio.Event()
        """Set once the node takes traffic."""
        self._notifier = Notifier(environ or {})
        self._sockets = SocketStore(environ or {}, self._notifier)
        self._open_engine = engine_opener or open_engine
        self._warnings = warnings
        self._machine = machine or Machine()
        self._supervisor = Supervisor(self.telemetry)
        self._steps = Steps(self.telemetry)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="flush")
        self._routes: dict[str, Any] = {}
        self._sinks = new_sinks(config, self.clock, logger, self._routes, sink_class)
        made = Listeners(
            config,
            clock=self.clock,
            telemetry=self.telemetry,
            store=self._sockets,
            on_input_end=lambda: self._supervisor.request_stop("end of input"),
            is_healthy=lambda: self.node.healthy(),
        )
        self._places, self._listeners = made.places, made.make()
        self._ledger = Ledger(list(self._sinks))
        self._lanes = new_lanes(
            config, self._sinks, clock=self.clock, telemetry=self.telemetry, ledger=self._ledger
        )
        self._durable: Durable | None = None
        if config.state_dir:
            self._durable = Durable(config, self._lanes, clock=self.clock, telemetry=self.telemetry)
        self._between: Between | None = None
        if config.forwards or config.grpc_address is not None:
            # Whoever has nothing to do with others does not load what it takes.
            from veneurpy.server.between import Between

            self._between = Between(
                config, clock=self.clock, telemetry=self.telemetry, durable=self._durable
            )
        self._engine: Engine | None = None
        self._leaves_arenas = True
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

    @property
    def _by_http(self) -> list[HttpListener]:
        return [each for each in self._listeners if isinstance(each, HttpListener)]

    def request_stop(self, cause: str) -> None:
        """Makes `run` shut down and return. Idempotent."""
        if not self.running.is_set() and not self._supervisor.cause:
            self.telemetry.emit(StopDeferred(cause))
        self._supervisor.request_stop(cause)

    async def run(self) -> int:
        """Runs until `request_stop`, or until a task of ours crashes; returns the exit code.

        Raises VeneurpyError or EngineMissing, with nothing left open, if it cannot start.
        """
        asyncio.get_running_loop().set_exception_handler(self._supervisor.unhandled)
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
        for event in misfits(self._machine, self.config.store_max_bytes, self.config.arena_dir):
            self.telemetry.emit(event)
        await begin_threads(self._executor)
        late = new_late_points(self.config)
        await self._start_sinks(late)
        self._ticker = Ticker(self.clock, interval_s=self.config.interval)
        if self._durable is not None:
            await self._durable.go_on(self._ticker)
        self._engine = new_engine(self.config, self._open_engine, self._ticker.start_ms)
        await self._assemble(self._engine, late)
        await self._recover()
        await self._drop_sockets()
        await self._open_admin(self._engine)
        for listener in self._listeners:
            await start_listener(listener, self._engine, self.config.arena_dir)
            self._ledger.open_listener(listener.name)
        if self._between is not None:
            await self._between.listen()
        self._start_tasks()
        self._announce()

    async def _open_admin(self, engine: Engine) -> None:
        """Serves pages from here on, if that is wanted."""
        if self.config.http_address is None:
            return
        capture = new_capture_page(self.config, engine, clock=self.clock, telemetry=self.telemetry)
        self._admin = AdminServer(
            self.node,
            str(self.config.http_address),
            emit=self.telemetry.emit,
            extra_routes=self._routes,
            ingest={each.name.removeprefix("http:"): each.handle for each in self._by_http},
            ring=self._between.admin if self._between else None,
            capture=capture.handle,
        )
        await self._admin.start()

    async def _assemble(self, engine: Engine, late: LatePoints) -> None:
        """Makes what flushes the engine and what shows it."""
        config = self.config
        keeper = self._durable.keeper if self._durable else None
        forwarder = None
        if self._between is not None:
            forwarder = await self._between.start(
                engine,
                lanes=self._lanes,
                keeper=keeper,
                ledger=self._ledger,
                is_healthy=lambda: self.node.healthy(),
            )
        elif self._durable is not None:
            await tell_of_the_rest(self._durable.spool, self.telemetry, FORWARD, CHAIN)
        self._flusher = new_flusher(
            config,
            engine,
            self._lanes,
            clock=self.clock,
            telemetry=self.telemetry,
            ledger=self._ledger,
            executor=self._executor,
            late=late,
            keeper=keeper,
            forwarder=forwarder,
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
            flusher=self._flusher,
            durable=self._durable,
            between=self._between,
        )
        self._stats = new_stats(config, self.telemetry, self.node.refresh)

    async def _start_sinks(self, late: LatePoints) -> None:
        if self._durable is not None:
            await self._durable.open()
            await self._durable.prepare(self._sinks)
        for name, sink in self._sinks.items():
            await start_sink(name, sink)
        if self._durable is not None:
            await self._durable.restore(self._sinks, late)

    async def _recover(self) -> None:
        assert self._engine is not None
        if self._durable is not None:
            recovery = Recovery(
                self._engine,
                self._durable.spool,
                flusher=self._flusher,
                ticker=self._ticker,
                telemetry=self.telemetry,
                executor=self._executor,
            )
            self.node.recovered = await recovery.run()

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

    async def _drop_sockets(self) -> None:
        """Before anything listens: those of a configuration before this one may be in its way."""
        if self._sockets.is_empty:
            return
        places = await self._places()
        for name in await asyncio.to_thread(self._sockets.drop_others, places):
            self.telemetry.emit(SocketsDropped(name))

    def _start_tasks(self) -> None:
        start = self._supervisor.start
        flushing = flush_for_ever(
            self._flusher,
            self._ticker,
            stopping=self._supervisor.stopping,
            flushed=self._flushed,
        )
        self._flushing = start("flush", flushing)
        self._deliveries = [start(f"sink {lane.name}", lane.run()) for lane in self._lanes]
        for name, job in self._between.jobs() if self._between else ():
            start(name, job)
        if self._durable is not None:
            self._durable.anchor()
            start("spool", self._durable.run())
        start("stats", self._stats.run())
        start("lag", watch_lag(self.clock, self.telemetry))
        if self._notifier.watchdog_s:
            healthy = self.node.healthy
            start("watchdog", feed_watchdog(self.clock, self._notifier, healthy))

    def _flushed(self) -> None:
        self.node.flushed()
        self._stats.flushed()
        if self._ticker.ahead_ms:
            self.telemetry.emit(ClockSetBack(self._ticker.ahead_ms / 1000))

    async def _shut_down(self) -> None:
        """Flushes or hands over, as configured; all within the time-out."""
        timeout_s = self.config.shutdown_timeout
        deadline = Deadline(self.clock, timeout_s)
        self.node.state = "stopping"
        longest_us = round(longest_s(timeout_s) * 1e6)
        self._notifier.notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={longest_us}")
        self.telemetry.emit(Stopping(self._supervisor.cause, timeout_s))
        await asyncio.wait([self._flushing], timeout=deadline.left_s)
        ending = Ending(
            deadline,
            self.telemetry,
            hands_over=self.config.hands_over,
            listeners=self._listeners,
            lanes=self._lanes,
            flusher=self._flusher,
            ticker=self._ticker,
            durable=self._durable,
            between=self._between,
        )
        self._leaves_arenas = await ending.run(self._deliveries)
        self._stats.send()
        await self._close()
        ending.tell_of_rows()
        for equation in self._ledger.total.violations():
            self.telemetry.emit(LedgerViolated(equation.name, equation.where, str(equation)))

    async def _close(self) -> None:
        """Closes everything that was opened, whatever fails on the way."""
        await self._supervisor.cancel()
        deadline = Deadline(self.clock, CLOSING_S)
        steps = {f"sink {name}": sink.stop() for name, sink in self._sinks.items()}
        if self._admin is not None:
            steps["HTTP listener"] = self._admin.stop()
        for listener in self._listeners:
            steps[listener.name] = stop_at_once(listener)
        await asyncio.gather(
            *(self._steps.attempt(what, step, deadline) for what, step in steps.items())
        )
        if self._between is not None:
            await self._steps.attempt("forwarding", self._between.close(), deadline)
        if self._engine is not None:
            self._engine.close(leave_arenas=self._leaves_arenas)
        if self._durable is not None:
            await self._steps.attempt("spool", self._durable.close(), deadline)
        self._executor.shutdown(wait=False, cancel_futures=True)
