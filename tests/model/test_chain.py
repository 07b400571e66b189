"""The real functions of three tiers, over seeded schedules of failures."""

from __future__ import annotations

import pytest

from tests.model import chain
from tests.model.chain import ChainWorld
from tests.model.chain_mutants import MUTANTS
from tests.model.schedules import BLOCKS, FEW, SCHEDULES, each_holds, some_fails


@pytest.mark.timeout(0)
@pytest.mark.parametrize("is_patient", [False, True], ids=["impatient", "patient"])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_top_has_what_hosts_sent(block: int, is_patient: bool) -> None:
    """Every series and interval is whole above, once, or is accounted for where it was lost."""
    each_holds(ChainWorld, chain.check, block, SCHEDULES // 2, is_patient=is_patient)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_left_out_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule of a chain is needed: without it some schedule breaks the promise."""
    MUTANTS[name](monkeypatch)
    some_fails(ChainWorld, chain.check, FEW // 2)
