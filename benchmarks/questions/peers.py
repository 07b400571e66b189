"""What does a datagram cost other daemons?"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks import namespaces
from benchmarks.answers import Answer, Figure, none_dropped, ratios
from benchmarks.charts import Bar, Chart
from benchmarks.load import Load
from benchmarks.peers.ours import BARE, VENEURPY
from benchmarks.peers.peer import running
from benchmarks.peers.statsd import STATSD
from benchmarks.peers.statsd_exporter import STATSD_EXPORTER
from benchmarks.peers.veneur import VENEUR
from benchmarks.receivers import Receiver
from benchmarks.windows import Windows

PEERS = (BARE, VENEURPY, VENEUR, STATSD_EXPORTER, STATSD)


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of traffic."""

    name: str
    what: str
    load: Load
    rate: float


CASES = (
    Case("plain", "one metric a datagram", Load(), 50_000),
    Case("packed", "20 metrics a datagram", Load(lines_each=20), 5_000),
    Case("timers", "timers over 100,000 series", Load("timers", series=100_000), 60_000),
)

METHOD = """\
CPU time a datagram as above: {cases}; the mix over 1,000 series unless said otherwise. All
receive from the same load generator, which sends the same bytes to each. Each daemon has one
reader where that can be set and a sink that discards, and is otherwise as it comes;
statsd_exporter has no flush, statsd no way to ask for a larger socket buffer. {place}
Drops are the kernel's, in all rounds: the price of a receive buffer that overflows.
Daemons that are not installed are left out: {missing}."""

IN_NAMESPACES = "Each runs in a network namespace of its own, with the load generator beside it."
ON_THE_HOST = "Namespaces were not allowed here: all ran in that of the host."


def measure(rounds: int) -> Answer:
    """Answers it."""
    windows = Windows()
    with ExitStack() as stack:
        started = {peer.name: stack.enter_context(running(peer)) for peer in PEERS}
        present = {name: receiver for name, receiver in started.items() if receiver is not None}
        for _ in range(rounds):
            for case in CASES:
                for name, receiver in present.items():
                    windows.take(key(name, case), receiver, case.load, case.rate)
    figures = [figure for case in CASES for figure in figures_of(case, windows, present)]
    figures.append(none_dropped(windows.drops, [key(VENEURPY.name, case) for case in CASES]))
    charts = tuple(chart_of(case, windows, present) for case in CASES)
    method = METHOD.format(
        cases="; ".join(f"{case.what} at {case.rate:,.0f} datagrams/s" for case in CASES),
        place=IN_NAMESPACES if namespaces.allowed() else ON_THE_HOST,
        missing=", ".join(name for name in started if name not in present) or "none",
    )
    return Answer("Other daemons", method, tuple(figures), charts)


def key(name: str, case: Case) -> str:
    """What is measured: a daemon under some traffic."""
    return f"{name}, {case.what}"


def figures_of(case: Case, windows: Windows, present: dict[str, Receiver]) -> list[Figure]:
    """Ratios, then what they are made of."""
    keys = [key(name, case) for name in present]
    below = windows.cpu_us[key(BARE.name, case)]
    figures = [ratios(each, windows.cpu_us[each], below, "× bare") for each in keys[1:]]
    figures += [Figure(each, "µs CPU a datagram", tuple(windows.cpu_us[each])) for each in keys]
    return figures + [Figure(each, "kernel drops", tuple(windows.drops[each])) for each in keys]


def chart_of(case: Case, windows: Windows, present: dict[str, Receiver]) -> Chart:
    """The daemons beside each other, least first."""
    costs = {
        name: Figure(name, "", tuple(windows.cpu_us[key(name, case)])).value for name in present
    }
    ours = {VENEURPY.name}
    bars = tuple(
        Bar(name, costs[name], name in ours) for name in sorted(costs, key=costs.__getitem__)
    )
    return Chart(
        f"peers-{case.name}",
        f"CPU time a datagram, {case.what}",
        f"µs of the receiver, {case.rate:,.0f} datagrams/s; less is better",
        bars,
    )
