"""How fast are lines taken from connections and Unix sockets?"""

from __future__ import annotations

import json
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.answers import Answer, Figure, Target, ratios
from benchmarks.c_loop import REFERENCE_RATE, c_loop_rate
from benchmarks.daemon import Daemon, free_port, running_daemon
from benchmarks.load import Load, write_lines
from benchmarks.process import cpu_s
from benchmarks.receivers import bare

LINES = 1_000_000
EACH = 20
DATAGRAMS = 100_000
DATAGRAMS_A_SECOND = 50_000
BURST = 16
MANY = 100
PACE = 1_500_000.0
PATIENCE_S = 60.0
TARGET = Target(">=", 1.5)
TO_BARE = Target("<=", 1.2)

METHOD = f"""\
{LINES:,} counters over 1,000 series, {EACH} lines to a write (some 1,400 bytes): by one connection,
as fast as the daemon takes them; "framed" with a length before each {EACH}; and by {MANY}
connections in turn at {PACE / 1e6:g} M lines/s, so that hardly two writes are read at once. The
daemon's CPU time (user and system, all threads) while it takes them gives the lines/s of one core,
scaled to a machine on which `c_loop` takes {REFERENCE_RATE / 1e6:g} M lines/s. Unix datagrams are
of one line, {DATAGRAMS:,} of them at {DATAGRAMS_A_SECOND:,}/s in bursts of {BURST}; `bare` is a
blocking recvmmsg loop on such a socket that only counts, measured immediately before."""


@dataclass(frozen=True, slots=True)
class Case:
    """A way in."""

    what: str
    scheme: str
    is_framed: bool = False
    connections: int = 1
    lines_a_second: float = 0.0
    """0: as fast as the daemon takes them."""


CASES = (
    Case("tcp", "tcp"),
    Case("unix stream", "unix"),
    Case("unix stream, framed", "unix", is_framed=True),
    Case(f"tcp, {MANY} connections", "tcp", connections=MANY, lines_a_second=PACE),
    Case(f"unix stream, {MANY} connections", "unix", connections=MANY, lines_a_second=PACE),
)


@contextmanager
def listening() -> Iterator[tuple[Daemon, dict[str, str | tuple[str, int]]]]:
    """A daemon, and where it takes what by scheme."""
    with TemporaryDirectory() as folder:
        port = free_port(socket.SOCK_STREAM)
        places: dict[str, str | tuple[str, int]] = {
            "tcp": ("127.0.0.1", port),
            "unix": f"{folder}/stream",
            "unixgram": f"{folder}/datagrams",
        }
        urls = [f"tcp://127.0.0.1:{port}"]
        urls += [f"{scheme}://{places[scheme]}" for scheme in ("unix", "unixgram")]
        settings = {
            "interval": "10s",
            "statsd_listen_addresses": urls,
            "metric_sinks": [{"kind": "blackhole"}],
        }
        with running_daemon(settings, folder=Path(folder)) as daemon:
            yield daemon, places


def measure(rounds: int) -> Answer:
    """Answers it."""
    rates: dict[str, list[float]] = defaultdict(list)
    scaled: dict[str, list[float]] = defaultdict(list)
    cpu_us: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder, listening() as (daemon, places), ExitStack() as stack:
        lines = Path(folder, "lines")
        write_lines(Load(mix="counters"), lines, LINES)
        bare_at = f"{folder}/bare"
        counting = stack.enter_context(bare(unix_path=bare_at))
        writes = writes_of(lines.read_bytes())
        framed = [len(each).to_bytes(4, "little") + each for each in writes]
        datagrams = lines.read_bytes().splitlines()[:DATAGRAMS]
        for _ in range(rounds):
            for case in CASES:
                yardstick = c_loop_rate(lines, series=1000, work="counters")
                pieces = framed if case.is_framed else writes
                rate = stream_rate(daemon, case, places[case.scheme], pieces)
                rates[case.what].append(rate / 1e6)
                scaled[case.what].append(rate / 1e6 * REFERENCE_RATE / yardstick)
            place = places["unixgram"]
            cpu_us["bare"].append(datagram_cost(counting.pid, bare_at, datagrams))
            cpu_us["unix datagrams"].append(datagram_cost(daemon.pid, place, datagrams))
    figures = [Figure(c.what, "M lines/s, scaled", tuple(scaled[c.what]), TARGET) for c in CASES]
    figures.append(
        ratios("unix datagrams", cpu_us["unix datagrams"], cpu_us["bare"], "× bare", TO_BARE)
    )
    figures += [Figure(case.what, "M lines/s", tuple(rates[case.what])) for case in CASES]
    figures += [Figure(name, "µs CPU a datagram", tuple(cost)) for name, cost in cpu_us.items()]
    return Answer("Connections and Unix sockets", METHOD, tuple(figures))


def writes_of(text: bytes) -> list[bytes]:
    """The lines in pieces of EACH."""
    lines = text.splitlines(keepends=True)
    return [b"".join(lines[at : at + EACH]) for at in range(0, len(lines), EACH)]


def stream_rate(
    daemon: Daemon, case: Case, place: str | tuple[str, int], writes: list[bytes]
) -> float:
    """Lines per CPU second of the daemon."""
    wanted = lines_taken(daemon) + LINES
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    with ExitStack() as stack:
        peers = [
            stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            for _ in range(case.connections)
        ]
        for peer in peers:
            peer.connect(place)
        before_s = cpu_s(daemon.pid)
        send_in_turn(peers, writes, case.lines_a_second)
        wait_for_lines(daemon, wanted)
        return LINES / (cpu_s(daemon.pid) - before_s)


def send_in_turn(peers: list[socket.socket], writes: list[bytes], lines_a_second: float) -> None:
    """Each write by the next connection, in bursts where there is a pace."""
    start_s = time.monotonic()
    for number, each in enumerate(writes):
        peers[number % len(peers)].sendall(each)
        if lines_a_second and number % BURST == 0:
            due_s = start_s + number * EACH / lines_a_second
            if (left_s := due_s - time.monotonic()) > 0:
                time.sleep(left_s)


def wait_for_lines(daemon: Daemon, wanted: int) -> None:
    """Returns when its accounts have so many."""
    give_up_s = time.monotonic() + PATIENCE_S
    while lines_taken(daemon) < wanted:
        if time.monotonic() > give_up_s:
            raise RuntimeError("the daemon has not taken every line")
        time.sleep(0.05)


def datagram_cost(pid: int, place: object, datagrams: list[bytes]) -> float:
    """CPU microseconds of the receiver for each."""
    assert isinstance(place, str)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.connect(place)
        before_s, start_s = cpu_s(pid), time.monotonic()
        for at in range(0, len(datagrams), BURST):
            for each in datagrams[at : at + BURST]:
                peer.send(each)
            time.sleep(max(0.0, start_s + (at + BURST) / DATAGRAMS_A_SECOND - time.monotonic()))
        time.sleep(0.05)
    return 1e6 * (cpu_s(pid) - before_s) / len(datagrams)


def lines_taken(daemon: Daemon) -> int:
    """Of all listeners since the start."""
    status = json.loads(daemon.get("/api/v1/status"))
    closed = sum(listener["lines"] for listener in status["listeners"])
    opened = sum(each["lines"] for each in status["open_interval"]["listeners"].values())
    return int(closed + opened)
