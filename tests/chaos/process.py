"""One node of a fleet: a real process that dies and comes back, with what outlives it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.held import start
from benchmarks.process import udp_drops, udp_queued_bytes
from tests.chaos.node import OFFSET
from tests.daemon import rows_in, send_lines
from tests.waiting import wait_until

START_S = 180.0
END_S = 30.0
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 8 << 20
ROOT = Path(__file__).parents[2]
# Never by a proxy of the environment: every page is of this machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Node:
    """A process with its configuration, its socket and its directories."""

    def __init__(self, name: str, folder: Path, arenas: Path, settings: Mapping[str, Any]) -> None:
        """`folder` and `arenas` are its own; `settings` go on top of what all nodes have."""
        self.name = name
        self.folder = folder
        self.state = folder / "state"
        self.arenas = arenas
        self.points_file = folder / "points.jsonl"
        self.lives = 0
        self.kills = 0
        self.lost_datagrams = 0
        """What its successors found that the killed ones had taken and not applied."""
        self.died: list[int] = []
        """The exit codes of lives that nobody has ended."""
        self.is_paused = False
        self.log: list[dict[str, Any]] = []
        """What all its lives have logged."""
        self._life: list[dict[str, Any]] = []
        self._read_to = 0
        self._is_ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._clock_file = folder / "clock"
        self._log_file = folder / "log"
        self._config_file = folder / "config.yaml"
        self.state.mkdir(parents=True, exist_ok=True)
        self._socket = _udp_socket()
        self.port = int(self._socket.getsockname()[1])
        self.skew(0.0)
        self._config_file.write_text(yaml.safe_dump(self._defaults() | dict(settings)))

    def __repr__(self) -> str:
        return f"Node({self.name!r}, {self.lives} lives)"

    @property
    def pid(self) -> int:
        """Of its present life."""
        assert self._process
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether there is a process, awake or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_started(self) -> bool:
        """Whether its present life takes traffic."""
        return self.is_alive and bool(self.logged("started", self.read_log()))

    @property
    def grpc_port(self) -> int:
        """Where its present life receives what others forward; 0: not yet, or not at all."""
        said = self.logged("grpc_listening", self.read_log()) if self.is_alive else []
        return int(said[-1]["port"]) if said else 0

    @property
    def drops(self) -> int:
        """Datagrams that its socket had no room for."""
        return udp_drops(self.port)

    @property
    def queued_bytes(self) -> int:
        """What waits in its socket."""
        return udp_queued_bytes(self.port)

    def begin(self) -> None:
        """Begins a life; returns at once."""
        assert not self.is_alive
        if self._process is not None and not self._is_ended:
            self.died.append(self._process.returncode)
        self._is_ended = False
        self.read_log()
        self._life = []
        self.lives += 1
        files = [str(self._config_file), str(self._clock_file)]
        command = [sys.executable, "-m", "tests.chaos.node", *files]
        with self._log_file.open("ab") as log:
            held = {"held": self._socket}
            self._process = start(command, held, cwd=ROOT, stdout=log, stderr=log)

    def send(self, *lines: str) -> None:
        """Sends it lines, each in a datagram of its own."""
        send_lines(self.port, *lines)

    def kill(self) -> None:
        """Ends its life by SIGKILL."""
        if self.is_alive:
            self.resume()
            self.kills += 1
            self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ends its life by SIGTERM; returns the exit code."""
        self.resume()
        return self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGSTOP)
            self.is_paused = True

    def resume(self) -> None:
        """SIGCONT. Idempotent."""
        if self.is_paused and self.is_alive:
            os.kill(self.pid, signal.SIGCONT)
        self.is_paused = False

    def skew(self, seconds: float) -> None:
        """Sets its wall clock off by so much from now on."""
        mode = "r+b" if self._clock_file.exists() else "wb"
        with self._clock_file.open(mode) as file:
            file.write(OFFSET.pack(round(seconds * 1e9)))

    def wait_until_started(self) -> None:
        """Returns when it takes traffic. Raises RuntimeError, with its log, if it ends instead."""
        wait_until(lambda: self.is_started or not self.is_alive, f"{self.name} starts", START_S)
        if not self.is_started:
            raise RuntimeError(f"{self.name} did not start: {self._life[-20:]}")

    def get(self, path: str) -> Any:
        """A page of its admin HTTP listener, JSON read. Raises OSError."""
        with _direct.open(f"http://{self.http}{path}", timeout=10) as answer:
            return json.load(answer)

    @property
    def http(self) -> str:
        """The address of its admin HTTP listener."""
        return str(self.logged("started", self._life)[0]["http"])

    def logged(self, event: str, among: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
        """The log lines of one event, of all its lives unless told."""
        return [line for line in (self.log if among is None else among) if line["event"] == event]

    def read_log(self) -> list[dict[str, Any]]:
        """What its present life has logged so far."""
        if not self._log_file.exists():
            return []
        with self._log_file.open("rb") as file:
            file.seek(self._read_to)
            text = file.read()
        text = text[: text.rfind(b"\n") + 1]
        self._read_to += len(text)
        for line in text.splitlines():
            if line.startswith(b"{"):
                entry = json.loads(line)
            else:
                entry = {"event": "text", "text": line.decode(errors="replace")}
            self.log.append(entry)
            self._life.append(entry)
            if entry["event"] == "recovered":
                self.lost_datagrams += entry["lost_datagrams"]
        return self._life

    def rows(self) -> list[dict[str, Any]]:
        """What its file holds now."""
        return rows_in(self.points_file)

    def close(self) -> None:
        """Ends whatever is left of it."""
        if self.is_alive:
            self.resume()
            self._end(signal.SIGKILL)
        self._socket.close()

    def _end(self, number: signal.Signals) -> int:
        assert self._process
        self._is_ended = True
        self._process.send_signal(number)
        code = self._process.wait(END_S)
        self.read_log()
        return code

    def _defaults(self) -> dict[str, Any]:
        return {
            "node_name": self.name,
            "hostname": self.name,
            "statsd_listen_addresses": [f"udp://127.0.0.1:{self.port}"],
            "read_buffer_size_bytes": BUFFER_BYTES,
            "http_address": "127.0.0.1:0",
            "state_dir": str(self.state),
            "arena_dir": str(self.arenas),
            "store_max_bytes": "64MiB",
            "log_format": "json",
        }


def _udp_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    force = SO_RCVBUFFORCE if os.geteuid() == 0 else socket.SO_RCVBUF
    made.setsockopt(socket.SOL_SOCKET, force, BUFFER_BYTES)
    made.bind(("127.0.0.1", 0))
    return made
