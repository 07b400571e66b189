"""Adds up what was sent, what the daemon's ledger says and what its sink wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import Sent

TYPES = {"c": "counter", "g": "gauge", "ms": "timer", "h": "histogram", "s": "set"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a claim holds, and the figures it rests on."""

    claim: str
    holds: bool
    figures: str

    @property
    def line(self) -> str:
        """For a terminal."""
        return f"{'ok  ' if self.holds else 'FAIL'}  {self.claim}: {self.figures}"

    @property
    def row(self) -> str:
        """Of a page's table."""
        return f"| {self.claim} | {'holds' if self.holds else '**fails**'} | {self.figures} |"


@dataclass(frozen=True, slots=True)
class Received:
    """The ledger's totals over all listeners."""

    datagrams: int
    kernel_drops: int
    aggregated: Mapping[str, int]
    rejected: int
    violations: int

    @classmethod
    def of(cls, ledger: Mapping[str, Any]) -> Received:
        """Of what /api/v1/ledger says."""
        listeners = list(ledger["total"]["listeners"].values())
        return cls(
            datagrams=sum(part["datagrams"] for part in listeners),
            kernel_drops=sum(part["kernel_drops"] for part in listeners),
            aggregated={
                kind: sum(part["aggregated"][kind] for part in listeners) for kind in TYPES.values()
            },
            rejected=sum(
                sum(part["rejected"].values()) + sum(part["values_rejected"].values())
                for part in listeners
            ),
            violations=ledger["violations"],
        )


@dataclass(frozen=True, slots=True)
class Written:
    """Sums over a localfile sink's points."""

    counters: float
    """The values of the counters that were sent."""
    timed: float
    """The counts of timers and histograms."""

    @classmethod
    def of(cls, path: Path) -> Written:
        """Of a file of JSON lines; names are those of the load generator."""
        counters = timed = 0.0
        with path.open() as rows:
            for row in map(json.loads, rows):
                name = row["name"]
                if name.startswith("shop.checkout.calls."):
                    counters += row["value"]
                elif name.endswith(".count"):
                    timed += row["value"]
        return cls(counters, timed)


def verdicts(sent: Sent, received: Received, written: Written, drops: int) -> Iterator[Verdict]:
    """Everything that must hold of one line a datagram. `drops` is what the kernel says itself."""
    aggregated = sum(received.aggregated.values())
    yield Verdict(
        "sent = aggregated + kernel drops",
        sent.lines == aggregated + received.kernel_drops,
        f"{sent.lines:,} = {aggregated:,} + {received.kernel_drops:,}",
    )
    yield Verdict(
        "the ledger's datagrams and drops are those of the kernel",
        sent.datagrams == received.datagrams + drops and drops == received.kernel_drops,
        f"{sent.datagrams:,} = {received.datagrams:,} + {drops:,}",
    )
    yield Verdict(
        "nothing is rejected and every equation of the ledger holds",
        received.rejected == 0 and received.violations == 0,
        f"{received.rejected:,} rejected, {received.violations:,} violations",
    )
    timed = received.aggregated["timer"] + received.aggregated["histogram"]
    yield Verdict(
        "the sink has every timed value that was aggregated",
        written.timed == timed,
        f"{timed:,} aggregated, {written.timed:,.0f} written",
    )
    if drops == 0:
        by_type = {TYPES[letters]: count for letters, count in sent.values.items()}
        yield Verdict(
            "nothing dropped: every type has what was sent, and the counters add up to it",
            by_type == received.aggregated and written.counters == sent.counter_sum,
            f"counters sent {sent.counter_sum:,}, written {written.counters:,.0f}",
        )
