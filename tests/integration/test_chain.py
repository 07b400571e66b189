"""Hosts, owners of zones that pass on, and owners above them, in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import needs_native
from tests.integration.tiers import NAMES, NewNode, Tiers, check_counters
from tests.nodes import nodes
from tests.waiting import wait_until

pytestmark = [needs_native, pytest.mark.timeout(120)]

UNITS = ("batches", "samples")


@pytest.fixture
def new_node() -> Iterator[NewNode]:
    with nodes() as new:
        yield new


def test_three_tiers_say_what_was_sent(tmp_path: Path, new_node: NewNode) -> None:
    """Each series once, by the upper tier; what hosts and zones received of their own stays there.

    The samples that a tier has sealed are those that the tier below has sent. Zones say which of
    the windows above them, all as they are preset, is too short.
    """
    tiers = Tiers(tmp_path, new_node, tops=["t1", "t2"])
    for host in tiers.hosts:
        host.send("t:1|ms", "t:5|ms", "t:9|ms", "u:a|s", f"u:{host.folder.name}|s", "here:1|c")
        host.send(*(f"{name}:1|c|#veneurglobalonly" for name in NAMES))
    tiers.zones[0].send("c0:1|c|#veneurglobalonly", "here:1|c", "t:5|ms")
    wait_until(
        lambda: (
            all(tiers.sum(name) >= 2 for name in NAMES[1:])
            and tiers.sum("c0") == 3
            and tiers.is_settled
        ),
        "it did not arrive",
    )
    assert [2] * 11 == [tiers.sum(name) for name in NAMES[1:]]
    above = {series.name for node in tiers.tops for series in node.latest()}
    assert above >= {"t.50percentile", "u", *NAMES}
    assert "here" not in above
    assert [{"here", "t.max", "t.min", "t.count"}, set()] == [
        {series.name for series in zone.latest()} for zone in tiers.zones
    ]
    assert [] == tiers.broken()
    short = [("t1", "accept_window"), ("t1", "late_window")]
    short += [("t2", "accept_window"), ("t2", "late_window")]
    for zone in tiers.zones:
        told = [(line["owner"], line["key"]) for line in zone.daemon.logged("window_short")]
        assert short == sorted(told)
        shown = zone.status()["chain"]["short_windows"]
        assert short == sorted((each["owner"], each["key"]) for each in shown)
    for unit in UNITS:
        sealed = [each["sealed"][unit] for each in tiers.accounts(tiers.zones, "owner")]
        sent = [
            each["encoded"][unit]
            for each in tiers.accounts([*tiers.hosts, *tiers.zones], "forward")
        ]
        assert sum(sent) == sum(sealed)
        passed_on = [each["encoded"][unit] for each in tiers.accounts(tiers.zones, "chain")]
        taken = [each["sealed"][unit] for each in tiers.accounts(tiers.tops, "owner")]
        own = [each["encoded"][unit] for each in tiers.accounts(tiers.tops, "forward")]
        assert sum(passed_on) + sum(own) == sum(taken)
    samples = [each["encoded"]["samples"] for each in tiers.accounts(tiers.zones, "chain")]
    assert sum(samples) == sum(
        each["sealed"]["samples"] for each in tiers.accounts(tiers.zones, "owner")
    )


def test_deaths_in_the_middle_lose_nothing(tmp_path: Path, new_node: NewNode) -> None:
    """Owners of the zone and one above are killed while it goes through them, one of them twice.

    Each interval has what was received in it, at its own time.
    """
    tiers = Tiers(tmp_path, new_node, tops=["t1"])
    lines = ["here:1|c", *(f"{name}:1|c|#veneurglobalonly" for name in NAMES)]
    sent = 0
    for dying in (tiers.zones[0], tiers.tops[0], tiers.zones[1], tiers.zones[0]):
        for _ in range(10):
            for host in tiers.hosts:
                host.send("\n".join(lines))
            sent += len(tiers.hosts)
        before = sum(each["encoded"]["batches"] for each in tiers.accounts(tiers.hosts, "forward"))
        wait_until(
            lambda before=before: (
                sum(each["encoded"]["batches"] for each in tiers.accounts(tiers.hosts, "forward"))
                > before
            ),
            "nothing was encoded",
        )
        dying.kill()
        dying.start()
    check_counters(tiers, sent)
