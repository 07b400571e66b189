"""Processes that receive under load and are killed at random instants: a smoke test."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.engines import needs_native, rows
from tests.recovery.corpse import options
from veneurpy.engine import Interval, Output, Plan, PointType, Statistic, open_engine

pytestmark = [needs_native, pytest.mark.timeout(1800)]

KILLS = 200 if os.environ.get("VENEURPY_RECOVERY") == "long" else 10
SERIES = 300
BATCH = 64
PLAN = Plan((Output("#count", Statistic.COUNT, PointType.GAUGE),))
RECEIVER = """
import socket, sys, time
from veneurpy.engine import EngineOptions, open_engine
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
sock.bind(("127.0.0.1", 0))
options = EngineOptions(arena_dir=sys.argv[1], store_max_bytes=64 << 20)
engine = open_engine("native", options, start_ms=1)
engine.attach(sock.fileno(), "udp")
print(sock.getsockname()[1], flush=True)
time.sleep(60)
"""


def _datagram(number: int) -> bytes:
    """One sample each of a counter, a gauge and a timer; the last line tells that it was whole."""
    i = number % SERIES
    return b"c%d:1|c\ng:%d|g\nt%d:%d|ms\n_e{1,1}:a|b|#%d" % (i, number + 1, i % 7, number, number)


def _die_under_load(arena_dir: Path, rng: random.Random) -> int:
    """How many datagrams were sent before the end, in their order, over one socket."""
    receiver = subprocess.Popen(
        [sys.executable, "-c", RECEIVER, str(arena_dir)], stdout=subprocess.PIPE, text=True
    )
    with receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        assert receiver.stdout
        sender.connect(("127.0.0.1", int(receiver.stdout.readline())))
        last = rng.randrange(200, 4000)
        for number in range(last):
            sender.send(_datagram(number))
        receiver.send_signal(signal.SIGKILL)
    return last


def _require_prefix(interval: Interval) -> int:
    """How many datagrams were taken whole; of one more there may be the first samples.

    The kernel may have dropped some: which ones came is known by what is last in each.
    """
    found = Counter({row.name: int(row.value) for row in rows(interval.columns(PLAN))})
    ((_, accounts),) = interval.accounts
    numbers = [int(line.rpartition(b"#")[2]) for _, line in interval.side_log]
    assert sorted(set(numbers)) == numbers
    newest = found.pop("g", 0)
    for number in numbers:
        found[f"c{number % SERIES}"] -= 1
        found[f"t{number % SERIES % 7}#count"] -= 1
    more = {name: count for name, count in found.items() if count}
    assert sorted(more.values()) in ([], [1], [1, 1])
    last = numbers[-1] if numbers else -1
    # A counter comes before the gauge: the last of it may be there alone.
    assert newest > last
    assert more or newest == last + 1
    assert 0 == interval.broken
    assert accounts.lost_in_crash <= BATCH
    return len(numbers)


def test_a_killed_process_leaves_a_prefix(tmp_path: Path) -> None:
    """Killed at any instant: what the successor reads is what came up to some sample."""
    sent, taken = [], []
    for seed in range(KILLS):
        sent.append(_die_under_load(tmp_path, random.Random(seed)))
        engine = open_engine("native", options(tmp_path), start_ms=2)
        intervals = engine.recovered()
        assert len(intervals) <= 1
        taken.append(sum(_require_prefix(interval) for interval in intervals))
        for interval in intervals:
            interval.release()
        engine.close()
        assert taken[-1] <= sent[-1]
    print(f"{KILLS} kills: {sum(sent):,} datagrams sent, {sum(taken):,} recovered, 0 torn")
    # Some die before they read anything.
    assert sum(count > 0 for count in taken) > KILLS // 2
