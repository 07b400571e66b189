"""Is letting datagrams gather ever worse than reading each as it comes? How many can be taken?"""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.answers import Answer, Figure, Target, none_dropped, ratios
from benchmarks.charts import Bar, Chart
from benchmarks.daemon import running_daemon
from benchmarks.load import Load
from benchmarks.questions.udp_cpu import INTERVAL_S, PACKED_COUNTERS, PACKED_MANY, Mode, settings_of
from benchmarks.windows import WINDOW_S, Windows

LOW_RATES = (5_000, 10_000)
"""A window has few datagrams then: it is taken twice a round."""
RATES = (*LOW_RATES, 25_000, 50_000, 100_000, 200_000)
FLAT_OUT = 0
MODES: tuple[Mode, ...] = ("blocking", "coalescing")
RCVBUF_BYTES = 16 << 20
"""As high rates need: what the kernel holds while a shared machine lets the reader wait."""
MIX = Load()
PACKED = {
    "counters, 1,000 series, 20 a datagram": PACKED_COUNTERS,
    "mix, 100,000 series, 20 a datagram": PACKED_MANY,
}

METHOD = f"""\
As above, in windows of {WINDOW_S:g} s: the mix over 1,000 series, one metric a datagram, to a
daemon with `coalesce: false` and immediately after to one that lets datagrams gather, at rates
from {RATES[0]:,}/s to all that one core of the load generator can send. Below that, each
datagram costs a wake-up in either case. Then datagrams of 20 metrics, as many as one core can send,
which a third daemon must all take. Each asks for a socket buffer of {RCVBUF_BYTES >> 20} MiB."""


def label(rate: int) -> str:
    """A rate in the tables."""
    return f"{rate:,}/s" if rate else "all that one core sends"


def measure(rounds: int) -> Answer:
    """Answers it."""
    windows = Windows(interval_s=INTERVAL_S)
    more = {"read_buffer_size_bytes": RCVBUF_BYTES}
    with ExitStack() as stack:
        daemons = {
            mode: stack.enter_context(running_daemon({**settings_of(mode), **more}))
            for mode in MODES
        }
        packed = stack.enter_context(running_daemon({**settings_of("coalescing"), **more}))
        for _ in range(rounds):
            for rate in (*RATES, FLAT_OUT):
                for mode in MODES + (MODES[::-1] if rate in LOW_RATES else ()):
                    windows.take(f"{mode}, {label(rate)}", daemons[mode], MIX, rate)
            for what, load in PACKED.items():
                windows.take(what, packed, load, FLAT_OUT)
    return Answer("UDP at any rate", METHOD, figures_of(windows), (chart(windows),))


def figures_of(windows: Windows) -> tuple[Figure, ...]:
    """Ratios, then the highest rates, then drops."""
    labels = [label(rate) for rate in (*RATES, FLAT_OUT)]
    cpu_us, drops = windows.cpu_us, windows.drops
    figures = [
        ratios(
            what,
            cpu_us[f"coalescing, {what}"],
            cpu_us[f"blocking, {what}"],
            "coalescing ÷ blocking",
            Target("<=", 1.05),
        )
        for what in labels
    ]
    flat_out = [f"coalescing, {label(FLAT_OUT)}", *PACKED]
    figures += [
        Figure(what, "M lines/s taken", tuple(rate / 1e6 for rate in windows.taken[what]))
        for what in flat_out
    ]
    gathered = [*(f"coalescing, {what}" for what in labels), *PACKED]
    figures.append(none_dropped(drops, gathered))
    blocked = [f"blocking, {what}" for what in labels]
    return (*figures, *(Figure(what, "kernel drops", tuple(drops[what])) for what in blocked))


def chart(windows: Windows) -> Chart:
    """Pairs of bars, a pair a rate."""
    bars = []
    for rate in (*RATES, FLAT_OUT):
        for mode in MODES:
            name = f"{mode}, {label(rate)}"
            cost = Figure(name, "", tuple(windows.cpu_us[name])).value
            bars.append(Bar(name, cost, mode == "coalescing"))
    unit = "µs of the receiver a datagram; less is better"
    return Chart("rates", "Coalescing at any rate", unit, tuple(bars))
