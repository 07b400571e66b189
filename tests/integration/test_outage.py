"""A global tier that is not there for many intervals: fifty with VENEURPY_RECOVERY=long."""

from __future__ import annotations

import os
import time

import pytest

from benchmarks.process import rss_bytes
from tests.chaos.fleet import INTERVAL_S, Fleet, fleet
from tests.chaos.oracle import Published
from tests.chaos.process import Node
from tests.chaos.workload import ALL, ECHO, workload
from tests.engines import needs_native

pytestmark = [needs_native, pytest.mark.timeout(180)]

LOST = ("rejected", "given_up", "in_doubt")
IS_LONG = os.environ.get("VENEURPY_RECOVERY") == "long"
OUTAGE_INTERVALS = 50 if IS_LONG else 15
MEMORY_BYTES = 24 << 20
"""What a host may grow by meanwhile: nothing waits in it."""
DISK_BYTES = 8 << 20
"""What so many intervals of twenty series may take."""


def state_bytes(node: Node) -> int:
    """What its state_dir takes."""
    return sum(path.stat().st_size for path in node.state.iterdir() if path.is_file())


def intervals_without(nodes: Fleet, count: int) -> None:
    """Returns when every host has closed so many more intervals."""
    ends = {host.name: host.get("/api/v1/ledger")["intervals"] + count for host in nodes.hosts}
    while any(host.get("/api/v1/ledger")["intervals"] < ends[host.name] for host in nodes.hosts):
        time.sleep(INTERVAL_S / 2)


def test_an_outage_of_the_global_tier_leaves_no_gap() -> None:
    """Afterwards every interval has what was received in it, and hosts have stayed small."""
    with fleet(hosts=2, owners=2, proxy=False) as nodes, workload(nodes.hosts) as load:
        nodes.begin()
        load.resume()
        intervals_without(nodes, 5)
        for owner in nodes.owners:
            owner.kill()
        rss = {host.name: rss_bytes(host.pid) for host in nodes.hosts}
        intervals_without(nodes, OUTAGE_INTERVALS)
        waiting = [
            host.get("/api/v1/status")["forward"]["accounts"]["pending"] for host in nodes.hosts
        ]
        grown = [rss_bytes(host.pid) - rss[host.name] for host in nodes.hosts]
        kept = [state_bytes(host) for host in nodes.hosts]
        nodes.begin()
        intervals_without(nodes, 5)
        load.pause()
        nodes.settle()
        published = Published.of(nodes.nodes, round(INTERVAL_S * 1000))
        said = [host.get("/api/v1/status")["forward"]["accounts"] for host in nodes.hosts]
    received, owned = published.by_interval((ECHO, ())), published.by_interval((ALL, ()))
    assert len(received) > OUTAGE_INTERVALS
    assert received == owned
    assert all(each["batches"] >= OUTAGE_INTERVALS for each in waiting)
    assert [{}] * 6 == [each[word] for each in said for word in LOST]
    assert max(grown) < MEMORY_BYTES
    assert max(kept) < DISK_BYTES
