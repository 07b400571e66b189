"""A real daemon in a process of its own: ports are the kernel's choice, its log tells which."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.daemon import command_of

START_S = 60.0
STOP_S = 30.0


class Daemon:
    """`python -m veneurpy run` with a configuration of its own and a `localfile` sink.

    `settings` go on top of: UDP and HTTP on free ports of 127.0.0.1, an interval that outlasts any
    test (so that the shutdown's flush is the only one), points as JSON lines. `prefix` runs it.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        stdin: BinaryIO | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.points_file = folder / "points.jsonl"
        self.process = subprocess.Popen(
            [*prefix, *command_of(folder, self._defaults() | dict(settings))],
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.log: list[dict[str, Any]] = []
        """What it has logged so far, one mapping a line."""
        self._started = threading.Event()
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read_log, args=(self.process.stderr,))
        self._reader.start()

    def wait_until_started(self) -> None:
        """Returns when it takes traffic. Ends it and raises RuntimeError, with its log, if not."""
        if not self._started.wait(START_S) or not self.logged("started"):
            self.stop(signal.SIGKILL)
            raise RuntimeError(f"the daemon did not start: {self.log}")

    @property
    def port(self) -> int:
        """The UDP port of its first listener."""
        return int(self.logged("started")[0]["listeners"].split()[0].rpartition(":")[2])

    @property
    def http(self) -> str:
        """The URL of its admin HTTP listener."""
        address = self.logged("started")[0]["http"]
        return address if "://" in address else f"http://{address}"

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in self.log if line.get("event") == event]

    def get(self, path: str) -> Any:
        """A page of its admin HTTP listener, JSON read."""
        with urllib.request.urlopen(f"{self.http}{path}", timeout=5) as answer:
            return json.load(answer)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; returns the exit code. Idempotent."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_S)
        finally:
            self.process.kill()
            self._reader.join()

    def rows(self) -> list[dict[str, Any]]:
        """What it has flushed so far, in the order of the file."""
        return rows_in(self.points_file)

    def _defaults(self) -> dict[str, Any]:
        sink = {"kind": "localfile", "config": {"flush_file": str(self.points_file)}}
        return {
            "statsd_listen_addresses": ["udp://127.0.0.1:0"],
            "http_address": "127.0.0.1:0",
            "interval": "24h",
            "metric_sinks": [sink],
            "log_format": "json",
        }

    def _read_log(self, stderr: BinaryIO) -> None:
        with stderr:
            for line in stderr:
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.log.append({"text": line.decode(errors="replace").rstrip()})
                if self.log[-1].get("event") == "started":
                    self._started.set()
        self._started.set()


def rows_in(points_file: Path) -> list[dict[str, Any]]:
    """What was flushed to a file so far, in its order."""
    if not points_file.exists():
        return []
    return [json.loads(line) for line in points_file.read_text().splitlines()]


def sums_of(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """By name and tags, whatever the pieces they were flushed in."""
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        sums[row["name"], ",".join(row["tags"])] += row["value"]
    return dict(sums)


def send_lines(port: int, *lines: str) -> None:
    """Sends lines to a UDP port of this machine, each in a datagram of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for line in lines:
            client.sendto(line.encode(), ("127.0.0.1", port))


@contextmanager
def running_daemon(
    folder: Path, stdin: BinaryIO | None = None, **settings: Any
) -> Iterator[Daemon]:
    """A daemon that takes traffic, ended with the block if the test has not ended it."""
    daemon = Daemon(folder, settings, stdin)
    try:
        daemon.wait_until_started()
        yield daemon
    finally:
        daemon.stop()
