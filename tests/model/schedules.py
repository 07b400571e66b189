"""Running seeded schedules of failures.

VENEURPY_SCHEDULES says how many; the first seed that fails is told with its last steps. A wrong
variant of the protocol must be seen by those that run where it says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.model.course import Violation
from tests.model.simulation import World

FEW = 40
SCHEDULES = int(os.environ.get("VENEURPY_SCHEDULES", FEW))
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
            steps = "\n".join(world.course.log[-40:])
            exc.add_note(f"seed {seed}, patient {is_patient}:\n{steps}")
            raise


def some_fails(
    kind: Callable[..., _World], check: Callable[[_World], None], schedules: int
) -> None:
    """Fails the test if no schedule sees what is wrong."""
    for seed in range(schedules):
        for is_patient in (False, True):
            world = kind(seed, is_patient=is_patient)
            try:
                world.run()
                check(world)
            except Violation:
                return
    pytest.fail(f"{schedules} schedules have not seen it")
