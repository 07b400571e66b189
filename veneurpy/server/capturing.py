"""What is kept of the traffic for captures, as it is configured."""

from __future__ import annotations

from veneurpy.config import Config
from veneurpy.config.listen import UDP_SCHEMES
from veneurpy.console.capture import CapturePage
from veneurpy.engine import Engine
from veneurpy.ports import Clock
from veneurpy.telemetry import Telemetry

_LARGEST_PART = 8
"""Of `store_max_bytes`, one in so many."""


def capture_share(config: Config) -> int:
    """What each reader may keep, in bytes."""
    urls = config.listen_urls
    readers = sum(config.num_readers if url.scheme in UDP_SCHEMES else 1 for url in urls)
    readers += len(config.grpc_listen_addresses)
    return min(config.capture_bytes, config.store_max_bytes // _LARGEST_PART) // max(1, readers)


def new_capture_page(
    config: Config, engine: Engine, *, clock: Clock, telemetry: Telemetry
) -> CapturePage:
    """What hands out what the engine's readers have kept."""
    is_on = config.capture_bytes > 0
    return CapturePage(lambda: engine.readers, clock=clock, telemetry=telemetry, is_on=is_on)
