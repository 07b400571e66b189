"""What a peer is, and how one is run."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.daemon import free_port
from benchmarks.namespaces import making
from benchmarks.process import udp_is_open
from benchmarks.receivers import Receiver

BUILT = Path(__file__).parents[2] / "build" / "peers"
READY_S = 20.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another daemon. `command` writes its configuration into a folder and says how to run it."""

    name: str
    command: Callable[[Path, int], list[str] | None]
    """Of a folder and a UDP port of 127.0.0.1; None if it is not installed here."""


def program(name: str) -> str | None:
    """Where a program is: in build/peers or on the PATH."""
    return shutil.which(name, path=BUILT) or shutil.which(name)


@contextmanager
def running(peer: Peer) -> Iterator[Receiver | None]:
    """Runs a peer until the end, in a network namespace of its own where that is allowed.

    None if it is not installed.
    """
    with TemporaryDirectory() as folder:
        port = free_port(socket.SOCK_DGRAM)
        command = peer.command(Path(folder), port)
        if command is None:
            yield None
            return
        process = subprocess.Popen(
            [*making(), *command],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_open(peer, process, port)
            yield Receiver(process.pid, port)
        finally:
            process.kill()
            process.wait()


def _wait_until_open(peer: Peer, process: subprocess.Popen[bytes], port: int) -> None:
    give_up_s = time.monotonic() + READY_S
    while not udp_is_open(port, process.pid):
        if process.poll() is not None or time.monotonic() > give_up_s:
            raise RuntimeError(f"{peer.name} did not start")
        time.sleep(0.05)
