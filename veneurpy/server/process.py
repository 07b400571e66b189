"""A Server as the process's one job: the event loop, the signals, the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable

import uvloop

from veneurpy.server import Server

LAST_SECONDS = 2.0
"""What may pass between the end of the node and that of the process."""
GRACE_S = 5.0
"""What a shutdown may take beyond `shutdown_timeout` before the process ends without it."""


def run_process(build: Callable[[], Server]) -> int:
    """Runs the server that `build` makes until SIGTERM or SIGINT; returns the exit code.

    A second signal ends the process at once, with exit code 1. Raises what `Server.run` raises.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        exit_code = runner.run(_serve(build))
        # Closing the loop waits for its threads, and a sink may have left one that hangs.
        _exit_within(LAST_SECONDS, exit_code)
    return exit_code


async def _serve(build: Callable[[], Server]) -> int:
    server = build()
    signals: list[str] = []

    def stop(name: str) -> None:
        signals.append(name)
        if len(signals) > 1:
            os._exit(1)
        _exit_within(server.config.shutdown_timeout + GRACE_S, 1)
        server.request_stop(name)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    return await server.run()


def _exit_within(seconds: float, exit_code: int) -> None:
    """Ends the process if it has not ended by then, however it hangs."""

    def exit_now() -> None:
        time.sleep(seconds)
        os._exit(exit_code)

    threading.Thread(target=exit_now, name="exit", daemon=True).start()
