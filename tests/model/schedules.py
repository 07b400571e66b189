"""Running seeded schedules of failures.

VENEURPY_SCHEDULES says how many; the first seed that fails is told with its last steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.model.simulation import Violation, World

SCHEDULES = int(os.environ.get("VENEURPY_SCHEDULES", "100"))
MOST_FOR_A_MUTANT = 60
BLOCKS = 4

_World = TypeVar("_World", bound=World)


def each_holds(
    kind: Callable[..., _World],
    check: Callable[[_World], None],
    block: int,
    schedules: int,
    *,
    is_patient: bool,
) -> None:
    """Raises what the first schedule of a block raises, its world with it."""
    for seed in range(block, schedules, BLOCKS):
        world = kind(seed, is_patient=is_patient)
        try:
            world.run()
            check(world)
        except Exception as exc:
            steps = "\n".join(world.log[-40:])
            exc.add_note(f"seed {seed}, patient {is_patient}:\n{steps}")
            raise


def some_fails(kind: Callable[..., _World], check: Callable[[_World], None]) -> None:
    """Fails the test if no schedule sees what is wrong."""
    for seed in range(MOST_FOR_A_MUTANT):
        for is_patient in (False, True):
            world = kind(seed, is_patient=is_patient)
            try:
                world.run()
                check(world)
            except Violation:
                return
    pytest.fail(f"{MOST_FOR_A_MUTANT} schedules have not seen it")
