"""When windows of load begin."""

from __future__ import annotations

import pytest

from benchmarks.windows import FLUSHED_S, REST_S, seconds_to_quiet


@pytest.mark.parametrize("now_s", [0.0, 1.0, 1.4, 3.0, 7.4, 7.6, 9.9, 29.9])
def test_no_interval_ends_in_a_window(now_s: float) -> None:
    """It begins when the flush before is over, and is over before the next one."""
    since_s = (now_s + seconds_to_quiet(now_s, 10.0, 2.0)) % 10.0
    assert FLUSHED_S <= since_s + 1e-9
    assert since_s + 2.0 + REST_S <= 10.0


def test_no_wait_without_need() -> None:
    """In the middle of an interval there is no wait."""
    assert 0.0 == seconds_to_quiet(15.0, 10.0, 2.0)
