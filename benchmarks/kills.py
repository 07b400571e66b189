"""Kills a daemon under load, again and again; adds up what its successors published.

    python -m benchmarks.kills [--kills N] [--rate PER_S]

The socket outlives the daemon, as it does under systemd. Each datagram is one counter; what a
daemon had taken from the socket and not yet applied when it died is the one thing that may be
missing, and its successor says how much that was. 200 kills or more write docs/kills.md.
"""

from __future__ import annotations

import json
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from benchmarks import machine
from benchmarks.claims import DOCS, conclude
from benchmarks.conservation import Verdict
from benchmarks.daemon import command_of
from benchmarks.held import start, udp_socket
from benchmarks.process import udp_drops

INTERVAL_S = 0.25
SERIES = 50
START_S = 30.0
MOST_S = 0.6
BUFFER_BYTES = 8 << 20
LOST_AT_MOST = 64
"""Datagrams that a reader may have in hand when it dies."""
PAGE_FROM = 200

TEXT = """\
# Kills

Written by `make soak` on {when}. Machine: {machine}.

A real daemon (`localfile` as its sink, intervals of {interval_s:g} s) was sent {rate:,.0f}
datagrams a second, one counter each, and killed with SIGKILL at a random moment of its life (up to
{most_s:g} s after it was ready), {outcome.kills:,} times in a row, each time with another in its
place. A holder kept the socket, as systemd does. Seed {seed}, {elapsed_s:,.0f} s in all.

| claim | | figures |
|---|---|---|
{rows}

Random kills rarely hit the short moments that matter: [recovery.md](recovery.md) says how those are
covered.
"""


@dataclass(slots=True)
class Outcome:
    """What all daemons of a run came to."""

    kills: int
    sent: int
    drops: int
    published: float
    """The sum of the counters, of each series and timestamp the highest revision."""
    lost: int
    """What the daemons themselves say that was lost with the killed ones."""
    recovered: int
    """Intervals that a successor took up."""
    violations: int
    log: list[dict[str, Any]] = field(default_factory=list)

    def verdicts(self) -> Iterator[Verdict]:
        """What must hold."""
        arrived = self.sent - self.drops
        missing = round(arrived - self.published)
        yield Verdict(
            "what arrived was published once, but for what the successors name as lost",
            0 <= missing <= self.lost,
            f"{arrived:,} arrived, {self.published:,.0f} published: {missing:,} missing, "
            f"{self.lost:,} named",
        )
        yield Verdict(
            f"no kill costs more than {LOST_AT_MOST} datagrams",
            self.lost <= LOST_AT_MOST * self.kills,
            f"{self.lost:,} by {self.kills:,} kills",
        )
        yield Verdict(
            "successors take up what the killed had aggregated",
            self.recovered > 0 and self.violations == 0,
            f"{self.recovered:,} intervals recovered, {self.violations:,} violations of the ledger",
        )


class Life:
    """One daemon, from its start to its end."""

    def __init__(
        self, folder: Path, held: Mapping[str, socket.socket], settings: Mapping[str, Any]
    ) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = start(command_of(folder, settings), held, stdout=log, stderr=log)

    def wait_until_started(self) -> None:
        """Returns when it takes traffic."""
        self.wait_until(lambda: any(line.get("event") == "started" for line in self.log()))

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Returns when something holds. Raises RuntimeError, with its log, if it ends before."""
        give_up_s = time.monotonic() + START_S
        while not holds():
            if self.process.poll() is not None or time.monotonic() > give_up_s:
                raise RuntimeError(f"the daemon did not come so far: {self.log()}")
            time.sleep(0.01)

    def end(self, number: signal.Signals) -> list[dict[str, Any]]:
        """Sends a signal, waits for the end; returns the log."""
        self.process.send_signal(number)
        self.process.wait(START_S)
        return self.log()

    def log(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        text = self._log.read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def run(
    *, kills: int, rate: float, seed: int, most_s: float = MOST_S, series: int = SERIES
) -> Outcome:
    """Kills so many daemons, each at a random moment within `most_s` of its start."""
    moments = random.Random(seed)
    log: list[dict[str, Any]] = []
    with TemporaryDirectory() as place, udp_socket(BUFFER_BYTES) as held:
        folder = Path(place)
        port = int(held.getsockname()[1])
        with _sending(port, rate, series) as sender:
            for _ in range(kills):
                life = Life(folder, {"held": held}, _settings(folder, port))
                life.wait_until_started()
                time.sleep(moments.uniform(0, most_s))
                log += life.end(signal.SIGKILL)
        life = Life(folder, {"held": held}, _settings(folder, port) | {"shutdown": "flush"})
        life.wait_until_started()
        log += life.end(signal.SIGTERM)
        published = published_sum(folder / "points.jsonl")
        drops = udp_drops(port)
    recovered = [line for line in log if line.get("event") == "recovered"]
    return Outcome(
        kills=kills,
        sent=sender.sent,
        drops=drops,
        published=published,
        lost=sum(line["lost_datagrams"] for line in recovered),
        recovered=sum(line["intervals"] for line in recovered),
        violations=sum(line.get("event") == "ledger_violated" for line in log),
        log=log,
    )


def published_sum(path: Path) -> float:
    """The sum of all counters, of each series and timestamp the highest revision."""
    highest: dict[tuple[str, float], tuple[int, float]] = {}
    if not path.exists():
        return 0.0
    for line in path.read_text().splitlines():
        row = json.loads(line)
        key = (row["name"], row["timestamp"])
        highest[key] = max(highest.get(key, (-1, 0.0)), (row["revision"], row["value"]))
    return sum(value for _, value in highest.values())


def _settings(folder: Path, port: int) -> dict[str, Any]:
    (folder / "state").mkdir(exist_ok=True)
    sink = {"kind": "localfile", "config": {"flush_file": str(folder / "points.jsonl")}}
    return {
        "statsd_listen_addresses": [f"udp://127.0.0.1:{port}"],
        "http_address": "",
        "interval": f"{INTERVAL_S * 1000:g}ms",
        "state_dir": str(folder / "state"),
        "arena_dir": str(folder / "arenas"),
        "store_max_bytes": "64MiB",
        "metric_sinks": [sink],
        "log_format": "json",
    }


class _Sender:
    """Sends one counter a datagram until it is told to stop."""

    def __init__(self, port: int, rate: float, series: int) -> None:
        self.sent = 0
        self._port = port
        self._pause_s = 10 / rate
        self._series = series
        self._stopping = threading.Event()

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", self._port))
            while not self._stopping.wait(self._pause_s):
                for _ in range(10):
                    sock.send(b"hits.%d:1|c" % (self.sent % self._series))
                    self.sent += 1

    def stop(self) -> None:
        self._stopping.set()


@contextmanager
def _sending(port: int, rate: float, series: int) -> Iterator[_Sender]:
    sender = _Sender(port, rate, series)
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        yield sender
    finally:
        sender.stop()
        thread.join()


@click.command()
@click.option("--kills", default=200, show_default=True, help="How many daemons to kill.")
@click.option("--rate", default=2000.0, show_default=True, help="Datagrams per second.")
@click.option("--seed", default=1, show_default=True, help="Of the moments of the kills.")
def main(kills: int, rate: float, seed: int) -> None:
    """Kills daemons under load. Exits 1 when something is lost unnamed or counted twice."""
    started_s = time.monotonic()
    described = machine.describe()
    outcome = run(kills=kills, rate=rate, seed=seed)
    conclude(
        list(outcome.verdicts()),
        TEXT,
        DOCS / "kills.md" if kills >= PAGE_FROM else None,
        machine=described,
        interval_s=INTERVAL_S,
        most_s=MOST_S,
        rate=rate,
        seed=seed,
        outcome=outcome,
        elapsed_s=time.monotonic() - started_s,
    )


if __name__ == "__main__":
    main()
