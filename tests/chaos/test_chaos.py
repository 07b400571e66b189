"""Chaos, briefly: `make soak` does it for 200 rounds, and VENEURPY_RECOVERY=long for more cases."""

from __future__ import annotations

import os

import pytest

from tests.chaos.disk import can_mount
from tests.chaos.fleet import fleet
from tests.chaos.oracle import verdicts
from tests.chaos.rounds import INTERVAL_MS, Watch, run, small_disks
from tests.chaos.workload import workload
from tests.engines import needs_native
from tests.waiting import wait_until

pytestmark = [needs_native, pytest.mark.timeout(240)]

IS_LONG = os.environ.get("VENEURPY_RECOVERY") == "long"
ROUNDS = 2
FULL_DISKS: dict[str, tuple[bool, tuple[int, ...]]] = {
    "": (False, ()),
    "in a zone, and kills": (True, (1,)),
    **({"and kills": (True, ())} if IS_LONG else {}),
}
"""Whether there are kills, and the zones."""
FULL_INTERVALS = 5
CLOSE_S = 60.0


@pytest.mark.parametrize(
    ("seed", "zones"), [(1, ()), (2, (1, 1))], ids=["one tier", "zones and a tier above"]
)
def test_nothing_is_lost_or_counted_twice(seed: int, zones: tuple[int, ...]) -> None:
    """After every round each interval of each series has what was sent, or a ledger names it."""
    outcome = run(seed=seed, rounds=ROUNDS, hosts=2, owners=2, zones=zones)
    print("\n".join(outcome.history))
    assert [] == outcome.failures
    assert ROUNDS == outcome.rounds


@pytest.mark.skipif(not can_mount(), reason="no disk is filled here: only root can mount one")
@pytest.mark.parametrize(("kills", "zones"), FULL_DISKS.values(), ids=FULL_DISKS)
def test_full_disks_delay_and_lose_nothing(kills: bool, zones: tuple[int, ...]) -> None:
    """An owner and a host whose disks have been full publish what came meanwhile.

    Also if each is killed while its disk is full, and the next process begins with that; and with
    an owner between them that passes on.
    """
    with (
        fleet(hosts=1, owners=1, proxy=False, zones=zones) as nodes,
        small_disks(nodes) as disks,
        workload(nodes.hosts) as load,
    ):
        nodes.begin()
        watch = Watch(nodes)
        (host,) = nodes.hosts

        def closes(intervals: int) -> None:
            last = host.get("/api/v1/ledger")["intervals"] + intervals
            wait_until(
                lambda: host.get("/api/v1/ledger")["intervals"] >= last, "it closes", CLOSE_S
            )

        load.resume()
        for name, disk in disks.items():
            closes(2)
            disk.fill()
            closes(FULL_INTERVALS)
            if kills:
                next(node for node in nodes.nodes if node.name == name).kill()
                nodes.begin()
                closes(2)
            disk.empty()
        load.pause()
        nodes.settle()
        found = [*verdicts(nodes, load, watch.named(), INTERVAL_MS), watch.balanced()]
        full = [line for node in nodes.nodes for line in node.logged("spool_failed")]
    assert [] == [each for each in found if not each.holds]
    assert full
