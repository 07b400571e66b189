"""What a running node shows of itself to the admin HTTP listener."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import veneurpy
from veneurpy.config import Config, effective
from veneurpy.engine import CLIENT_FIGURES, NAME_FIGURES, Accounts, ClientTop, Engine, NameTop
from veneurpy.flush.flusher import Flusher
from veneurpy.flush.lanes import Lane
from veneurpy.flush.ticker import Ticker
from veneurpy.ledger import Ledger, accounts_as_dict, by_listener
from veneurpy.ports import Clock
from veneurpy.server.durable import Durable
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import Recovered
from veneurpy.telemetry.metrics import (
    BUILD_INFO,
    CLOCK_AHEAD,
    LOOP_LAG_MAX,
    STORE_BYTES,
    STORE_MAX_BYTES,
    STORE_PEAK_BYTES,
    UPTIME,
)

if TYPE_CHECKING:
    from veneurpy.server.between import Between

ALONE: Mapping[str, Any] = {
    "node": None,
    "roles": [],
    "grpc": None,
    "forward": None,
    "chain": None,
    "owner": None,
}
"""What a node says that has nothing to do with others."""
KNOWN_WHEN_CLOSED = frozenset({"aggregated", "filtered", "kernel_drops", "lost_in_crash"})
"""Accounts that an interval has when it is closed."""
OVERDUE_INTERVALS = 3
OVERDUE_SLACK_S = 5.0


class Node:
    """The parts of a running node, as a `NodeView`."""

    def __init__(
        self,
        config: Config,
        *,
        host: str,
        clock: Clock,
        telemetry: Telemetry,
        ledger: Ledger,
        engine: Engine,
        ticker: Ticker,
        lanes: Sequence[Lane],
        flusher: Flusher,
        durable: Durable | None = None,
        between: Between | None = None,
    ) -> None:
        self._config = config
        self._host = host
        self._clock = clock
        self._telemetry = telemetry
        self._ledger = ledger
        self._engine = engine
        self._ticker = ticker
        self._lanes = lanes
        self._flusher = flusher
        self._durable = durable
        self._between = between
        self.recovered: Recovered | None = None
        """What a process before this one had left; None if that was nothing."""
        self._started_s = self._flushed_s = clock.monotonic()
        self._started_ms = clock.now_ns() // 1_000_000
        self.state = "starting"
        """Then "running", then "stopping"."""
        telemetry.set(
            BUILD_INFO,
            1,
            version=veneurpy.__version__,
            engine=config.engine,
            python=platform.python_version(),
        )

    def flushed(self) -> None:
        """A flush is through: the node does its work."""
        self._flushed_s = self._clock.monotonic()
        self._telemetry.set(CLOCK_AHEAD, self._ticker.ahead_ms / 1000)

    def healthy(self) -> bool:
        """False if no flush got through for more than three intervals: something of ours hangs."""
        overdue_s = OVERDUE_INTERVALS * self._config.interval + OVERDUE_SLACK_S
        return self.state != "running" or self._clock.monotonic() - self._flushed_s < overdue_s

    def ready(self) -> tuple[bool, list[str]]:
        """Whether it takes traffic."""
        return self.state == "running", [] if self.state == "running" else [f"it is {self.state}"]

    def status(self) -> dict[str, Any]:
        """What a person wants to see first."""
        return {
            "version": veneurpy.__version__,
            "state": self.state,
            "healthy": self.healthy(),
            "host": self._host,
            "pid": os.getpid(),
            "engine": self._config.engine,
            "started_ms": self._started_ms,
            "uptime_s": round(self._clock.monotonic() - self._started_s, 3),
            "interval_s": self._config.interval,
            "event_loop_lag_max_s": round(self._telemetry.value(LOOP_LAG_MAX), 6),
            "ledger_holds": self._ledger.violations == 0,
            "listeners": [
                {"name": name, **accounts_as_dict(accounts)}
                for name, accounts in self._ledger.total.listeners.items()
            ],
            "open_interval": self._open_interval(),
            "last_flush": self._last_flush(),
            "memory": self._engine.memory._asdict(),
            "sinks": [lane.status() for lane in self._lanes],
            "recovered": None if self.recovered is None else asdict(self.recovered),
            "spool": None if self._durable is None else self._durable.status(),
            **(ALONE if self._between is None else self._between.status()),
        }

    def ledger(self) -> dict[str, Any]:
        """The accounts and equations, since the start and of the last closed interval."""
        for lane in self._lanes:
            lane.refresh()
        return self._ledger.as_dict()

    def top(self, of: str, by: str, count: int) -> dict[str, Any] | None:
        """Names or clients of the last closed interval, those with most of the figure first."""
        known: dict[str, tuple[Sequence[NameTop | ClientTop], Sequence[str]]] = {
            "names": (self._flusher.top, NAME_FIGURES),
            "clients": (self._flusher.clients, CLIENT_FIGURES),
        }
        found, figures = known.get(of, ((), ()))
        if by not in figures:
            return None
        tops = sorted(found, key=lambda top: int(getattr(top, by)), reverse=True)
        page: dict[str, Any] = {"by": by, of: [top._asdict() for top in tops[:count]]}
        if of == "clients":
            page["estimated"] = not self._config.max_series_per_client
        return page

    def config(self) -> dict[str, Any]:
        """The configuration in effect."""
        return effective(self._config)

    def exposition(self) -> bytes:
        """The node's own telemetry as Prometheus text."""
        self.refresh()
        return self._telemetry.exposition()

    def refresh(self) -> None:
        """Sets the gauges that nobody sets as they change."""
        self._telemetry.set(UPTIME, round(self._clock.monotonic() - self._started_s, 3))
        memory = self._engine.memory
        self._telemetry.set(STORE_BYTES, memory.arenas, part="arenas")
        self._telemetry.set(STORE_BYTES, memory.flush, part="flush")
        self._telemetry.set(STORE_PEAK_BYTES, memory.peak)
        self._telemetry.set(STORE_MAX_BYTES, memory.limit)
        for lane in self._lanes:
            lane.refresh()
        if self._durable is not None:
            self._durable.refresh()

    def _open_interval(self) -> dict[str, Any]:
        accounts = by_listener(self._engine.open_accounts())
        return {
            "start_ms": self._ticker.start_ms,
            "listeners": {name: _glance(each) for name, each in accounts.items()},
        }

    def _last_flush(self) -> dict[str, Any] | None:
        last = self._ledger.last
        if last is None:
            return None
        store = last.book.store
        return {
            "start_ms": last.start_ms,
            "end_ms": last.end_ms,
            "series": store.series,
            "points": store.points,
            "events": store.events,
            "checks": store.checks,
        }


def _glance(accounts: Accounts) -> dict[str, Any]:
    """The accounts of an open interval, without what is 0 until it closes, whatever there is."""
    shown = accounts_as_dict(accounts)
    return {name: shown[name] for name in shown if name not in KNOWN_WHEN_CLOSED}
