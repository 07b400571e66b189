"""Hosts, three owners and a proxy say what one process says that has seen everything.

A host for each way to the owners, ten hosts with VENEURPY_RECOVERY=long.
"""

from __future__ import annotations

import math
import os
import random
import socket
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

import pytest

from tests.chaos.fleet import WAYS, Fleet, fleet
from tests.chaos.oracle import Published
from tests.chaos.process import Node
from tests.engines import needs_native

pytestmark = [needs_native, pytest.mark.timeout(120)]

SEED = 20
HOSTS = 10 if os.environ.get("VENEURPY_RECOVERY") == "long" else len(WAYS)
INTERVAL_S = 2
ATTEMPTS = 5
TIMES = 300
"""Samples of the timer, from each host."""
MEMBERS = 400
KNOWN = 5000
"""How many different members there may be."""
RANK_ERROR = 0.01
"""Of a digest of compression 100, merged from many: see docs/accuracy.md."""
ESTIMATE_ERROR = 0.03
PERCENTILES = (0.5, 0.99)


def lines(rng: random.Random, run: int) -> list[bytes]:
    """What one host is sent: samples of every kind that is published by an owner."""
    tag = f"run:{run}"
    made = [f"hits:{rng.randrange(1, 9)}|c|@0.3|#veneurglobalonly,{tag}" for _ in range(100)]
    made += [f"time:{rng.lognormvariate(3, 1):.3f}|ms|#{tag}" for _ in range(TIMES)]
    made += [
        f"whole:{rng.lognormvariate(3, 1):.3f}|h|#veneurglobalonly,{tag}" for _ in range(TIMES)
    ]
    made += [f"users:{rng.randrange(KNOWN)}|s|#{tag}" for _ in range(MEMBERS)]
    made += [f"few:{rng.randrange(40)}|s|#{tag}" for _ in range(20)]
    made.append(f"echo:1|c|#{tag}")
    rng.shuffle(made)
    return [line.encode() for line in made]


def values(sent: Sequence[bytes], name: bytes) -> list[float]:
    """The samples of a timer, sorted."""
    return sorted(
        float(line[len(name) + 1 :].split(b"|")[0]) for line in sent if line.startswith(name)
    )


def send(node: Node, sent: Sequence[bytes]) -> None:
    """A few lines to a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for at in range(0, len(sent), 20):
            client.sendto(b"\n".join(sent[at : at + 20]), ("127.0.0.1", node.port))


def wait_for_an_interval() -> None:
    """Returns when one has just begun."""
    time.sleep(INTERVAL_S - time.time() % INTERVAL_S + 0.05)


def of_run(published: Published, run: int) -> dict[str, Mapping[tuple[str, int], float]]:
    """By name, the values of a run."""
    return {
        name: pieces for (name, tags), pieces in published.values.items() if tags == (f"run:{run}",)
    }


def each(pieces: Mapping[tuple[str, int], float], names: set[str]) -> list[float]:
    """The values in the files of these nodes."""
    return [value for (name, _), value in pieces.items() if name in names]


def value_of(pieces: Mapping[tuple[str, int], float], names: set[str]) -> float:
    """The one value in the files of these nodes; nan if there is none."""
    (value,) = each(pieces, names) or [math.nan]
    return value


def received_at_once(nodes: Fleet, alone: Node) -> tuple[int, list[bytes], Published]:
    """Sends until all that was sent at a time was received in one interval everywhere.

    Returns which run that was, its lines, and what has been published.
    """
    for run in range(ATTEMPTS):
        rng = random.Random(SEED + run)
        sent = {host.name: lines(rng, run) for host in nodes.hosts}
        wait_for_an_interval()
        for host in nodes.hosts:
            send(host, sent[host.name])
            send(alone, sent[host.name])
        nodes.settle()
        published = Published.of(nodes.nodes, INTERVAL_S * 1000)
        found = of_run(published, run)
        if all(len({start for _, start in pieces}) == 1 for pieces in found.values()):
            return run, [line for each in sent.values() for line in each], published
    raise AssertionError("this machine is too slow: no interval had all that was sent at once")


def ranks(ordered: Sequence[float], value: float) -> tuple[float, float]:
    """Which quantiles a value is."""
    count = len(ordered)
    return bisect_left(ordered, value) / count, bisect_right(ordered, value) / count


def test_a_fleet_says_what_one_process_says() -> None:
    """Percentiles and unique counts within the sketches' bounds, everything else exactly."""
    print(f"seed {SEED}")
    settings = {"interval": f"{INTERVAL_S}s", "percentiles": list(PERCENTILES)}
    with fleet(hosts=HOSTS, owners=3, proxy=True, settings=settings) as nodes:
        alone = nodes.add_standalone("alone")
        nodes.begin()
        run, samples, published = received_at_once(nodes, alone)
        forwarded = [host.get("/api/v1/status")["forward"]["accounts"] for host in nodes.hosts]
        taken = [owner.get("/api/v1/status")["owner"]["accounts"] for owner in nodes.owners]
    found = of_run(published, run)
    one = {name: value_of(pieces, {"alone"}) for name, pieces in found.items()}
    owners = {owner.name for owner in nodes.owners}
    many = {name: value_of(pieces, owners) for name, pieces in found.items()}

    for name in ("hits", "whole.count", "whole.sum", "whole.min", "whole.max", "few"):
        assert one[name] == pytest.approx(many[name], rel=1e-12), name
    assert one["users"] == pytest.approx(many["users"], rel=ESTIMATE_ERROR)
    for name in ("time", "whole"):
        ordered = values(samples, name.encode())
        for quantile, suffix in zip(PERCENTILES, ("50", "99"), strict=True):
            for said in (one, many):
                low, high = ranks(ordered, said[f"{name}.{suffix}percentile"])
                assert low - RANK_ERROR <= quantile <= high + RANK_ERROR, (name, suffix)
    # Hosts publish what of a timer is theirs; together that is what the one process says.
    hosts = {host.name for host in nodes.hosts}
    assert one["time.count"] == sum(each(found["time.count"], hosts))
    assert one["time.max"] == max(each(found["time.max"], hosts))
    # Passed on by the proxy or by another owner, a batch stays that of its host.
    for unit in ("batches", "samples"):
        sent = sum(said["encoded"][unit] for said in forwarded)
        sent += sum(said["pieces"][unit] - said["divided"][unit] for said in forwarded)
        assert sent == sum(said["sealed"][unit] for said in taken)
