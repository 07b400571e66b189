"""The protocol in bounded form, exhaustively: it holds, and with any rule left out it does not."""

from __future__ import annotations

import os
from typing import get_args

import pytest

from tests.model import epochs, ring
from tests.model.explorer import explore

IS_LONG = bool(os.environ.get("VENEURPY_SCHEDULES"))
CRASHES = 2 if IS_LONG else 1


@pytest.mark.timeout(0)
@pytest.mark.parametrize("adds", [False, True], ids=["overwriting", "adding"])
def test_the_ring_holds(adds: bool) -> None:
    """Every batch is in the sink once, or is named; an end can be reached from everywhere."""
    model = ring.Ring(host_crashes=CRASHES, owner_crashes=CRASHES, adds=adds)
    verdict = explore(model.protocol)
    assert () == verdict.trace
    assert verdict.holds, verdict


@pytest.mark.parametrize("mutation", get_args(ring.Mutation))
def test_the_ring_needs_every_rule(mutation: ring.Mutation) -> None:
    """Some schedule shows what each rule is for."""
    adds = mutation in ("rows, then identities", "send to any owner")
    ages = mutation == "forget identities early"
    # These two need no crash, and have many states.
    crashes = 0 if ages or mutation == "send to any owner" else 1
    model = ring.Ring(mutation, adds=adds, ages=ages, host_crashes=crashes, owner_crashes=crashes)
    assert not explore(model.protocol).holds


def test_a_change_of_the_ring_holds() -> None:
    """Every interval has one owner, whoever has learned of the change and when."""
    assert explore(epochs.Change().protocol).holds


@pytest.mark.parametrize("mutation", get_args(epochs.Mutation))
def test_a_change_of_the_ring_needs_every_rule(mutation: epochs.Mutation) -> None:
    """Some schedule shows what each rule is for."""
    assert not explore(epochs.Change(mutation).protocol).holds
