"""The real functions of three tiers, over seeded schedules of failures.

VENEURPY_SCHEDULES says how many are run; the first seed that fails is printed with its last steps.
"""

from __future__ import annotations

import pytest

from tests.model import chain
from tests.model.chain import ChainWorld
from tests.model.chain_mutants import MUTANTS
from tests.model.simulation import Violation
from tests.model.test_simulation import BLOCKS, MOST_FOR_A_MUTANT, SCHEDULES, explain


@pytest.mark.timeout(0)
@pytest.mark.parametrize("is_patient", [False, True], ids=["impatient", "patient"])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_top_has_what_hosts_sent(block: int, is_patient: bool) -> None:
    """Every series and interval is whole above, once, or is accounted for where it was lost."""
    for seed in range(block, SCHEDULES // 2, BLOCKS):
        world = ChainWorld(seed, is_patient=is_patient)
        try:
            world.run()
            chain.check(world)
        except Exception as exc:
            exc.add_note(explain(world, seed))
            raise


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_left_out_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule of a chain is needed: without it some schedule breaks the promise."""
    MUTANTS[name](monkeypatch)
    for seed in range(MOST_FOR_A_MUTANT):
        for is_patient in (False, True):
            world = ChainWorld(seed, is_patient=is_patient)
            try:
                world.run()
                chain.check(world)
            except Violation:
                return
    pytest.fail(f"{MOST_FOR_A_MUTANT} schedules have not seen it")
