"""What does a datagram cost the daemon, beside a loop that only counts it?"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.answers import Answer, Figure, Target, none_dropped, ratios
from benchmarks.charts import Bar, Chart
from benchmarks.daemon import running_daemon
from benchmarks.load import Load
from benchmarks.receivers import RCVBUF_BYTES, bare, python_counter
from benchmarks.windows import WARM_INTERVALS, WARM_S, WINDOW_S, Receiving, Windows

PLAIN_RATE = 100_000
PACKED_RATE = 5_000
PACKED = 20
"""Lines in a datagram of some 1,400 bytes."""

INTERVAL_S = 20

Mode = Literal["blocking", "coalescing"]
Running = tuple[Mode, int]
"""How a daemon receives, and how many series it gets."""


@dataclass(frozen=True, slots=True)
class Case:
    """A daemon, a load, what it may cost."""

    mode: Mode
    what: str
    load: Load
    to_bare: Target | None = None
    to_coalesced: Target | None = None
    turns: int = 1
    """More where little lies between figure and target: a window alone is some 7 % off."""

    @property
    def name(self) -> str:
        """In the tables."""
        return f"{self.mode}: {self.what}"

    @property
    def daemon(self) -> Running:
        """Which takes it. A store begins as large as it was: one for each number of series."""
        return self.mode, self.load.series

    @property
    def is_gathering(self) -> bool:
        """Datagrams of one line are let gather."""
        return self.mode == "coalescing" and self.load.lines_each == 1

    @property
    def rate(self) -> float:
        """Datagrams/s: as many lines/s in any case."""
        return PACKED_RATE if self.load.lines_each > 1 else PLAIN_RATE


COUNTERS = Load(mix="counters")
MANY = Load(series=100_000)
PACKED_COUNTERS = Load(mix="counters", lines_each=PACKED)
PACKED_MANY = Load(series=100_000, lines_each=PACKED)

CASES = (
    Case("blocking", "counters, 1,000 series", COUNTERS, Target("<=", 1.1), turns=3),
    Case("blocking", "mix, 1,000 series", Load(), Target("<=", 1.25)),
    Case("blocking", "mix, 100,000 series", MANY, Target("<=", 1.35)),
    Case("coalescing", "mix, 1,000 series", Load(), Target("<=", 0.65), Target("<=", 1.2), turns=3),
    Case("coalescing", "mix, 100,000 series", MANY),
    Case("blocking", f"counters, {PACKED} a datagram", PACKED_COUNTERS, Target("<=", 1.65)),
    Case("blocking", f"mix, {PACKED} a datagram, 100,000 series", PACKED_MANY, Target("<=", 2.0)),
    Case("coalescing", f"mix, {PACKED} a datagram, 100,000 series", PACKED_MANY),
)

METHOD = f"""\
{PLAIN_RATE:,} datagrams/s over loopback, one metric each, sent in bursts of 16; or
{PACKED_RATE:,}/s of {PACKED} metrics each, some 1,400 bytes. The receiver runs all the time;
after {WARM_S:g} s of load its CPU time (user and system, all threads) is read, a window of
{WINDOW_S:g} s is sent, and the CPU time is read again when the socket is empty. That is divided
by the datagrams sent less those that the kernel dropped. The daemon, one for each number of
series, has one reader, `blackhole` as its sink, an interval of {INTERVAL_S} s (none ends in a
window: what a flush takes is told in "Interval to columns"), {WARM_INTERVALS} of which have been
filled before, and its HTTP listener open; "blocking" is one with `coalesce: false`. Every receiver
asks for a socket buffer of {RCVBUF_BYTES >> 20} MiB. `bare` is a blocking recvmmsg loop that only
counts; each case is measured twice a round (those closest to their targets six times), just after a
window of `bare` with the same load or just before one; one that gathers, beside
`bare_coalesced` instead, which sleeps 1 ms after a batch that was not full."""


def settings_of(mode: Mode) -> dict[str, Any]:
    """The configuration of a daemon that receives so."""
    return {
        "interval": f"{INTERVAL_S}s",
        "num_readers": 1,
        "coalesce": mode == "coalescing",
        "metric_sinks": [{"kind": "blackhole", "name": "blackhole"}],
    }


def measure(rounds: int) -> Answer:
    """Answers it."""
    windows = Windows(interval_s=INTERVAL_S)
    with ExitStack() as stack:
        daemons: dict[Running, Receiving] = {
            (mode, series): stack.enter_context(running_daemon(settings_of(mode)))
            for mode, series in dict.fromkeys(case.daemon for case in CASES)
        }
        counting = stack.enter_context(bare())
        gathering = stack.enter_context(bare(sleep_us=1000))
        others: dict[str, Receiving] = {
            "bare": counting,
            "bare_coalesced": gathering,
            "Python, asyncio, only counting": stack.enter_context(python_counter("asyncio")),
            "Python, uvloop, only counting": stack.enter_context(python_counter("uvloop")),
        }
        for_each = [(daemons[mode, n], Load(series=n, lines_each=PACKED)) for mode, n in daemons]
        windows.warm(for_each, PACKED_RATE)
        for _ in range(rounds):
            for case in CASES:
                beside = [("bare", counting)]
                if case.is_gathering:
                    beside.append(("bare_coalesced", gathering))
                takes = [(f"{name} beside {case.name}", receiver) for name, receiver in beside]
                takes.insert(1, (case.name, daemons[case.daemon]))
                for name, receiver in (takes + takes[::-1]) * case.turns:
                    windows.take(name, receiver, case.load, case.rate)
            for name, receiver in others.items():
                windows.take(name, receiver, COUNTERS, PLAIN_RATE)
    names = list(others)
    return Answer("UDP over loopback", METHOD, figures_of(windows, names), (chart(windows, names),))


def figures_of(windows: Windows, others: list[str]) -> tuple[Figure, ...]:
    """Ratios first, then what they are made of."""
    cpu_us, drops = windows.cpu_us, windows.drops
    figures = [
        ratios(c.name, cpu_us[c.name], cpu_us[f"bare beside {c.name}"], "× bare", c.to_bare)
        for c in CASES
    ]
    figures += [ratios(name, cpu_us[name], cpu_us["bare"], "× bare") for name in others[1:]]
    figures += [
        ratios(
            c.name,
            cpu_us[c.name],
            cpu_us[f"bare_coalesced beside {c.name}"],
            "× bare_coalesced",
            c.to_coalesced,
        )
        for c in CASES
        if c.is_gathering
    ]
    names = [*(c.name for c in CASES), *others]
    figures += [Figure(name, "µs CPU a datagram", tuple(cpu_us[name])) for name in names]
    figures.append(none_dropped(drops, [case.name for case in CASES]))
    figures += [Figure(name, "kernel drops", tuple(drops[name])) for name in others]
    return tuple(figures)


def chart(windows: Windows, others: list[str]) -> Chart:
    """One metric a datagram: ours and the yardsticks."""
    plain = [case.name for case in CASES if case.rate == PLAIN_RATE]
    costs = {name: Figure(name, "", tuple(windows.cpu_us[name])).value for name in plain + others}
    return Chart(
        "udp",
        "CPU time a datagram of one metric",
        f"µs of the receiver, {PLAIN_RATE:,} datagrams/s; less is better",
        tuple(Bar(name, cost, name in plain) for name, cost in costs.items()),
    )
