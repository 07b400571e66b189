"""A load on a real daemon, for long or briefly, with everything it promises meanwhile."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import conservation
from benchmarks.conservation import Received, Verdict, Written
from benchmarks.daemon import Daemon, running_daemon
from benchmarks.load import Load, Sent, finish, start_sending
from benchmarks.process import rss_bytes, udp_drops, udp_queued_bytes

LAG_BOUND_S = 0.020
LAG_MAX = re.compile(r"^veneurpy_event_loop_lag_max_seconds (\S+)$", re.MULTILINE)
SETTLED_AFTER = 3
"""Intervals until memory has to be flat."""
GROWTH_SHARE, GROWTH_BYTES = 0.02, 2 << 20
"""Memory may grow by the larger of the two, from then on to the end."""
SETTLE_S = 30.0


@dataclass(frozen=True, slots=True)
class Soak:
    """How long, how hard, on what."""

    seconds: float = 600.0
    rate: float = 50_000.0
    interval_s: float = 10.0
    load: Load = field(default_factory=Load)
    settings: Mapping[str, object] = field(default_factory=dict)
    """More of the daemon's configuration."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    sent: Sent
    conservation: tuple[Verdict, ...]
    exit_status: int
    rss_bytes: tuple[int, ...]
    """At the end of each interval under load."""
    lag_max_s: float
    idle_lag_max_s: float
    """Of a second daemon that ran beside it, and was sent nothing."""

    def verdicts(self) -> tuple[Verdict, ...]:
        """Every claim."""
        ended = Verdict("SIGTERM ends it with 0", self.exit_status == 0, f"{self.exit_status}")
        return (*self.conservation, ended, flat_memory(self.rss_bytes), self.punctual())

    def punctual(self) -> Verdict:
        """Whether the event loop was never much later than the idle daemon's."""
        return Verdict(
            f"the event loop is never more than {LAG_BOUND_S * 1e3:.0f} ms later than an idle one",
            self.lag_max_s <= self.idle_lag_max_s + LAG_BOUND_S,
            f"{self.lag_max_s * 1e3:.1f} ms under load, {self.idle_lag_max_s * 1e3:.1f} ms idle",
        )


def flat_memory(rss: Sequence[int]) -> Verdict:
    """Whether memory stays where it is after the first intervals."""
    claim = f"memory is flat after interval {SETTLED_AFTER}"
    if len(rss) < SETTLED_AFTER + 2:
        return Verdict(claim, False, f"only {len(rss)} intervals: too few to tell")
    settled = rss[SETTLED_AFTER - 1]
    grown = max(rss[SETTLED_AFTER:]) - settled
    bound = max(GROWTH_SHARE * settled, GROWTH_BYTES)
    mib = 1 << 20
    figures = f"{settled / mib:.1f} MiB, then at most {grown / mib:+.1f} (bound {bound / mib:.1f})"
    return Verdict(claim, grown <= bound, figures)


def run(soak: Soak) -> Outcome:
    """Starts two daemons, loads one, ends both and adds up."""
    with TemporaryDirectory() as busy_folder, TemporaryDirectory() as idle_folder:
        points = Path(busy_folder, "points.jsonl")
        with (
            running_daemon(_settings(soak, Path(idle_folder)), folder=Path(idle_folder)) as idle,
            running_daemon(_settings(soak, Path(busy_folder)), folder=Path(busy_folder)) as busy,
        ):
            sent, rss = _load(soak, busy)
            received = settled(busy, soak.interval_s)
            drops = udp_drops(busy.port)
            lag_s, idle_lag_s = _lag_max_s(busy), _lag_max_s(idle)
            status = busy.terminate()
        written = Written.of(points)
    verdicts = conservation.verdicts(sent, received, written, drops)
    return Outcome(sent, tuple(verdicts), status, tuple(rss), lag_s, idle_lag_s)


def _settings(soak: Soak, folder: Path) -> dict[str, object]:
    sink = {"kind": "localfile", "config": {"flush_file": str(folder / "points.jsonl")}}
    own: dict[str, object] = {
        "interval": f"{soak.interval_s}s",
        "percentiles": [0.5, 0.99],
        "metric_sinks": [sink],
    }
    return own | dict(soak.settings)


def _load(soak: Soak, daemon: Daemon) -> tuple[Sent, list[int]]:
    """Sends everything; meanwhile reads the memory once in an interval."""
    rss = []
    sender = start_sending(soak.load, daemon.port, rate=soak.rate, seconds=soak.seconds)
    while True:
        try:
            sender.wait(soak.interval_s)
        except subprocess.TimeoutExpired:
            rss.append(rss_bytes(daemon.pid))
        else:
            return finish(sender), rss


def settled(daemon: Daemon, interval_s: float) -> Received:
    """The ledger when everything that was sent has been read and flushed."""
    give_up_s = time.monotonic() + SETTLE_S + 3 * interval_s
    while udp_queued_bytes(daemon.port):
        pause(give_up_s)
    # One interval may be closing just now; the next one to close holds the rest.
    last = daemon.ledger()["intervals"] + 2
    while (ledger := daemon.ledger())["intervals"] < last:
        pause(give_up_s)
    return Received.of(ledger)


def pause(give_up_s: float) -> None:
    if time.monotonic() > give_up_s:
        raise TimeoutError("the daemon does not read or does not flush")
    time.sleep(0.05)


def _lag_max_s(daemon: Daemon) -> float:
    found = LAG_MAX.search(daemon.get("/metrics"))
    if found is None:
        raise RuntimeError("/metrics does not say how late the event loop has been")
    return float(found[1])
