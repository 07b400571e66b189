"""How long does a reader ever keep datagrams waiting?"""

from __future__ import annotations

import socket
import time

from benchmarks.answers import Answer, Figure, Target
from benchmarks.feeding import rotate
from benchmarks.histograms import added, octaves, quantile_ms
from benchmarks.load import Load, finish, start_sending
from benchmarks.process import udp_drops, udp_queued_bytes
from benchmarks.questions.interval_to_columns import PLAN
from benchmarks.receivers import RCVBUF_BYTES, bare
from benchmarks.windows import wait_until_read
from veneurpy.engine import EngineOptions
from veneurpy.engine.native.engine import NativeEngine

SERIES = 1_000_000
INTERVALS = 3
LINES_EACH = 20
RATE = 12_500
LOAD = Load(series=SERIES, lines_each=LINES_EACH, in_sequence=True)
INTERVAL_S = SERIES / (RATE * LINES_EACH)
WITHIN_MS = 5

METHOD = f"""\
A reader of the native engine receives {RATE * LINES_EACH:,} lines/s in datagrams of
{LINES_EACH}, each line of a series that the interval has not seen, from none to {SERIES:,};
then the engine is rotated, and while the columns of that interval are computed the next one
does the same, {INTERVALS} times. Page reservation, growth of the table, rotation and the flush
beside it all fall into that. Each batch of datagrams counts, with the time from its arrival
until all of it was applied. `bare` is sent the same just after and is as busy: with each batch it
looks at the clock for as long as the engine's batches took at the median, so that a shared machine
takes as much away from it. Times are known to an eighth, and the larger bound is shown. The batches
of all rounds are put together."""


def busy_of_engine() -> tuple[list[int], int]:
    """The histogram of a fresh engine's reader, and the kernel's drops."""
    options = EngineOptions(store_max_bytes=2 << 30)
    engine = NativeEngine(options, start_ms=time.time_ns() // 1_000_000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RCVBUF_BYTES)
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        reader = engine.attach(sock.fileno(), "bench")
        start_s = time.monotonic()
        seconds = INTERVALS * INTERVAL_S
        sender = start_sending(LOAD, port, rate=RATE, seconds=seconds)
        for number in range(1, INTERVALS + 1):
            time.sleep(max(0.0, start_s + number * INTERVAL_S - time.monotonic()))
            interval = rotate(engine)
            interval.columns(PLAN)
            interval.release()
        finish(sender)
        while udp_queued_bytes(port):
            time.sleep(0.005)
        reader.stop(5.0)
        drops = udp_drops(port)
        busy = reader.busy
    engine.close()
    return busy, drops


def busy_of_bare(spin_ns: int) -> list[int]:
    """The same of the yardstick, which is busy for so long with each batch."""
    with bare(spin_ns=spin_ns) as receiver:
        seconds = INTERVALS * INTERVAL_S
        finish(start_sending(LOAD, receiver.port, rate=RATE, seconds=seconds))
        wait_until_read(receiver)
    return list(receiver.said["busy"])


def measure(rounds: int) -> Answer:
    """Answers it."""
    ours, theirs, drops = [], [], []
    for _ in range(rounds):
        busy, dropped = busy_of_engine()
        ours.append(busy)
        drops.append(float(dropped))
        theirs.append(busy_of_bare(round(1e6 * quantile_ms(busy, 0.5))))
    engine, yardstick = added(ours), added(theirs)
    within = Target("<=", WITHIN_MS)
    figures = []
    for what, quantile in (("p99.99", 0.9999), ("longest", 1.0)):
        times = [quantile_ms(histogram, quantile) for histogram in (engine, yardstick)]
        figures.append(Figure(f"{what}, above that of bare", "ms", (times[0] - times[1],), within))
        figures += [
            Figure(f"{what}, {name}", "ms", (time_ms,))
            for name, time_ms in zip(("veneurpy", "bare"), times, strict=True)
        ]
    figures += histogram_figures("veneurpy", engine) + histogram_figures("bare", yardstick)
    figures.append(Figure("veneurpy", "kernel drops", tuple(drops)))
    return Answer("Stalls of a reader", METHOD, tuple(figures))


def histogram_figures(name: str, histogram: list[int]) -> list[Figure]:
    """The histogram as a table."""
    return [
        Figure(f"below {bound:.3g} ms", f"batches of {name}", (float(count),))
        for bound, count in octaves(histogram)
    ]
