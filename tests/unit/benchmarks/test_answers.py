"""Targets, and what a figure makes of its rounds."""

from __future__ import annotations

import pytest

from benchmarks.answers import Figure, Target, none_dropped, ratios


@pytest.mark.parametrize(
    ("target", "rounds", "met"),
    [
        pytest.param(Target("<=", 2), (1, 2, 9), True, id="the median is judged"),
        pytest.param(Target("<=", 2), (1, 3, 3), False, id="the median is too high"),
        pytest.param(Target(">=", 2), (1, 2, 9), True, id="at least"),
        pytest.param(Target(">=", 2), (1, 1, 9), False, id="the median is too low"),
        pytest.param(Target("<=", 0, always=True), (0, 0, 1), False, id="one round is over"),
        pytest.param(Target("<=", 0, always=True), (0, 0, 0), True, id="no round is over"),
        pytest.param(None, (1,), None, id="no target"),
    ],
)
def test_targets(target: Target | None, rounds: tuple[float, ...], met: bool | None) -> None:
    """A target is met by the median, or by every round where it says so."""
    assert met is Figure("it", "s", rounds, target).met


def test_ratios_pair_the_rounds() -> None:
    """Each round is divided by the yardstick of the same round."""
    assert (2.0, 5.0) == ratios("it", [4, 10], [2, 2], "×").rounds
    with pytest.raises(ValueError, match="shorter"):
        ratios("it", [4, 10], [2], "×")


@pytest.mark.parametrize("lost", [0.0, 1.0])
def test_one_drop_is_a_drop(lost: float) -> None:
    """A single datagram lost in a single window misses the target."""
    figure = none_dropped({"a": [0.0, 0.0], "b": [0.0, lost], "peer": [9.0, 9.0]}, ["a", "b"])
    assert figure.rounds == (0.0, 0.0, 0.0, lost)
    assert figure.met is (lost == 0)
