"""Stripe's Veneur, where `make services` could build it: as host, as global, as proxy."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.daemon import send_lines

PROGRAMS = Path(__file__).parents[2] / "build" / "peers"
READY_S = 30.0
INTERVAL = "500ms"

needs_veneur = pytest.mark.skipif(
    not (PROGRAMS / "veneur").exists() or not (PROGRAMS / "veneur-proxy").exists(),
    reason="Veneur is not built here: `make services` does it where Go is installed",
)


@dataclass(frozen=True, slots=True)
class Veneur:
    """A Veneur that runs."""

    statsd_port: int = 0
    grpc_address: str = ""
    log: Path = Path()

    def send(self, *lines: str) -> None:
        """Sends it DogStatsD lines, each in a datagram of its own."""
        send_lines(self.statsd_port, *lines)

    def wait_for(self, text: str, seconds: float = 20.0) -> None:
        """Returns once it has logged this."""
        deadline = time.monotonic() + seconds
        while text not in self.log.read_text():
            if time.monotonic() > deadline:
                raise AssertionError(f"no {text!r} in {self.log.read_text()[-2000:]}")
            time.sleep(0.02)


class Repeated:
    """What a Veneur's sink sends: every point of every flush, as a line of StatsD."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.lines: list[str] = []

    def until(self, *wanted: str, seconds: float = 20.0) -> set[str]:
        """Reads until there was a line of each of these names; all lines so far."""
        deadline = time.monotonic() + seconds
        while missing := {n for n in wanted if not any(x.startswith(f"{n}:") for x in self.lines)}:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                self.lines += self._socket.recv(1 << 16).decode().splitlines()
            except TimeoutError:
                raise AssertionError(f"{missing} did not come; there was {self.lines}") from None
        return set(self.lines)

    def read(self) -> None:
        """Reads what has come so far."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.lines += self._socket.recv(1 << 16).decode().splitlines()

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()


@contextmanager
def veneur_host(folder: Path, forward_address: str, *, streams: bool = True) -> Iterator[Veneur]:
    """A Veneur that forwards, by SendMetricsV2 or else by SendMetrics."""
    port = _free_port(socket.SOCK_DGRAM)
    config = {
        "statsd_listen_addresses": [f"udp://127.0.0.1:{port}"],
        "forward_address": forward_address,
        "features": {"proxy_protocol": "grpc-stream" if streams else "grpc-single"},
        "metric_sinks": [{"kind": "blackhole", "name": "blackhole"}],
    }
    with _running(folder, "host", _server_config(config)) as log:
        yield Veneur(statsd_port=port, log=log)


@contextmanager
def veneur_global(folder: Path, sink: Repeated, *, name: str = "global") -> Iterator[Veneur]:
    """A Veneur that owns, and publishes to `sink`."""
    port = _free_port(socket.SOCK_STREAM)
    repeater = {"repeater_address": f"localhost:{sink.port}", "network_type": "udp"}
    config = {
        "grpc_address": f"127.0.0.1:{port}",
        "metric_sinks": [{"kind": "prometheus", "name": "prometheus", "config": repeater}],
    }
    with _running(folder, name, _server_config(config)) as log:
        yield Veneur(grpc_address=f"127.0.0.1:{port}", log=log)


@contextmanager
def veneur_proxy(folder: Path, forward_address: str) -> Iterator[Veneur]:
    """A veneur-proxy with one destination."""
    port = _free_port(socket.SOCK_STREAM)
    config = {
        "grpc_address": f"127.0.0.1:{port}",
        "grpc_forward_address": forward_address,
        "forward_timeout": "5s",
        "http_address": f"127.0.0.1:{_free_port(socket.SOCK_STREAM)}",
        "runtime_metrics_interval": "10s",
        "stats_address": "127.0.0.1:9",
    }
    with _running(folder, "proxy", config, program="veneur-proxy") as log:
        yield Veneur(grpc_address=f"127.0.0.1:{port}", log=log)


def _server_config(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "http_address": f"127.0.0.1:{_free_port(socket.SOCK_STREAM)}",
        "stats_address": "127.0.0.1:9",  # it does not start without; nobody reads there
        "interval": INTERVAL,
        "num_readers": 1,
        "num_workers": 1,
        "read_buffer_size_bytes": 1 << 20,
        "metric_max_length": 8192,
        "percentiles": [0.5, 0.99],
        "aggregates": ["min", "max", "count"],
        "hostname": "there",
        **config,
    }


@contextmanager
def _running(
    folder: Path, name: str, config: Mapping[str, Any], *, program: str = "veneur"
) -> Iterator[Path]:
    path, log = folder / f"{name}.yaml", folder / f"{name}.log"
    path.write_text(yaml.safe_dump(dict(config)))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PROGRAMS / program, "-f", path], cwd=folder, stdout=output, stderr=output
        )
    try:
        _wait(process, f"http://{config['http_address']}/healthcheck", log)
        if grpc_address := config.get("grpc_address"):
            _wait_open(process, str(grpc_address), log)
        yield log
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with direct.open(url, timeout=1):
                return
        except urllib.error.HTTPError as exc:
            exc.close()
            return  # it answers: that is enough
        except OSError:
            _check(process, deadline, log)


def _wait_open(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    host, _, port = address.rpartition(":")
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError:
            _check(process, deadline, log)


def _check(process: subprocess.Popen[bytes], deadline: float, log: Path) -> None:
    if process.poll() is not None or time.monotonic() > deadline:
        raise AssertionError(f"it did not start: {log.read_text()[-2000:]}")
    time.sleep(0.05)


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
