"""Threads: where the kernel has none left, that is better known at the start than at a flush."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import Executor

from veneurpy.config import Config
from veneurpy.errors import VeneurpyError

BESIDE_READERS_AND_SINKS = 10
"""Look-ups of names (4), the reserver, the flush, the disk, HTTP, the stop."""


def threads_of(config: Config) -> int:
    """How many a node of this configuration comes to."""
    readers = config.num_readers * len(config.statsd_listen_addresses)
    return BESIDE_READERS_AND_SINKS + readers + len(config.metric_sinks)


def check_threads(needed: int) -> None:
    """Raises VeneurpyError if the kernel would not let this process have so many more."""
    gate = threading.Event()
    begun: list[threading.Thread] = []
    try:
        for _ in range(needed):
            thread = threading.Thread(target=gate.wait, name="check", daemon=True)
            thread.start()
            begun.append(thread)
    except RuntimeError as exc:
        raise VeneurpyError(
            f"the kernel lets this process have {len(begun)} more threads of the {needed} that it "
            "needs: raise the limit of tasks (TasksMax= of the unit, the container's pids limit, "
            "`ulimit -u`) or of address space (`ulimit -v`)"
        ) from exc
    finally:
        gate.set()
        for thread in begun:
            thread.join()


async def begin_threads(flush: Executor) -> None:
    """Begins those that are used later: where the kernel gave none, a flush would fail.

    For want of those that look up names the loop would even end the process.
    """
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(flush, int)
    with contextlib.suppress(socket.gaierror):
        # No number: no server is asked.
        await loop.getaddrinfo("-", None, flags=socket.AI_NUMERICHOST)
