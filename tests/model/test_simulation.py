"""The real functions of the protocol, over thousands of schedules of failures."""

from __future__ import annotations

import pytest

from tests.model import oracle
from tests.model.mutants import MUTANTS
from tests.model.schedules import BLOCKS, FEW, SCHEDULES, each_holds, some_fails
from tests.model.simulation import World


@pytest.mark.timeout(0)
@pytest.mark.parametrize("is_patient", [False, True], ids=["impatient", "patient"])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_nothing_is_lost_and_nothing_double(block: int, is_patient: bool) -> None:
    """The highest revision of every series and interval is the sent total, or is accounted for."""
    each_holds(World, oracle.check, block, SCHEDULES, is_patient=is_patient)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_left_out_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule of the protocol is needed: without it some schedule breaks the promise."""
    MUTANTS[name](monkeypatch)
    some_fails(World, oracle.check, FEW)
