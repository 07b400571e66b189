"""Where log lines go, and in which form."""

from __future__ import annotations

import logging
from typing import Literal, Protocol, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from veneurpy.telemetry import Logger

LogFormat = Literal["auto", "console", "json"]


class Stream(Protocol):
    """What is used of a text stream."""

    def isatty(self) -> bool: ...
    def write(self, line: str, /) -> int: ...
    def flush(self) -> None: ...


def make_logger(stream: Stream, *, level: str = "info", format_: LogFormat = "auto") -> Logger:
    """A logger on `stream`: aligned text for people, JSON lines for machines.

    "auto" is for people on a terminal, for machines elsewhere.
    """
    is_terminal = stream.isatty()
    renderer: Processor = structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False)
    if format_ == "console" or (format_ == "auto" and is_terminal):
        renderer = structlog.dev.ConsoleRenderer(
            colors=is_terminal, sort_keys=False, timestamp_key="time"
        )
    return structlog.wrap_logger(  # type: ignore[no-any-return]
        structlog.WriteLogger(cast("TextIO", stream)),
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.add_log_level,
            _order,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )


def _order(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """When, how severe and what come first, for whoever reads JSON."""
    first = {key: event[key] for key in ("time", "level", "event")}
    return first | dict(event)
