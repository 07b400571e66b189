"""A daemon under siege by hostile peers, beside clients that behave, and what must hold."""

from __future__ import annotations

import http.client
import json
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.daemon import Daemon, free_port, running_daemon
from benchmarks.hostile_peers import Deeds, Force
from benchmarks.process import cpu_s, rss_bytes

MIB = 1 << 20
LINES_AT_ONCE = 20
PAUSE_S = 0.02
PATIENCE_S = 120.0
_SAMPLE = re.compile(r"^veneurpy_(stream_\w+)\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Siege:
    """How long, and by how many."""

    seconds: float = 40.0
    calm_s: float = 10.0
    """How long the clients that behave are alone before."""
    interval_s: float = 10.0
    idle_timeout_s: float = 30.0
    max_held_bytes: int = 32 * MIB
    force: Force = field(default_factory=lambda: Force(("", 0), ""))


@dataclass(slots=True)
class Service:
    """What clients that behave have sent by each of their ways, and how they were served."""

    lines: int = 0
    answers_s: list[float] = field(default_factory=list)
    """How long lines sent by HTTP took until they were in the store."""
    cpu_s: float = 0.0
    passed_s: float = 0.0

    @property
    def slowest_s(self) -> tuple[float, float]:
        """The 99th percentile and the maximum."""
        return quantiles(self.answers_s, n=100)[98], max(self.answers_s)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    calm: Service
    besieged: Service
    deeds: Deeds
    accepted: Mapping[str, int]
    """By listener's scheme."""
    rejected: Mapping[str, int]
    """By reason, at the listeners that were attacked."""
    violations: int
    closed: Mapping[str, int]
    """Connections by why they ended."""
    connects: int
    still_open: int
    still_held: int
    idle_bytes: int
    most_bytes: int
    most_held: int
    log_lines: int


def run(siege: Siege) -> Outcome:
    """Starts a daemon, lets peers besiege it, ends it and adds up."""
    _raise_file_limit()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        port = free_port(socket.SOCK_STREAM)
        udp = free_port(socket.SOCK_DGRAM)
        force = replace(siege.force, tcp=("127.0.0.1", port), unix=f"{folder}/stream")
        urls = [f"tcp://127.0.0.1:{port}", f"unix://{force.unix}", f"udp://127.0.0.1:{udp}"]
        settings = {
            "interval": f"{siege.interval_s}s",
            "statsd_listen_addresses": urls,
            "http_statsd": True,
            "stream_max_connections": force.idle + force.slow + 1000,
            "stream_max_held_bytes": siege.max_held_bytes,
            "stream_idle_timeout": f"{siege.idle_timeout_s}s",
            "metric_sinks": [{"kind": "blackhole"}],
        }
        daemon = stack.enter_context(running_daemon(settings, folder=Path(folder)))
        clients = Clients(daemon, force, udp)
        calm = clients.serve(siege.calm_s)
        idle_bytes = rss_bytes(daemon.pid)
        besieger = _start(force)
        besieged = clients.serve(siege.seconds)
        said, _ = besieger.communicate(timeout=PATIENCE_S)
        deeds = Deeds(**json.loads(said))
        clients.close()
        return _add_up(daemon, calm, besieged, deeds, idle_bytes, clients)


class Clients:
    """Those that behave: some lines by each way, again and again."""

    def __init__(self, daemon: Daemon, force: Force, udp: int) -> None:
        self._daemon = daemon
        self._http = http.client.HTTPConnection("127.0.0.1", daemon.http_port, timeout=30)
        self._peers = [
            socket.create_connection(force.tcp),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        ]
        self._peers[1].connect(force.unix)
        self._peers[2].connect(("127.0.0.1", udp))
        self.most_bytes = self.most_held = 0

    def serve(self, seconds: float) -> Service:
        """Sends for so long."""
        service, start_s = Service(), time.monotonic()
        before_s, text = cpu_s(self._daemon.pid), b"good:1|c\n" * LINES_AT_ONCE
        while time.monotonic() < start_s + seconds:
            for peer in self._peers:
                peer.sendall(text)
            asked_s = time.monotonic()
            self._http.request("POST", "/api/v1/statsd", text)
            answer = self._http.getresponse()
            answer.read()
            if answer.status != http.client.ACCEPTED:
                raise RuntimeError(f"HTTP answers {answer.status}")
            service.answers_s.append(time.monotonic() - asked_s)
            service.lines += LINES_AT_ONCE
            self.most_bytes = max(self.most_bytes, rss_bytes(self._daemon.pid))
            if len(service.answers_s) % 20 == 0:
                held = streams(self._daemon)["stream_held_bytes", ""]
                self.most_held = max(self.most_held, int(held))
            time.sleep(PAUSE_S)
        service.passed_s = time.monotonic() - start_s
        service.cpu_s = cpu_s(self._daemon.pid) - before_s
        return service

    def close(self) -> None:
        """They have said all."""
        for peer in self._peers:
            peer.close()
        self._http.close()


def streams(daemon: Daemon) -> dict[tuple[str, str], float]:
    """The counters of connections by (name, reason), over all listeners."""
    found: dict[tuple[str, str], float] = {("stream_held_bytes", ""): 0.0}
    for name, labels, value in _SAMPLE.findall(daemon.get("/metrics")):
        reason = re.search(r'reason="(\w+)"', labels)
        key = (name, reason[1] if reason else "")
        found[key] = found.get(key, 0.0) + float(value)
    return found


def _start(force: Force) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.hostile_peers", json.dumps(asdict(force))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _raise_file_limit() -> None:
    """As many descriptors as we may have, for us and the processes that we start."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _add_up(
    daemon: Daemon,
    calm: Service,
    besieged: Service,
    deeds: Deeds,
    idle_bytes: int,
    clients: Clients,
) -> Outcome:
    give_up_s = time.monotonic() + PATIENCE_S
    while (found := streams(daemon)).get(("stream_connections", ""), 0) > 0:
        if time.monotonic() > give_up_s:
            break
        time.sleep(0.1)
    wanted = 4 * (calm.lines + besieged.lines)
    while sum(_by_scheme(daemon, "accepted").values()) < wanted and time.monotonic() < give_up_s:
        time.sleep(0.1)
    accepted = _by_scheme(daemon, "accepted")
    rejected: dict[str, int] = {}
    for accounts in _listeners(daemon):
        for reason, count in accounts["rejected"].items():
            rejected[reason] = rejected.get(reason, 0) + count
    violations = daemon.ledger()["violations"]
    return Outcome(
        calm=calm,
        besieged=besieged,
        deeds=deeds,
        accepted=accepted,
        rejected={reason: count for reason, count in rejected.items() if count},
        violations=violations,
        closed={
            reason: int(value)
            for (name, reason), value in found.items()
            if name == "stream_closed_total"
        },
        connects=int(found["stream_connects_total", ""]),
        still_open=int(found.get(("stream_connections", ""), 0)),
        still_held=int(found["stream_held_bytes", ""]),
        idle_bytes=idle_bytes,
        most_bytes=clients.most_bytes,
        most_held=clients.most_held,
        log_lines=len(daemon.log().splitlines()),
    )


def _listeners(daemon: Daemon) -> Iterator[Any]:
    status = json.loads(daemon.get("/api/v1/status"))
    for each in status["listeners"]:
        yield each
    for name, each in status["open_interval"]["listeners"].items():
        yield {**each, "name": name}


def _by_scheme(daemon: Daemon, account: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in _listeners(daemon):
        scheme = each["name"].partition(":")[0]
        found[scheme] = found.get(scheme, 0) + int(each[account])
    return found
