"""What `veneurpy status` shows of other nodes."""

from __future__ import annotations

from typing import Any

from veneurpy.console.between import between_nodes
from veneurpy.console.summary import broken_equations

NONE: dict[str, Any] = {"rejected": {}, "given_up": {}, "in_doubt": {}}
START_MS = 1_700_000_000_000


def page(**changed: Any) -> dict[str, Any]:
    """A host and owner that has nothing to do."""
    status: dict[str, Any] = {
        "node": "g1",
        "roles": ["owner", "host"],
        "grpc": {"address": "127.0.0.1:8128", "connections": 2},
        "forward": {"epoch": 3, "members": ["g1", "g2"], "owners": [], "accounts": NONE},
        "owner": {
            "open": [],
            "late": [],
            "restoring": 0,
            "sealed": 7,
            "last_sealed_ms": START_MS,
            "hosts_in": 9,
            "hosts_known": 10,
            "failure": "",
            "quarantined": 0,
        },
    }
    return status | changed


def test_a_node_alone_says_nothing() -> None:
    """Neither does a daemon that does not know of others."""
    assert [] == list(between_nodes({"roles": []}))
    assert [] == list(between_nodes({}))


def test_who_and_how_complete() -> None:
    """The roles, the epoch, and how many of the hosts that are known were in the last interval."""
    assert [
        "g1 is owner and host; epoch 3: g1, g2; receives on 127.0.0.1:8128, 2 connections",
        "owner of 7 intervals published, the last 2023-11-14 22:13:20 UTC: 9 of 10 hosts in",
    ] == list(between_nodes(page()))


def test_what_waits_and_what_was_lost() -> None:
    """By owner with its last error, and by reason."""
    lane = {"owner": "g2", "batches": 1, "series": 2000, "samples": 3, "bytes": 4}
    lost = NONE | {"in_doubt": {"crash": {"batches": 1, "samples": 5}}}
    forward = page()["forward"] | {
        "owners": [lane | {"last_error": "no route"}],
        "accounts": lost,
    }
    shown = list(between_nodes(page(forward=forward, owner=None)))
    assert ["g2", "1", "2,000", "3", "4"] == shown[1].splitlines()[1].split()
    assert ["last error of g2: no route", "in doubt (crash): 1 batch, 5 samples"] == shown[2:]


def test_what_late_batches_wait_for() -> None:
    """How many published intervals are being restored, or wait for a batch."""
    _, owner = between_nodes(page(owner=page()["owner"] | {"restoring": 2}))
    assert owner.endswith("in; 2 intervals restored for what comes late")


def test_a_chain() -> None:
    """What was sealed was passed on: to whom, what of it waits or was lost, what may be lost."""
    lane = {"owner": "t2", "batches": 1, "series": 2, "samples": 3, "bytes": 4, "last_error": ""}
    lost = NONE | {"given_up": {"late_window": {"batches": 1, "samples": 5}}}
    chain = {"epoch": 1, "members": ["t1", "t2"], "owners": [lane], "accounts": lost}
    chain["short_windows"] = [{"owner": "t1", "key": "late_window", "needed_s": 630.0}]
    _, owner, tier, waits, given_up, short = between_nodes(page(chain=chain))
    assert owner.startswith("owner of 7 intervals passed on, the last")
    assert "next tier, epoch 1: t1, t2" == tier
    assert ["t2", "1", "2", "3", "4"] == waits.splitlines()[1].split()
    assert "given up (late_window): 1 batch, 5 samples" == given_up
    assert "TOO SHORT at t1: late_window, 630s are needed" == short
    failing = page()["owner"] | {"failure": "disk is full"}
    assert "NOTHING IS PASSED ON: disk" in "".join(between_nodes(page(chain=chain, owner=failing)))


def test_open_and_late_intervals() -> None:
    """Each with what is in it; a disk that takes nothing is said loudly."""
    interval = {"start_ms": START_MS, "hosts": 1, "batches": 2, "series": 3, "samples": 4}
    owner = page()["owner"] | {"open": [interval], "late": [interval], "failure": "disk is full"}
    head, table = list(between_nodes(page(owner=owner)))[1:]
    assert head.endswith("NOTHING IS PUBLISHED: disk is full")
    assert ["open", "late"] == [row.split()[2] for row in table.splitlines()[1:]]


def test_an_equation_between_nodes_that_does_not_hold_is_seen() -> None:
    """It is as bad as one within the node."""
    wrong = {"equation": "forwarded batches", "where": "forward", "encoded": 2}
    wrong |= {"terms": {"done": 1}, "sum": 1, "holds": False}
    ledger = {
        "total": {},
        "last_interval": None,
        "between_nodes": {"forward": {"equations": [wrong]}},
    }
    (said,) = broken_equations(ledger)
    assert "encoded 2 is not done 1 = 1" in said
