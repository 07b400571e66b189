"""The real functions of the protocol, over thousands of schedules of failures.

VENEURPY_SCHEDULES says how many are run; the first seed that fails is printed with its last steps.
"""

from __future__ import annotations

import os

import pytest

from tests.model import oracle
from tests.model.mutants import MUTANTS
from tests.model.simulation import Violation, World

SCHEDULES = int(os.environ.get("VENEURPY_SCHEDULES", "100"))
MOST_FOR_A_MUTANT = 60
BLOCKS = 4


def explain(world: World, seed: int) -> str:
    """What to look at."""
    return f"seed {seed}, patient {world.is_patient}:\n" + "\n".join(world.log[-40:])


@pytest.mark.timeout(0)
@pytest.mark.parametrize("is_patient", [False, True], ids=["impatient", "patient"])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_nothing_is_lost_and_nothing_double(block: int, is_patient: bool) -> None:
    """The highest revision of every series and interval is the sent total, or is accounted for."""
    for seed in range(block, SCHEDULES, BLOCKS):
        world = World(seed, is_patient=is_patient)
        try:
            world.run()
            oracle.check(world)
        except Exception as exc:
            exc.add_note(explain(world, seed))
            raise


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_left_out_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule of the protocol is needed: without it some schedule breaks the promise."""
    MUTANTS[name](monkeypatch)
    for seed in range(MOST_FOR_A_MUTANT):
        for is_patient in (False, True):
            world = World(seed, is_patient=is_patient)
            try:
                world.run()
                oracle.check(world)
            except Violation:
                return
    pytest.fail(f"{MOST_FOR_A_MUTANT} schedules have not seen it")
