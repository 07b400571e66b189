"""Chaos, briefly: what `make soak` does for 200 rounds."""

from __future__ import annotations

import pytest

from tests.chaos.disk import can_mount
from tests.chaos.rounds import run
from tests.engines import needs_native

pytestmark = [needs_native, pytest.mark.timeout(240)]

ROUNDS = 2


@pytest.mark.parametrize("seed", [1])
def test_nothing_is_lost_or_counted_twice(seed: int) -> None:
    """After every round each interval of each series has what was sent, or a ledger names it."""
    outcome = run(seed=seed, rounds=ROUNDS, hosts=2, owners=2)
    print("\n".join(outcome.history))
    assert [] == outcome.failures
    assert ROUNDS == outcome.rounds


def test_a_disk_can_be_full() -> None:
    """Where this process may mount, disks are filled too; elsewhere it is said."""
    if not can_mount():
        pytest.skip("no disk is filled here: only root can mount a small one")
