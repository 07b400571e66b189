"""A real daemon in a process of its own, on free ports of 127.0.0.1."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.receivers import RCVBUF_BYTES

READY_S = 20.0
STOP_S = 30.0


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running daemon."""

    process: subprocess.Popen[bytes]
    port: int
    http_port: int
    folder: Path
    """Its own; gone when it has ended."""

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    def get(self, path: str) -> str:
        """The body of a GET on its admin HTTP; raises URLError."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.http_port}{path}", timeout=5
        ) as answer:
            return str(answer.read().decode())

    def ledger(self) -> Any:
        """What /api/v1/ledger says."""
        return json.loads(self.get("/api/v1/ledger"))

    def terminate(self) -> int:
        """Sends SIGTERM, waits; returns the exit status. What it wrote is in `log`."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def log(self) -> str:
        """What it wrote to its standard output and error so far."""
        return (self.folder / "log").read_text(errors="replace")


def command_of(folder: Path, settings: Mapping[str, object]) -> list[str]:
    """Writes the configuration into a folder; returns what runs a daemon with it."""
    config = folder / "veneurpy.yaml"
    config.write_text(yaml.safe_dump(dict(settings)))
    return [sys.executable, "-m", "veneurpy", "run", "-f", str(config)]


def free_port(kind: socket.SocketKind) -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running_daemon(
    settings: Mapping[str, object], *, folder: Path | None = None
) -> Iterator[Daemon]:
    """Runs `python -m veneurpy run` with these settings (and addresses of our own) until the end.

    The configuration and the log lie in `folder`, by default one of its own that is removed.
    """
    with TemporaryDirectory() as own:
        place = folder or Path(own)
        port, http_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        addresses = {
            "statsd_listen_addresses": [f"udp://127.0.0.1:{port}"],
            "http_address": f"127.0.0.1:{http_port}",
            "read_buffer_size_bytes": RCVBUF_BYTES,
        }
        command = command_of(place, {**addresses, **settings})
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        daemon = Daemon(process, port, http_port, place)
        try:
            _wait_until_ready(daemon)
            yield daemon
        finally:
            daemon.terminate()


def _wait_until_ready(daemon: Daemon) -> None:
    give_up_s = time.monotonic() + READY_S
    while time.monotonic() < give_up_s and daemon.process.poll() is None:
        try:
            daemon.get("/readyz")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the daemon did not start:\n{daemon.log()}")
