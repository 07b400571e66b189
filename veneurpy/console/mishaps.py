"""What goes wrong between a client and the admin listener, as events instead of raw tracebacks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from traceback import format_exception

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from veneurpy.telemetry.events import Event, HttpMalformed, PageCrashed

_LONGEST_ERROR = 200


def mishap_logger(emit: Callable[[Event], None]) -> logging.Logger:
    """What aiohttp is to log to: each mishap is emitted, whatever it quotes of the client cut."""
    logger = logging.Logger("veneurpy.http", logging.WARNING)
    logger.addHandler(_ToEvents(emit))
    return logger


class _ToEvents(logging.Handler):
    def __init__(self, emit: Callable[[Event], None]) -> None:
        super().__init__()
        self._emit_event = emit

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ConnectionError):
            return  # it has gone away
        if isinstance(error, HttpProcessingError | RequestPayloadError):
            client = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
            text = " ".join(str(error).split())[:_LONGEST_ERROR]
            self._emit_event(HttpMalformed(client, text))
        elif error is not None:
            traceback = "".join(format_exception(error))
            self._emit_event(PageCrashed(f"{type(error).__name__}: {error}", traceback))
        else:
            self._emit_event(PageCrashed(record.getMessage(), ""))
