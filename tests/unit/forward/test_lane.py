"""How long the way to an owner rests."""

from __future__ import annotations

import pytest

from veneurpy.config import Config
from veneurpy.forward.lane import longest_pause_s


@pytest.mark.parametrize("interval_s", [0.2, 1.0, 10.0, 60.0, 600.0])
def test_all_are_back_within_a_hold(interval_s: float) -> None:
    """Two attempts at least, whatever the interval, before what came first is sealed."""
    config = Config.model_validate({"interval": f"{interval_s}s"})
    assert 2 * longest_pause_s(interval_s) <= config.global_hold_s
