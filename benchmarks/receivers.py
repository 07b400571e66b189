"""Receiving processes that the load generator can be pointed at."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.build import SOURCES, build

RCVBUF_BYTES = 4 << 20
"""Asked of the kernel by every receiver alike; it grants at most net.core.rmem_max."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A running process that reads a UDP port of 127.0.0.1."""

    pid: int
    port: int
    said: dict[str, Any] = field(default_factory=dict)
    """What a yardstick says when it has ended; empty until then."""


@contextmanager
def _yardstick(command: list[str]) -> Iterator[Receiver]:
    """Runs a program that says "ready PORT" on its first line; ends it with SIGTERM."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    receiver = None
    try:
        assert process.stdout is not None
        word, _, port = process.stdout.readline().partition(" ")
        if word != "ready":
            raise RuntimeError(f"{command[0]} did not start")
        receiver = Receiver(process.pid, int(port))
        yield receiver
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=10)
        if receiver is not None:
            receiver.said.update(json.loads(said))


@contextmanager
def bare(
    *, sleep_us: int = 0, spin_ns: int | None = None, unix_path: str = ""
) -> Iterator[Receiver]:
    """The recvmmsg loop that only counts; with `sleep_us` it sleeps so long after a short batch.

    With `unix_path` it reads a Unix socket there.

    With `spin_ns` it is busy for so long with each batch, and says at its end how long they took,
    under "busy".
    """
    command = [str(build("bare")), unix_path or "0", str(RCVBUF_BYTES), str(sleep_us)]
    command += [] if spin_ns is None else [str(spin_ns)]
    with _yardstick(command) as receiver:
        yield receiver


@contextmanager
def python_counter(loop: Literal["asyncio", "uvloop"]) -> Iterator[Receiver]:
    """A Python datagram protocol that only counts."""
    command = [sys.executable, str(SOURCES / "receive.py"), loop, str(RCVBUF_BYTES)]
    with _yardstick(command) as receiver:
        yield receiver
