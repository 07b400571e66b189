"""A Server as the process's one job: the event loop, the signals, the exit code."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Callable

import uvloop

from veneurpy.server import Server
from veneurpy.server.stopping import GRACE_S, LAST_SECONDS

IMPATIENT = (signal.SIGTERM, signal.SIGINT)
OTHERS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""They would kill the process with what it has received. Veneur stops at SIGUSR2 as well."""


def run_process(build: Callable[[], Server]) -> int:
    """Runs the server that `build` makes until a signal to stop; returns the exit code.

    Those are SIGTERM, SIGINT and, unless they are ignored at the start as `nohup` has it, SIGHUP,
    SIGUSR1 and SIGUSR2. A second SIGTERM or SIGINT ends the process at once, with exit code 1.
    Raises what `Server.run` raises.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        exit_code = runner.run(_serve(build))
        # Closing the loop waits for its threads, and a sink may have left one that hangs.
        _exit_within(LAST_SECONDS, exit_code)
    return exit_code


async def _serve(build: Callable[[], Server]) -> int:
    server = build()
    is_stopping = False

    def stop(number: signal.Signals) -> None:
        nonlocal is_stopping
        if is_stopping:
            # A terminal that closes may hang up twice, by the kernel and by the shell: that is no
            # impatience.
            if number in IMPATIENT:
                os._exit(1)
            return
        is_stopping = True
        server.request_stop(number.name)
        _exit_within(server.config.shutdown_timeout + GRACE_S, 1)

    loop = asyncio.get_running_loop()
    for number in _stop_signals():
        loop.add_signal_handler(number, stop, number)
    leave_to_the_end()
    return await server.run()


def leave_to_the_end() -> None:
    """Has the garbage collector look no more at what is there by now: modules, above all.

    A full collection holds up every thread, the event loop's too: 20 ms and more for all modules.
    """
    gc.collect()
    gc.freeze()


def _stop_signals() -> list[signal.Signals]:
    """What ends the node; of OTHERS, what whoever started it wants ignored stays ignored."""
    others = [each for each in OTHERS if signal.getsignal(each) is not signal.SIG_IGN]
    return [*IMPATIENT, *others]


def _exit_within(seconds: float, exit_code: int) -> None:
    """Ends the process if it has not ended by then, however it hangs."""

    def exit_now() -> None:
        time.sleep(seconds)
        os._exit(exit_code)

    try:
        threading.Thread(target=exit_now, name="exit", daemon=True).start()
    except RuntimeError:  # the kernel has no thread left: it ends the process itself then
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
