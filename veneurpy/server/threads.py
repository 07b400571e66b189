"""Threads: where the kernel has none left, that is better known at the start than at a flush."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import Executor

from veneurpy.errors import VeneurpyError

LOOK_UPS = 4
"""Threads that the loop looks up names with: it asks for all at once, and aborts without them."""


def check_threads() -> None:
    """Raises VeneurpyError if the kernel would not let the loop have its own."""
    gate = threading.Event()
    begun: list[threading.Thread] = []
    try:
        for _ in range(LOOK_UPS):
            thread = threading.Thread(target=gate.wait, name="check", daemon=True)
            thread.start()
            begun.append(thread)
    except RuntimeError as exc:
        raise too_few(exc) from exc
    finally:
        gate.set()
        for thread in begun:
            thread.join()


def too_few(error: RuntimeError) -> VeneurpyError:
    """What is to be said of a thread that the kernel has refused; any other error is raised."""
    if "start new thread" not in str(error):
        raise error
    return VeneurpyError(
        "the kernel lets this process have too few threads (a node needs about 10, and one for "
        "each reader and sink): raise the limit of tasks (TasksMax= of the unit, the container's "
        "pids limit, `ulimit -u`) or of address space (`ulimit -v`)"
    )


async def begin_threads(flush: Executor) -> None:
    """Begins those that are used later: where the kernel gave none, a flush would fail.

    For want of those that look up names the loop would even end the process.
    """
    loop = asyncio.get_running_loop()
    check_threads()
    await loop.run_in_executor(flush, int)
    with contextlib.suppress(socket.gaierror):
        # No number: no server is asked.
        await loop.getaddrinfo("-", None, flags=socket.AI_NUMERICHOST)
