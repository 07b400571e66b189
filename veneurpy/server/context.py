"""What a sink is given of the node it runs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from veneurpy.errors import ConfigError
from veneurpy.ports import Clock, LogLevel
from veneurpy.telemetry import LEVELS, Logger


@dataclass(frozen=True, slots=True)
class NodeContext:
    """One sink's view of the node."""

    name: str
    hostname: str
    interval_s: float
    clock: Clock
    logger: Logger
    routes: dict[str, Any]
    """What all sinks serve by HTTP, by path."""

    def expose(self, path: str, handler: Any) -> None:
        """Serves `handler` under GET `path` on the admin HTTP listener."""
        if path in self.routes:
            raise ConfigError(
                f"sink {self.name}: another sink serves {path}; give one of them another path"
            )
        self.routes[path] = handler

    def log(self, level: LogLevel, event: str, /, **details: Any) -> None:
        """Writes one line of the node's log."""
        self.logger.log(LEVELS[level], event, sink=self.name, **details)
