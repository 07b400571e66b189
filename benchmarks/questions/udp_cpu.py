"""What does a datagram cost the daemon, beside a loop that only counts it?"""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.answers import Answer, Figure, Target, ratios
from benchmarks.daemon import running_daemon
from benchmarks.load import Load
from benchmarks.receivers import RCVBUF_BYTES, bare, python_counter
from benchmarks.windows import WARM_S, WINDOW_S, Windows

RATE = 100_000

COUNTERS = Load(mix="counters")

CASES = (
    ("counters, 1,000 series", COUNTERS, Target("<=", 1.3)),
    ("mix, 1,000 series", Load(), None),
    ("mix, 100,000 series", Load(series=100_000), None),
)

METHOD = f"""\
{RATE:,} datagrams/s over loopback, one metric each, sent in bursts of 16. The receiver runs all
the time; after {WARM_S:g} s of load its CPU time (user and system, all threads) is read, a
window of {WINDOW_S:g} s is sent, and the CPU time is read again when the socket is empty. That
is divided by the datagrams sent less those that the kernel dropped. The daemon has one reader,
`blackhole` as its sink, an interval of 10 s (a flush that falls into a window is part of it) and
its HTTP listener open; every receiver asks for a socket buffer of {RCVBUF_BYTES >> 20} MiB.
`bare` is a blocking recvmmsg loop that only counts; each case is measured immediately after a
window of `bare`. `bare_coalesced` sleeps 1 ms after a batch that was not full."""

SETTINGS = {
    "interval": "10s",
    "num_readers": 1,
    "metric_sinks": [{"kind": "blackhole", "name": "blackhole"}],
}


def measure(rounds: int) -> Answer:
    """Answers it."""
    windows = Windows(RATE)
    with ExitStack() as stack:
        counting = stack.enter_context(bare())
        coalesced = stack.enter_context(bare(sleep_us=1000))
        daemon = stack.enter_context(running_daemon(SETTINGS))
        asyncio_counter = stack.enter_context(python_counter("asyncio"))
        uvloop_counter = stack.enter_context(python_counter("uvloop"))
        for _ in range(rounds):
            for what, load, _ in CASES:
                windows.take(f"bare before {what}", counting, COUNTERS)
                windows.take(what, daemon, load)
            windows.take("bare", counting, COUNTERS)
            windows.take("bare_coalesced", coalesced, COUNTERS)
            windows.take("Python, asyncio, only counting", asyncio_counter, COUNTERS)
            windows.take("Python, uvloop, only counting", uvloop_counter, COUNTERS)
    return Answer("UDP over loopback", METHOD, tuple(figures_of(windows)))


def figures_of(windows: Windows) -> list[Figure]:
    """Ratios first, then what they are made of."""
    cpu_us = windows.cpu_us
    others = [what for what in cpu_us if what.startswith(("bare_", "Python"))]
    figures = [
        ratios(what, cpu_us[what], cpu_us[f"bare before {what}"], "× bare", target)
        for what, _, target in CASES
    ]
    figures += [
        ratios(what, cpu_us[what], cpu_us["bare_coalesced"], "× bare_coalesced")
        for what, _, _ in CASES
    ]
    figures += [ratios(what, cpu_us[what], cpu_us["bare"], "× bare") for what in others]
    shown = [*(what for what, _, _ in CASES), "bare", *others]
    figures += [Figure(what, "µs CPU a datagram", tuple(cpu_us[what])) for what in shown]
    return figures + [Figure(what, "kernel drops", tuple(windows.drops[what])) for what in shown]
