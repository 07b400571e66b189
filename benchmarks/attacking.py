"""A cardinality attack on a real daemon, beside clients that behave, and what must hold."""

from __future__ import annotations

import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.conservation import Received, Verdict
from benchmarks.daemon import Daemon, running_daemon
from benchmarks.load import Load, Sent, finish, start_sending
from benchmarks.process import rss_bytes, udp_drops
from benchmarks.soaking import settled
from veneurpy.engine import FOLDED_TAG

OFFENDER = "shop.attack.calls"
ATTACKER = "127.0.0.2"
LINES_EACH = 10
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Attack:
    """How long, how hard, on what."""

    seconds: float = 300.0
    rate: float = 100_000.0
    """Samples per second, each with a tag value of its own."""
    known_rate: float = 2_000.0
    """Samples per second of the others, over 1,000 series."""
    interval_s: float = 10.0
    store_max_bytes: int = 128 * MIB
    max_series_per_name: int = 100_000
    """The default. The store must hold that many, or it folds others too."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What came of it."""

    attack: Sent
    known: Sent
    received: Received
    drops: int
    folded: int
    sums: Mapping[str, float]
    """Of the points that were written: the offender's, known counters, counts of known timers; how
    many rows of others are folded."""
    idle_bytes: int
    rss_bytes: tuple[int, ...]
    """Once in half an interval."""
    memory: Mapping[str, int]
    named: int
    """How often the log names the offender."""
    first_name: str
    """Of `top`, by series, most of the time."""
    first_client: str
    """Of `top`, by samples, most of the time: only a part of the datagrams names its client."""


def run(attack: Attack) -> Damage:
    """Starts a daemon, attacks it, ends it and adds up."""
    with TemporaryDirectory() as folder:
        points = Path(folder, "points.jsonl")
        settings = {
            "interval": f"{attack.interval_s}s",
            "store_max_bytes": attack.store_max_bytes,
            "max_series_per_name": attack.max_series_per_name,
            "metric_sinks": [{"kind": "localfile", "config": {"flush_file": str(points)}}],
        }
        with running_daemon(settings, folder=Path(folder)) as daemon:
            idle = rss_bytes(daemon.pid)
            sent, known, rss, names, clients = _load(attack, daemon)
            received = settled(daemon, attack.interval_s)
            ledger = daemon.ledger()["total"]["listeners"].values()
            memory = json.loads(daemon.get("/api/v1/status"))["memory"]
            drops = udp_drops(daemon.port)
            daemon.terminate()
            log = daemon.log()
        return Damage(
            attack=sent,
            known=known,
            received=received,
            drops=drops,
            folded=sum(accounts["folded"] for accounts in ledger),
            sums=_sums(points),
            idle_bytes=idle,
            rss_bytes=tuple(rss),
            memory=memory,
            named=sum("name_over_budget" in line and OFFENDER in line for line in log.splitlines()),
            first_name=_most_common(names),
            first_client=_most_common(clients),
        )


def verdicts(attack: Attack, damage: Damage) -> Iterator[Verdict]:
    """Every claim."""
    aggregated = sum(damage.received.aggregated.values())
    sent = damage.attack.lines + damage.known.lines
    yield Verdict(
        "every sample sent is aggregated: none is dropped, none rejected",
        sent == aggregated and damage.drops == damage.received.rejected == 0,
        f"{sent:,} sent, {aggregated:,} aggregated, {damage.folded:,} of them folded; "
        f"{damage.drops:,} datagrams dropped, {damage.received.rejected:,} rejected",
    )
    yield Verdict(
        "every equation of the ledger holds",
        damage.received.violations == 0,
        f"{damage.received.violations} violations",
    )
    known = damage.known.values
    timed = known["ms"] + known["h"]
    exact = damage.sums["known"] == damage.known.counter_sum and damage.sums["timed"] == timed
    yield Verdict(
        "the metrics of the others are exact, none of their series is folded",
        exact and damage.sums["folded"] == 0,
        f"counters {damage.known.counter_sum:,} sent, {damage.sums['known']:,.0f} written; "
        f"timed values {timed:,} sent, {damage.sums['timed']:,.0f} written; "
        f"{damage.sums['folded']:.0f} folded series",
    )
    yield Verdict(
        "the total of the offender's name is exact",
        damage.sums["attack"] == damage.attack.counter_sum,
        f"{damage.attack.counter_sum:,} sent, {damage.sums['attack']:,.0f} written",
    )
    yield from _of_memory(attack, damage)
    yield Verdict(
        "the log names the offender, once", damage.named == 1, f"{damage.named} lines of the log"
    )
    yield Verdict(
        "`veneurpy top` names the metric and the client",
        (damage.first_name, damage.first_client) == (OFFENDER, ATTACKER),
        f"{damage.first_name} leads by series, {damage.first_client} by samples",
    )


def _of_memory(attack: Attack, damage: Damage) -> Iterator[Verdict]:
    peak, most = damage.memory["peak"], max(damage.rss_bytes)
    yield Verdict(
        "the store, its flush and its points stay within store_max_bytes",
        peak <= attack.store_max_bytes,
        f"{peak / MIB:.1f} of {attack.store_max_bytes / MIB:.0f} MiB",
    )
    yield Verdict(
        "the process takes at most store_max_bytes more than idle",
        most <= damage.idle_bytes + attack.store_max_bytes,
        f"{most / MIB:.1f} MiB at the most, {damage.idle_bytes / MIB:.1f} idle",
    )


def _load(attack: Attack, daemon: Daemon) -> tuple[Sent, Sent, list[int], list[str], list[str]]:
    rate = attack.rate / LINES_EACH
    load = Load(mix="attack", series=1, seed=7, lines_each=LINES_EACH)
    sender = start_sending(load, daemon.port, rate=rate, seconds=attack.seconds, client=ATTACKER)
    others = start_sending(Load(), daemon.port, rate=attack.known_rate, seconds=attack.seconds)
    rss, names, clients = [], [], []
    while True:
        try:
            sender.wait(attack.interval_s / 2)
        except subprocess.TimeoutExpired:
            rss.append(rss_bytes(daemon.pid))
            names += _first(daemon, "name", by="series")
            clients += _first(daemon, "client", by="samples")
        else:
            break
    return finish(sender), finish(others), rss, names, clients


def _first(daemon: Daemon, what: str, *, by: str) -> list[str]:
    page: Any = json.loads(daemon.get(f"/api/v1/top?of={what}s&by={by}&n=1"))
    return [str(row[what]) for row in page[f"{what}s"]]


def _most_common(readings: list[str]) -> str:
    return Counter(readings).most_common(1)[0][0] if readings else ""


def _sums(points: Path) -> Mapping[str, float]:
    sums: dict[str, float] = defaultdict(float)
    with points.open() as rows:
        for row in map(json.loads, rows):
            name = row["name"]
            if name == OFFENDER:
                sums["attack"] += row["value"]
                continue
            sums["folded"] += FOLDED_TAG in row["tags"]
            if name.startswith("shop.checkout.calls."):
                sums["known"] += row["value"]
            elif name.endswith(".count"):
                sums["timed"] += row["value"]
    return sums
