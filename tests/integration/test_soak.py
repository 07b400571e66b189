"""The soak, briefly: what it checks of the ledger, not of time and memory."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from benchmarks.soaking import Soak, flat_memory, run

MIB = 1 << 20


@pytest.mark.parametrize(
    ("rate", "settings"),
    [
        pytest.param(20_000, {}, id="native"),
        pytest.param(20_000, {"num_readers": 2}, id="native, two readers"),
        pytest.param(20_000, {"coalesce": False}, id="native, each as it comes"),
        pytest.param(0, {"read_buffer_size_bytes": 16_384}, id="native, flooded"),
        pytest.param(3_000, {"engine": "python"}, id="python"),
    ],
)
def test_everything_sent_is_accounted_for(rate: float, settings: Mapping[str, object]) -> None:
    """Sent = aggregated + kernel drops, exactly, up to the sink's last row."""
    outcome = run(Soak(seconds=1.5, rate=rate, interval_s=0.5, settings=settings))
    assert [] == [verdict for verdict in outcome.conservation if not verdict.holds]
    assert outcome.exit_status == 0
    assert outcome.sent.datagrams > 1000


@pytest.mark.parametrize(
    ("rss_mib", "flat"),
    [
        pytest.param([50, 90, 100, 101, 100], True, id="grows at first only"),
        pytest.param([50, 90, 100, 101.9, 100], True, id="within the bound"),
        pytest.param([50, 90, 100, 101, 103], False, id="grows on"),
        pytest.param([50, 90, 100], False, id="too short to tell"),
    ],
)
def test_flat_memory(rss_mib: list[float], flat: bool) -> None:
    """Memory may grow by 2 % or 2 MiB after the third interval."""
    assert flat_memory([int(mib * MIB) for mib in rss_mib]).holds is flat
